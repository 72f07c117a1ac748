"""Changes of texts are what they say, and rates what scipy's formulas give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from massivetext_keras.robustness import (
    ATTACKS,
    BackTranslation,
    by_group,
    flips,
    under_attack,
)
from massivetext_keras.robustness.counterfactuals import wilson
from massivetext_keras.tasks import Seq2SeqLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, encoder_task, randomize

EXAMPLES = [("the cat sat on the mat", "a"), ("unbelievable dog", "b"), ("un", "a")]


@pytest.fixture(scope="module")
def task() -> TextClassifier:
    return encoder_task(TextClassifier, labels=["a", "b"])


@given(st.text(max_size=60), st.floats(0.0, 1.0), st.integers(0, 99))
def test_what_attacks_leave_as_it_is(text, share, seed):
    for name, attack in ATTACKS.items():
        found = attack(text, share, np.random.default_rng(seed))
        assert found == attack(text, share, np.random.default_rng(seed))
        assert attack(text, 0.0, np.random.default_rng(seed)) == text
        if name == "swap":
            assert sorted(found) == sorted(text) and len(found) == len(text)
        if name == "delete":
            assert len(found) <= len(text)


def test_a_share_of_the_words_is_changed():
    text = " ".join(["word"] * 2000)
    found = ATTACKS["swap"](text, 0.3, np.random.default_rng(0)).split()
    assert found.count("wrod") == pytest.approx(600, abs=80)
    assert found.count("word") + found.count("wrod") == 2000


@given(st.integers(0, 40), st.integers(1, 40))
def test_intervals_are_wilsons(hits, more):
    count = hits + more
    right = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    found = wilson(hits, count)
    assert found.value == hits / count
    np.testing.assert_allclose(found[1:], [right.low, right.high], atol=1e-4)


def test_flips_are_answers_that_differ(task):
    texts = [text for text, _ in EXAMPLES]
    labels = [answer.label for answer in task.classify(texts)]
    pairs = [(one, other) for one in texts for other in texts]
    found = flips(task, pairs)
    right = [(i, j) for i in range(3) for j in range(3) if labels[i] != labels[j]]
    assert len(found.changed) == len(right) and found.count == 9
    for (i, j), row in zip(right, found.changed, strict=True):
        assert row == (texts[i], texts[j], labels[i], labels[j])
    assert found.rate.value == len(right) / 9


def test_rates_by_group(task):
    groups = {"animals": ["cat", "dog"], "things": ["mat"]}
    templates = ["the {} sat", "{}"]
    found = by_group(task, templates, groups, label="a")
    for group, words in groups.items():
        texts = [t.replace("{}", w) for t in templates for w in words]
        hits = sum(x.label == "a" for x in task.classify(texts))
        assert found[group] == wilson(hits, len(texts))


def test_measures_under_attack(task):
    examples = task.examples_of(EXAMPLES)
    found = under_attack(task, examples, ["upper"], share=1.0)
    assert found["none"] == task.measure(examples)
    loud = [x._replace(text=x.text.upper()) for x in examples]
    assert found["upper"] == task.measure(loud)
    assert under_attack(task, examples, share=0.0)["swap"] == found["none"]


def test_paraphrases_are_what_two_translators_write(task):
    config = TINY.replace(stack="encoder_decoder", num_layers=1, vocabulary_size=259)
    there, back = (
        randomize(Seq2SeqLM(config, ByteTokenizer()), seed, 0.8) for seed in (1, 2)
    )
    texts = [text for text, _ in EXAMPLES]
    beams = BackTranslation(there, back, num_beams=2)
    between = there.translate(texts, num_beams=2)
    right = back.translate(between, num_beams=2)
    assert beams(texts) == right and right != texts
    found = under_attack(task, EXAMPLES, [], back_translation=beams)
    others = [(text, label) for text, (_, label) in zip(right, EXAMPLES, strict=True)]
    assert found["back_translation"] == task.measure(others)
    drawn = BackTranslation(there, back, temperature=1.0)
    assert drawn(texts, 1) == drawn(texts, 1) != drawn(texts, 2)


def test_what_is_refused(task):
    with pytest.raises(ValueError, match="a TextClassifier is no Seq2SeqLM"):
        BackTranslation(task, task)
    with pytest.raises(ValueError, match="there are none"):
        flips(task, [])
    with pytest.raises(ValueError, match="has no {} for a word"):
        by_group(task, ["nobody"], {"a": ["b"]}, "a")
    with pytest.raises(ValueError, match="is none of a, b"):
        by_group(task, ["{}"], {"a": ["b"]}, "c")
    with pytest.raises(ValueError, match="did you mean 'swap'"):
        under_attack(task, EXAMPLES, ["swp"])
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        under_attack(task, EXAMPLES, share=2.0)
    several = encoder_task(TextClassifier, labels=["a", "b"], problem="multi_label")
    with pytest.raises(ValueError, match="these are multi_label"):
        flips(several, [("a", "b")])
