"""What Keras writes of tasks and models comes back whole."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.models import BERT, GPT, Seq2Seq
from massivetext_keras.optimization.optimizers import RULES
from massivetext_keras.support import registration
from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.training import adamw
from tests.processes import last_line_of
from tests.tasks.every import SEQ2SEQ, TASKS, one_batch
from tests.tasks.tiny import ENCODER, TINY, byte_lm, encoder_task, gpt

pytestmark = pytest.mark.usefixtures("without_xla")

IDS = np.array([[5, 6, 7, 8]], "int32")
NEW_PROCESS = """
import json, sys
{imports}
task, model = map(keras.models.load_model, sys.argv[1:])
print(json.dumps([
    task.score("abc"), task.optimizer.weight_decay, len(task.optimizer.variables),
    model({ids}).numpy().ravel().tolist(),
]))
"""


def same(one, other) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_comes_back_from_file_pickle_and_copy(name, tmp_path):
    task = TASKS[name](dropout=0.1)
    task.compile(adamw(1e-3, warmup_steps=7, rates={"bias": 0.5}))
    task.build_optimizer()
    frozen = task.freeze("tokens|block_0")
    task.save(tmp_path / "task.keras")
    answers = {
        "file": keras.models.load_model(tmp_path / "task.keras"),
        "pickle": pickle.loads(pickle.dumps(task)),
        "copy": copy.deepcopy(task),
    }
    for how, other in answers.items():
        assert type(other) is type(task), how
        assert same(other.weights, task.weights), how
        assert same(other.optimizer.variables, task.optimizer.variables), how
        assert other.config == task.config and other.chosen() == task.chosen()
        assert other.tokenizer.fingerprint == task.tokenizer.fingerprint
        assert float(other.optimizer.learning_rate) == pytest.approx(1e-3 / 7)
        still = {w.path for w in other.weights} - {
            w.path for w in other.trainable_weights
        }
        assert still == set(frozen), how
    fresh = keras.models.clone_model(task)
    assert fresh.chosen() == task.chosen() and not same(fresh.weights, task.weights)
    task.save_weights(tmp_path / "task.weights.h5")
    fresh.load_weights(tmp_path / "task.weights.h5")
    assert same(fresh.weights, task.weights)


def test_training_goes_on_from_a_file_as_if_it_had_not_stopped(tmp_path):
    data = tf.data.Dataset.from_tensors(one_batch("CausalLM")).repeat(3)
    keras.utils.set_random_seed(0)
    task = byte_lm(dropout=0.1)
    task.compile(adamw(0.01, warmup_steps=4), micro_batches=2, recompute=True)
    path = str(tmp_path / "{epoch}.keras")
    saving = keras.callbacks.ModelCheckpoint(path)
    losses = task.fit(data, epochs=2, verbose=0, callbacks=[saving]).history["loss"]
    again = keras.models.load_model(tmp_path / "1.keras")
    assert again.micro_batches == 2 and again.backbone.stack.recompute
    assert again.fit(data, verbose=0).history["loss"] == losses[1:]
    assert same(again.weights, task.weights)


@pytest.mark.parametrize("merged", [False, True])
def test_adapters_are_in_the_file(merged, tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    names = task.add_adapters("qkv", rank=2, alpha=3.0, dropout=0.1)
    for layer in task.adapted().values():
        layer.adapter.b.assign(tf.ones_like(layer.adapter.b))
    if merged:
        task.merge_adapters()
    task.save(tmp_path / "task.keras")
    other = keras.models.load_model(tmp_path / "task.keras")
    assert list(other.adapted()) == names
    assert other.adapters.settings() == task.adapters.settings()
    assert same(other.weights, task.weights)
    assert len(other.trainable_weights) == len(task.trainable_weights)
    if merged:
        task.unmerge_adapters()
        other.unmerge_adapters()
        assert same(other.weights, task.weights)
    task.remove_adapters()
    other.remove_adapters()
    assert same(other.trainable_weights, task.trainable_weights)


@pytest.mark.parametrize(
    ("cls", "config"), [(GPT, TINY), (BERT, ENCODER), (Seq2Seq, SEQ2SEQ)]
)
def test_a_model_alone_and_within_another_comes_back(cls, config, tmp_path):
    model = cls(config)
    inputs = {"token_ids": keras.Input([None], dtype="int32")}
    if cls is Seq2Seq:
        side = keras.Input([None], dtype="int32")
        (ids,) = inputs.values()
        inputs = {"encoder_token_ids": ids, "decoder_token_ids": side}
    whole = keras.Model(inputs, keras.layers.Dense(3)(model(inputs)))
    features = dict.fromkeys(inputs, IDS)
    for i, one in enumerate((model, whole)):
        one.save(tmp_path / f"{i}.keras")
        others = [
            keras.models.load_model(tmp_path / f"{i}.keras"),
            pickle.loads(pickle.dumps(one)),
            copy.deepcopy(one),
        ]
        for other in others:
            assert type(other) is type(one) and same(other.weights, one.weights)
            np.testing.assert_allclose(other(features), one(features), atol=1e-6)


class Larger(CausalLM):
    """A task of a user, in no registry by a name of its own."""


def test_a_task_of_a_user_is_copied_as_it_is():
    config = TINY.replace(vocabulary_size=259)
    task = Larger(config, dtype="mixed_bfloat16", name="mine")
    other = copy.deepcopy(task)
    assert type(other) is Larger and other.name == "mine"
    assert other.dtype_policy.name == other.backbone.dtype_policy.name
    assert other.dtype_policy.name == "mixed_bfloat16"


def test_keras_knows_every_class_that_its_files_name():
    known = keras.saving.get_custom_objects()
    made = {cls.__name__ for cls in RULES.values()}
    for name, cls in known.items():
        package, _, name = name.partition(">")
        # Any optimizer of Keras can be seen as one of ours; files have its own name.
        if package == "massivetext_keras" and not issubclass(cls, keras.Optimizer):
            made.add(name)
    assert made == {name for names in registration.CLASSES.values() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    ["import keras, massivetext_keras", "import massivetext_keras\nimport keras"],
)
def test_a_new_process_has_to_import_the_package_alone(imports, tmp_path):
    task, model = byte_lm(), gpt()
    task.compile(adamw(weight_decay=0.25))
    task.build_optimizer()
    paths = [str(tmp_path / name) for name in ("task.keras", "model.keras")]
    for one, path in zip((task, model), paths, strict=True):
        one.save(path)
    program = NEW_PROCESS.format(imports=imports, ids=IDS.tolist())
    score, decay, variables, hidden = last_line_of("-c", program, *paths)
    assert score == pytest.approx(task.score("abc"), rel=1e-4)
    assert decay == 0.25 and variables == len(task.optimizer.variables)
    np.testing.assert_allclose(hidden, model(IDS).numpy().ravel(), atol=1e-5)
