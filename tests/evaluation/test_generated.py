"""Generated texts beside sets of texts, as nltk has it text by text."""

from __future__ import annotations

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from massivetext_keras.evaluation import bleu_against, self_bleu

SMOOTH = SmoothingFunction().method1


def plain(text, references, order):
    weights = [1 / order] * order
    return sentence_bleu([x.split() for x in references], text.split(), weights, SMOOTH)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(list("abcdef"), n)) for n in rng.integers(1, 9, 40)]


@pytest.mark.parametrize("order", [2, 4])
def test_is_the_mean_of_nltks_bleu(texts, order):
    some, references = texts[:15], texts[15:]
    wanted = np.mean([plain(text, references, order) for text in some])
    assert bleu_against(some, references, order) == pytest.approx(100 * wanted)
    wanted = [plain(x, texts[:i] + texts[i + 1 :], order) for i, x in enumerate(texts)]
    assert self_bleu(texts, order) == pytest.approx(100 * np.mean(wanted))


def test_equal_texts_have_100_and_disjoint_ones_0():
    assert self_bleu(["a small cat sat"] * 5) == 100
    assert self_bleu(["a small cat sat", "now birds fly off", "we eat some fish"]) == 0
    assert bleu_against(["a b c d"], ["x", "a b c d", "y"]) == 100
    # by characters: three of four, two of three, one of two, none of one
    wanted = 100 * (3 / 4 * 2 / 3 * 1 / 2 * 0.1) ** 0.25
    assert bleu_against(["我很好吗"], ["我很好"]) == pytest.approx(wanted)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="1 texts have no others: give at least 2"):
        self_bleu(["a"])
    with pytest.raises(ValueError, match="0 texts and 1 references"):
        bleu_against([], ["a"])
    with pytest.raises(ValueError, match="order must be positive, got 0"):
        bleu_against(["a"], ["a"], order=0)
