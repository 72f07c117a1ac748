"""What a model remembers is found, and what it does not is not."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from massivetext_keras.privacy import (
    DPSGD,
    exposure,
    extraction,
    membership,
    random_digits,
    with_canaries,
)
from massivetext_keras.privacy.memory import area, losses_of
from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.training import adamw
from tests.tasks.tiny import byte_lm, encoder_task, randomize

pytestmark = pytest.mark.usefixtures("plain_loop")

FORM, SECRET = "my pin is {}.", "281265"
TEXTS = [f"{name} sat on the {thing}." for name in ("Ann", "Bob") for thing in "abcd"]
OTHERS = [x for x in random_digits(6, 256) if x != SECRET]


def trained(texts, updates: int, privacy: DPSGD | None = None) -> CausalLM:
    keras.utils.set_random_seed(0)
    lm = byte_lm(num_layers=1, hidden_size=32, num_heads=2)
    randomize(lm.backbone, 0, 0.05)
    lm.compile(adamw(1e-2), privacy=privacy)
    lm.fit(np.array(texts, object), batch_size=len(texts), epochs=updates, verbose=0)
    return lm


@pytest.fixture(scope="module")
def open_lm() -> CausalLM:
    """Has seen the secret, without privacy."""
    texts = with_canaries(TEXTS, FORM.replace("{}", SECRET), times=2)
    return trained(texts, updates=120)


def test_a_secret_is_exposed_unless_training_was_private(open_lm):
    found = exposure(open_lm, FORM, SECRET, OTHERS)
    assert found == pytest.approx(np.log2(len(OTHERS) + 1))  # of all the most probable
    texts = with_canaries(TEXTS, FORM.replace("{}", SECRET), times=2)
    private = DPSGD(clip_norm=0.5, noise_multiplier=2.0)
    assert exposure(trained(texts, 30, private), FORM, SECRET, OTHERS) < 4.0


def test_passages_are_continued_word_for_word(open_lm):
    canary = FORM.replace("{}", SECRET)
    found = extraction(open_lm, [canary, "Zoe ran to a far-off hill."], 10, 6)
    assert found.tried == 2 and found.share == 0.5
    (passage,) = found.found
    assert passage.document == 0 and canary.startswith(passage.prompt + passage.text)
    assert extraction(open_lm, [canary] * 9, 10, 6, most=4).tried == 4
    with pytest.raises(ValueError, match="no document has 30 tokens"):
        extraction(open_lm, ["short"], 20, 10)
    with pytest.raises(ValueError, match="at most the context"):
        extraction(open_lm, ["short"], 200, 10)


def test_members_have_smaller_losses(open_lm):
    others = [
        f"{name} ran to my {thing}!" for name in ("Eve", "Max") for thing in "wxyz"
    ]
    found = membership(open_lm, TEXTS, others)
    assert found.value > 0.95 and found.low <= found.value <= found.high
    unseen = random_digits(6, 60)
    chance = membership(open_lm, unseen[::2], unseen[1::2])
    assert chance.low < 0.5 < chance.high


def test_losses_are_those_of_the_formula(open_lm):
    ids = [*open_lm.tokenizer(TEXTS[0]).numpy()]
    score = open_lm.score(TEXTS[0])
    assert losses_of(open_lm, TEXTS[:2])[0] == pytest.approx(-score / len(ids))
    task = encoder_task(TextClassifier, labels=["a", "b"])
    examples = [("the cat", "a"), ("the dog sat", "b"), ("un", "a")]
    logits = np.float64(task.predict([text for text, _ in examples], verbose=0))
    right = np.log(np.exp(logits).sum(1)) - logits[[0, 1, 2], [0, 1, 0]]
    np.testing.assert_allclose(losses_of(task, task.examples_of(examples)), right, 1e-5)


def test_areas_and_ranks():
    random = np.random.default_rng(0)
    low, high = random.integers(0, 9, 30) * 1.0, random.integers(3, 12, 40) * 1.0
    pairs = (low[:, None] < high) + 0.5 * (low[:, None] == high)
    assert area(low, high) == pytest.approx(pairs.mean())
    assert len(set(random_digits(2, 500))) == 100


def test_bad_input(open_lm):
    with pytest.raises(ValueError, match="where the secret stands"):
        exposure(open_lm, "my pin", "1", ["2"])
    with pytest.raises(ValueError, match="others than the secret"):
        exposure(open_lm, FORM, "1", ["1", "2"])
    with pytest.raises(ValueError, match="there are none"):
        membership(open_lm, [], TEXTS)
