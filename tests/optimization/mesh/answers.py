"""What a task on a mesh answers while it is trained, beside one device with the same
weights; prints JSON."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation import beam, decoding
from massivetext_keras.optimization.averaging import averaged
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import adamw, make_mesh, set_logical_cpus
from tests.processes import use_grappler
from tests.tasks.tiny import TINY, randomize

CONFIG = TINY.replace(vocabulary_size=260, num_layers=1, num_key_value_heads=2)
IDS = np.random.default_rng(0).integers(1, 260, [32, 9]).astype("int32")
DATA = {"token_ids": IDS[:, :-1]}, IDS[:, 1:]
FEATURES = {"token_ids": IDS[:4, :-1]}


class Pair:
    """A task on a mesh, and one on one device that takes its weights."""

    def __init__(self):
        self.plain = CausalLM(CONFIG, ByteTokenizer())
        with make_mesh(data=2, tensor=2).scope():
            self.task = randomize(CausalLM(CONFIG, ByteTokenizer()), scale=1.0)
        optimizer = adamw(0.05, 0, 100, ema=0.9)
        self.task.compile(optimizer, shard_state="optimizer", shard_sequence=True)

    def is_same(self) -> bool:
        """Whether both write the same text."""
        for variable, other in zip(
            self.plain.variables, self.task.variables, strict=True
        ):
            variable.assign(other.numpy())
        prompt = {"prompts": "Once", "max_new_tokens": 8, "temperature": 0}
        return self.task.generate(**prompt) == self.plain.generate(**prompt)

    def apart(self, answer) -> float:
        """How far the logits of both are apart."""
        self.is_same()
        one, other = answer(self.task), answer(self.plain)
        return float(np.abs(np.array(one) - np.array(other)).max())

    def fit(self, *callbacks, epochs: int = 1):
        batches = tf.data.Dataset.from_tensor_slices(DATA).batch(8)
        self.task.fit(batches, epochs=epochs, callbacks=callbacks, verbose=0)


def values(task) -> list[np.ndarray]:
    return [variable.numpy() for variable in task.variables]


def are_equal(some, others) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def while_training(pair: Pair) -> dict:
    seen = [pair.is_same()]
    texts = [pair.task.generate("Once", max_new_tokens=8, temperature=0)]

    class Sample(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(pair.is_same())
            text = pair.task.generate("Once", max_new_tokens=8, temperature=0)
            texts.append(text)

    pair.fit(Sample())
    return {"same": seen, "texts": len(set(texts))}


def after_training(pair: Pair) -> dict:
    found = {
        "call": pair.apart(lambda task: task(FEATURES)),
        "predict": pair.apart(lambda task: task.predict(FEATURES, verbose=0)),
    }
    pair.fit()
    found["predict again"] = pair.apart(lambda task: task.predict(FEATURES, verbose=0))
    before = values(pair.task)
    with averaged(pair.task):
        found["averages differ"] = not are_equal(values(pair.task), before)
        found["averages"] = pair.is_same()
    found["weights are back"] = are_equal(values(pair.task), before)
    found["parameters"] = pair.task.count_params() - CONFIG.parameter_count()
    return found


def on_disk(pair: Pair, folder: Path) -> dict:
    task = pair.task
    task.save_preset(folder / "preset")
    task.save_weights(folder / "kept.weights.h5")
    task.save(folder / "task.keras")
    with pytest.MonkeyPatch.context() as patch:  # XLA takes longer than all else here
        plain = functools.partial(tf.function, autograph=False)
        for module in (beam, decoding):
            patch.setattr(module, "island", plain)
        task.export(folder / "export", xla=False)
    logits, kept = np.array(task(FEATURES)), values(task)
    text = task.generate("Once", temperature=0, max_new_tokens=4)
    served = tf.saved_model.load(str(folder / "export")).signatures["generate"]
    loaded = keras.saving.load_model(folder / "task.keras")
    state = [v.numpy() for v in task.optimizer.variables]
    found = {
        "preset": np.abs(
            logits - CausalLM.from_preset(str(folder / "preset"))(FEATURES)
        ).max(),
        "keras": np.abs(logits - loaded(FEATURES)).max(),
        "keras state": are_equal(
            [v.numpy() for v in loaded.optimizer.variables], state
        ),
    }
    asked = {"max_new_tokens": 4, "temperature": 0.0, "top_k": 0, "top_p": 1.0}
    asked = {name: tf.constant(value) for name, value in asked.items()}
    (answer,) = served(prompt=tf.constant(["Once"]), seed=tf.constant(0), **asked)[
        "text"
    ].numpy()
    found["export"] = answer.decode() == text
    worse = {"mode": "max", "patience": 0, "restore_best_weights": True}
    path = str(folder / "{epoch}.weights.h5")
    pair.fit(
        keras.callbacks.ModelCheckpoint(path, save_weights_only=True),
        keras.callbacks.EarlyStopping("loss", **worse),
        epochs=3,
    )
    stopped = values(task)
    task.load_weights(folder / "1.weights.h5")
    found["best weights"] = are_equal(values(task), stopped)
    task.load_weights(folder / "kept.weights.h5")
    found["weights"] = are_equal(values(task), kept)
    return {k: x if isinstance(x, bool) else float(x) for k, x in found.items()}


def main() -> None:
    use_grappler(False)
    set_logical_cpus(4)
    pair = Pair()
    found = {"training": while_training(pair), "after": after_training(pair)}
    print(json.dumps(found | {"disk": on_disk(pair, Path(sys.argv[1]))}))


if __name__ == "__main__":
    main()
