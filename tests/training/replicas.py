"""Cuts the same batches in several ways; prints how far apart they end, as JSON."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from massivetext_keras.configs import ModelConfig, RecurrentConfig
from massivetext_keras.data import Conversation
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import (
    Checkpoint,
    TensorBoard,
    adamw,
    make_strategy,
    set_logical_cpus,
)
from tests.processes import use_grappler
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batch, batches

STEPS = 5
# Rows of eight: replicas, micro-batches on each of them, the step compiled by XLA.
SPLITS = [(1, 4, True), (2, 2, True), (4, 1, False)]
SMALL = TINY.replace(num_layers=1)
LSTM = RecurrentConfig(vocabulary_size=50, num_layers=2, hidden_size=12, max_length=32)


def built(
    replicas: int,
    seed: int = 0,
    dropout: float = 0.0,
    config: ModelConfig = SMALL,
    **options,
) -> TinyLM:
    keras.utils.set_random_seed(seed)
    devices = [f"CPU:{i}" for i in range(replicas)] if replicas > 1 else None
    with make_strategy("mirrored" if devices else "none", devices).scope():
        model = TinyLM(config.replace(dropout=dropout))
        # Gradients of the keys' biases are zero but for rounding, which Adam would blow
        # up with the usual epsilon.
        rates = {"learning_rate": 0.02, "warmup_steps": 2, "total_steps": 6}
        optimizer = adamw(**rates, epsilon=1e-6, clip_norm=0.5, ema=0.9)
        model.compile(optimizer, **options)
        model.optimizer.build(model.trainable_variables)
    return model


def golden(config: ModelConfig = SMALL, splits=SPLITS) -> dict[str, float]:
    """How far ten batches of eight rows, cut in each way, end from the whole ones."""
    data, ends = batches(0, 10, rows=8), {}
    whole = built(1, config=config)
    fit(whole, data)
    for replicas, micro_batches, jit in splits:
        how = {"micro_batches": micro_batches, "jit_compile": jit}
        model = built(replicas, config=config, **how)
        fit(model, data)
        ends[f"{replicas} x {micro_batches}"] = apart(whole, model)
    return ends


def adapted(replicas: int) -> TinyLM:
    """A model whose adapters alone have learnt three batches."""
    keras.utils.set_random_seed(0)
    devices = [f"CPU:{i}" for i in range(replicas)] if replicas > 1 else None
    with make_strategy("mirrored" if devices else "none", devices).scope():
        model = TinyLM(TINY.replace(num_layers=1))
    model.add_adapters(rank=2)
    with model.distribute_strategy.scope():
        # At ten times the rate the third update blows roundings up by two hundred.
        model.compile(keras.optimizers.SGD(0.05))
    fit(model, batches(0, 3))
    model.merge_adapters()
    model.unmerge_adapters()
    return model


def chatting(replicas: int) -> CausalLM:
    """A model that has learnt replies, of which a replica may have none."""
    keras.utils.set_random_seed(0)
    devices = [f"CPU:{i}" for i in range(replicas)] if replicas > 1 else None
    with make_strategy("mirrored" if devices else "none", devices).scope():
        config = TINY.replace(num_layers=1, vocabulary_size=259, max_length=64)
        lm = CausalLM(config, ByteTokenizer())
        lm.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    talks = [
        Conversation(("a" * n, "b" * (3 * n % 7 + 1)), ("user", "assistant"))
        for n in range(1, 6)
    ]
    fit(lm, lm.example_datasets(talks, batch_size=2)[0].take(3))
    return lm


def masks_differ() -> bool:
    """Whether two replicas with the same rows drop other entries."""
    features, labels, weights = batch(0, rows=2)
    rows = ({"token_ids": features["token_ids"]}, labels, weights)
    twice = tf.nest.map_structure(lambda x: np.concatenate([x, x]), rows)
    model = built(2, dropout=0.5)
    model.fit(tf.data.Dataset.from_tensors(twice), verbose=0)
    total = model.loss_tracker.total.value
    one, other = model.distribute_strategy.experimental_local_results(total)
    return abs(float(one) - float(other)) > 1e-3


def fit(model: TinyLM, data: tf.data.Dataset, *callbacks, **options) -> dict:
    history = model.fit(data, callbacks=list(callbacks), verbose=0, **options)
    return {name: values[0] for name, values in history.history.items()}


def apart(model: TinyLM, other: TinyLM) -> float:
    """The largest difference of a weight, a metric, a seed or the optimizer's state, as
    a share of what is above 1."""
    pairs = zip(
        model.variables + model.optimizer.variables,
        other.variables + other.optimizer.variables,
        strict=True,
    )
    values = ((a.numpy(), b.numpy()) for a, b in pairs)
    return max(
        float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()) for a, b in values
    )


def curves(folder: Path) -> dict:
    events = EventAccumulator(str(folder / "train"), {"tensors": 0}).Reload()
    return {
        tag: [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        for tag in ("loss", "bits_per_byte", "gradient_norm")
    }


def main(folder: Path) -> None:
    use_grappler(False)
    gc.disable()  # graphs are made until the end, and few are garbage
    tf.config.threading.set_inter_op_parallelism_threads(8)
    set_logical_cpus(4)
    one, two = built(1), built(2)
    result = {
        "golden": golden(),
        "recurrent": golden(LSTM, SPLITS[1:2]),
        "masks_differ": masks_differ(),
        "adapters": apart(adapted(1), adapted(2)),
        "chat": apart(chatting(1), chatting(2)),
        "replicas": two.distribute_strategy.num_replicas_in_sync,
        "tokens": [
            [float(half.sum()) for half in np.split(batch(i)[2], 2)]
            for i in range(STEPS - 1)
        ],
        "validation": [],
        "curves": [],
    }
    # The last batch has one row: a replica has none.
    data = batches(0, STEPS).unbatch().take(4 * STEPS - 3).batch(4)
    for model, name in ((one, "one"), (two, "two")):
        watch = TensorBoard(folder / name, every=2)
        held_out = {"validation_data": batches(50, 52)}
        logs = fit(model, data, watch, Checkpoint(folder / name), **held_out)
        result["validation"].append(logs["val_loss"])
        result["curves"].append(curves(folder / name))
    result["apart"] = apart(one, two)
    table = one.backbone.tokens.embeddings
    start = built(1).backbone.tokens.embeddings
    result["moved"] = float(np.abs(table.numpy() - start.numpy()).max())

    onto_two, onto_one = built(2, seed=9), built(1, seed=9)
    Checkpoint(folder / "one").restore(onto_two)
    Checkpoint(folder / "two").restore(onto_one)
    result["restored"] = [apart(onto_two, one), apart(onto_one, two)]

    straight = built(2, dropout=0.2)
    fit(straight, batches(0, 4))
    callback = Checkpoint(folder / "dropout")
    fit(built(2, dropout=0.2), batches(0, 2), callback)
    resumed = built(2, seed=9, dropout=0.2)
    start = callback.restore(resumed)
    fit(resumed, batches(start, 4))
    result["resumed"] = [start, apart(resumed, straight)]
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
