"""Attention and its rollout: literal layers, and the weights of a model."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.explain import explain
from massivetext_keras.explain.attention import rollout
from massivetext_keras.models.attention_maps import stack_weights
from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, encoder_task

TEXT = "the unbelievable cat"


def test_rollout_is_the_product_of_layers_with_their_residuals():
    first = np.array([[0.5, 0.5], [0.0, 1.0]])
    second = np.array([[1.0, 0.0], [0.5, 0.5]])
    # (I + A) / 2 of each, the second at the left
    wanted = np.array([[1.0, 0.0], [0.25, 0.75]]) @ [[0.75, 0.25], [0.0, 1.0]]
    np.testing.assert_allclose(rollout(np.stack([first, second])), wanted)
    np.testing.assert_allclose(wanted, [[0.75, 0.25], [0.1875, 0.8125]])


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return encoder_task(TextClassifier, labels=["ham", "spam"], num_layers=2)


def test_weights_are_those_of_the_first_token_in_the_last_layer(classifier):
    found = explain(classifier, TEXT, "attention", target="ham")
    ids = np.array([[2, 5, 12, 13, 14, 6, 3]])
    assert classifier.tokenizer.tokenize(TEXT).numpy().tolist() == ids[0, 1:-1].tolist()
    backbone = classifier.backbone
    positions = np.arange(7)[None]
    x = backbone.embeddings(backbone.tokens(ids), positions, np.zeros_like(ids))
    layers = stack_weights(backbone.stack, x, positions)
    wanted = layers[-1].numpy()[0, :, 0].mean(axis=0)
    np.testing.assert_allclose(found.scores, wanted[1:-1], rtol=1e-4)
    assert found.base is None and found.gap is None and found.scores.sum() < 1.0


def test_rollout_of_a_language_model_sees_no_later_token():
    found = explain(byte_lm(), "the cat", "attention_rollout", target=" sat")
    assert len(found.scores) == 7 and (found.scores > 0.0).all()
    assert found.scores.sum() <= 1.0 + 1e-6


def test_a_recurrent_model_has_no_attention():
    small = {"num_layers": 1, "hidden_size": 8, "embedding_size": 8}
    task = CausalLM.from_preset("lstm_small", tokenizer=ByteTokenizer(), **small)
    with pytest.raises(ValueError, match="a Recurrent has none"):
        explain(task, "the cat", "attention", target=" sat")
