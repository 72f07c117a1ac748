"""Models inside what users of Keras build of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.models import BERT, GPT, Seq2Seq
from tests.tasks.every import SEQ2SEQ, TASKS
from tests.tasks.tiny import ENCODER, TINY

MODELS = [(BERT, ENCODER), (GPT, TINY), (Seq2Seq, SEQ2SEQ)]


def rows(model: keras.Model) -> dict[str, str]:
    """The lines of a summary by the name of the layer."""
    text: list[str] = []
    model.summary(print_fn=lambda line, **_: text.append(line))
    cells = [x.split("│") for x in "\n".join(text).splitlines() if x.startswith("│")]
    return {name.split()[0]: shape.strip() for _, name, shape, *_ in cells}


@pytest.mark.parametrize("name", TASKS)
def test_a_summary_of_a_task_has_shapes(name):
    found = rows(TASKS[name]())
    (backbone,) = (x for k, x in found.items() if k in ("bert", "gpt", "seq2seq"))
    assert backbone == "(None, None, 16)"
    expected = {
        "MaskedLM": ("head", "(None, None, 16)"),
        "QuestionAnswerer": ("spans", "(None, None, 2)"),
        "ReplacedTokenDetector": ("head", "(None, None)"),
        "TextClassifier": ("head", "(None, 2)"),
        "TokenClassifier": ("head", "(None, None, 5)"),
    }
    if name in expected:
        head, shape = expected[name]
        assert found[head] == shape


@pytest.mark.parametrize(("cls", "config"), MODELS)
def test_a_subclass_may_have_layers_of_its_own(cls, config):
    class Own(cls):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = keras.layers.Dense(3)

        def call(self, inputs, training=None):
            return self.extra(super().call(inputs, training=training))

    model = Own(config)
    names = ["token_ids"] if cls is not Seq2Seq else []
    names = names or ["encoder_token_ids", "decoder_token_ids"]
    inputs = {n: keras.Input([None], dtype="int32", name=n) for n in names}
    assert keras.Model(inputs, model(inputs)).output_shape == (None, None, 3)
    assert len(model.extra.weights) == 2
    assert rows(model)


@pytest.mark.parametrize("kind", ["float32", "int64", "uint16", "bool"])
def test_features_are_numbers_of_any_type(kind):
    model = BERT(ENCODER)
    ids = np.array([[1, 0, 1]])
    features = {"token_ids": ids, "padding_mask": ids, "segment_ids": ids}
    wanted = model({k: x.astype("int32") for k, x in features.items()})
    found = model({k: tf.constant(x.astype(kind)) for k, x in features.items()})
    np.testing.assert_array_equal(found, wanted)
