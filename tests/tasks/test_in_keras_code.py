"""Backbones, tokenizers and tasks inside what somebody else writes with Keras."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.models import GPT
from massivetext_keras.tasks import TextClassifier
from tests.models.test_backbones_in_keras import rows
from tests.processes import last_line_of
from tests.tasks.every import one_batch
from tests.tasks.tiny import TINY, byte_lm, encoder_task, gpt, randomize, words

pytestmark = pytest.mark.usefixtures("without_xla")

TEXTS = ["the cat sat on the mat", "unbelievable dog"]
IDS = np.array([[5, 6, 7, 8], [9, 10, 11, 12]], "int32")
# It knows our package alone: nothing of the tests, and no classes by name.
PROGRAM = """
import json, sys
import massivetext_keras
import keras, tensorflow as tf

cases = json.loads(sys.argv[1])
found = {}
for path, (kind, values) in cases.items():
    model = keras.models.load_model(path)
    inputs = tf.constant(values, kind)
    found[path] = tf.reshape(model(inputs), [-1]).numpy().tolist()
print(json.dumps(found))
"""


def classifier(**changes) -> TextClassifier:
    return encoder_task(TextClassifier, labels=("no", "yes"), **changes)


def of_strings_by_a_backbone() -> keras.Model:
    task = classifier()
    text = keras.Input((), dtype="string")
    hidden = task.backbone(task.preprocessor(8)(text))
    return keras.Model(text, keras.layers.Dense(3)(hidden[:, 0]))


def of_strings_by_a_task() -> keras.Model:
    task = classifier()
    text = keras.Input((), dtype="string")
    return keras.Model(text, keras.layers.Softmax()(task(task.preprocessor(8)(text))))


def of_ids_by_a_backbone() -> keras.Model:
    ids = keras.Input((None,), dtype="int32")
    pooled = keras.layers.GlobalAveragePooling1D()(gpt()(ids))
    return keras.Model(ids, keras.layers.Dense(2)(pooled))


def of_ids_by_two_backbones() -> keras.Model:
    ids = keras.Input((None,), dtype="int32")
    both = [gpt()(ids), randomize(GPT(TINY, name="second"))(ids)]
    return keras.Model(ids, keras.layers.Add()(both))


def of_ids_by_a_language_model() -> keras.Model:
    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, keras.layers.Softmax()(byte_lm()({"token_ids": ids})))


def a_sequence_of_layers() -> keras.Model:
    return keras.Sequential([keras.Input((None,), dtype="int32"), gpt()])


MADE = {
    "int32": (
        *(of_ids_by_a_backbone, of_ids_by_two_backbones),
        *(of_ids_by_a_language_model, a_sequence_of_layers),
    ),
    "string": (of_strings_by_a_backbone, of_strings_by_a_task),
}
INPUTS = {"int32": IDS.tolist(), "string": TEXTS}


@pytest.mark.slow
def test_functional_models_are_read_where_our_package_alone_is_known(tmp_path):
    cases, wanted = {}, {}
    for kind, makers in MADE.items():
        for make in makers:
            model, path = make(), str(tmp_path / f"{make.__name__}.keras")
            model.save(path)
            cases[path] = kind, INPUTS[kind]
            answer = model(tf.constant(INPUTS[kind], kind))
            wanted[path] = np.ravel(answer.numpy())
    found = last_line_of("-c", PROGRAM, json.dumps(cases))
    assert found.keys() == wanted.keys()
    for path, numbers in found.items():
        assert np.ptp(wanted[path]) > 1e-3, path
        np.testing.assert_allclose(numbers, wanted[path], atol=1e-5, err_msg=path)


@keras.saving.register_keras_serializable("tests")
class Ranker(keras.Model):
    """Tokenizer, backbone and a head, as a subclass has them."""

    def __init__(self, tokenizer, backbone, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer, self.backbone = tokenizer, backbone
        self.head = keras.layers.Dense(1)

    def call(self, ids, training=None):
        mask = tf.cast(ids != 0, tf.int32)
        features = {"token_ids": ids, "padding_mask": mask}
        return self.head(self.backbone(features, training=training)[:, 0])

    def rank(self, texts):
        return self(self.tokenizer(tf.constant(texts)).to_tensor())[:, 0].numpy()

    def get_config(self):
        parts = {"tokenizer": self.tokenizer, "backbone": self.backbone}
        saved = {k: keras.saving.serialize_keras_object(v) for k, v in parts.items()}
        return {**super().get_config(), **saved}

    @classmethod
    def from_config(cls, config):
        for part in ("tokenizer", "backbone"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)


def test_a_subclass_with_tokenizer_and_backbone_is_trained_and_read(tmp_path):
    model = Ranker(words(), classifier().backbone)
    before = model.rank(TEXTS)
    model.compile("sgd", "mse", jit_compile=False)
    ids = model.tokenizer(tf.constant(TEXTS)).to_tensor()
    model.fit(ids, tf.constant([[0.0], [1.0]]), epochs=2, verbose=0)
    after = model.rank(TEXTS)
    assert np.abs(after - before).max() > 1e-3
    model.save(tmp_path / "ranker.keras")
    again = keras.models.load_model(tmp_path / "ranker.keras")
    np.testing.assert_allclose(again.rank(TEXTS), after, atol=1e-6)


def test_a_summary_names_the_parts():
    model = of_strings_by_a_task()
    found = {name.rstrip("_0123456789"): shape for name, shape in rows(model).items()}
    assert found["text_classifier"] == found["softmax"] == "(None, 2)"
    assert found["preprocessor"] == "[(None, 8),"


def test_a_step_with_a_tape_is_that_of_fit():
    """Cross-entropy by hand, the gradient of a tape, one step of plain SGD."""
    features, labels, weights = one_batch("CausalLM")
    weights[:, -2:] = 0.0
    ours, theirs = byte_lm(), byte_lm()
    ours.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    data = tf.data.Dataset.from_tensors((features, labels, weights))
    ours.fit(data, verbose=0)

    optimizer = keras.optimizers.SGD(0.1)
    with tf.GradientTape() as tape:
        logits = theirs(features, training=True)
        costs = keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
        loss = tf.reduce_sum(costs * weights) / weights.sum()
    gradients = tape.gradient(loss, theirs.trainable_variables)
    optimizer.apply(gradients, theirs.trainable_variables)
    moved = 0.0
    start = byte_lm()
    for one, other, old in zip(
        ours.weights, theirs.weights, start.weights, strict=True
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-6)
        moved = max(moved, np.abs(one.numpy() - old.numpy()).max())
    assert moved > 1e-3


def test_keras_tuner_searches_settings_of_a_task(tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    batch = tf.data.Dataset.from_tensors(one_batch("TextClassifier"))

    def build(settings):
        task = classifier(dropout=settings.Choice("dropout", [0.0, 0.5]))
        rate = settings.Fixed("rate", 0.1)
        task.compile(keras.optimizers.SGD(rate), jit_compile=False)
        return task

    tuner = keras_tuner.GridSearch(
        build, objective="val_loss", directory=tmp_path, project_name="search"
    )
    tuner.search(batch, validation_data=batch, epochs=2, verbose=0)
    scores = [trial.score for trial in tuner.oracle.get_best_trials(2)]
    assert len(scores) == 2 and scores[0] <= scores[1]
    best = tuner.get_best_models(1)[0]
    assert isinstance(best, TextClassifier)
    found = best.evaluate(batch, verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(scores[0], rel=1e-4)


def test_callbacks_of_keras_see_a_task(tmp_path):
    """A plateau lowers the rate, then training stops and the best weights are back."""
    task = classifier()
    task.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    task.optimizer.learning_rate = 0.5
    batch = tf.data.Dataset.from_tensors(one_batch("TextClassifier"))
    still = {"monitor": "val_loss", "min_delta": 1e9, "mode": "min"}
    stop = keras.callbacks.EarlyStopping(**still, patience=2, restore_best_weights=True)
    path = tmp_path / "epoch_{epoch}.weights.h5"
    history = task.fit(
        batch,
        validation_data=batch,
        epochs=9,
        verbose=0,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(**still, factor=0.1, patience=1),
            stop,
            keras.callbacks.ModelCheckpoint(str(path), save_weights_only=True),
        ],
    )
    assert len(history.epoch) == 3 and stop.stopped_epoch == 2
    assert float(task.optimizer.learning_rate) == pytest.approx(0.005)
    assert len(list(tmp_path.glob("*.h5"))) == 3
    first = classifier()
    first.load_weights(str(path).format(epoch=1))
    for one, other in zip(task.weights, first.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
