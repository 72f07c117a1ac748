"""Kneser-Ney against hand computation, a textbook implementation and real text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.ngram import KneserNey, ngram_baselines

VOCABULARY = 5
BOS = "<s>"
documents = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30),
    min_size=1,
    max_size=4,
)


class Textbook:
    """Chen & Goodman (1999), equation by equation, with dictionaries of tuples."""

    def __init__(self, texts, order, modified=False):
        self.order = order
        self.counts = {order: Counter()}
        before = defaultdict(set)
        for text in texts:
            padded = [BOS] * (order - 1) + list(text)
            for end in range(order - 1, len(padded)):
                for length in range(1, order + 1):
                    gram = tuple(padded[end - length + 1 : end + 1])
                    if length == order:
                        self.counts[order][gram] += 1
                    else:
                        before[gram].add(padded[end - length])
        for length in range(1, order):
            self.counts[length] = Counter(
                {g: len(b) for g, b in before.items() if len(g) == length}
            )
        self.discounts = {k: self.estimate(c, modified) for k, c in self.counts.items()}

    @staticmethod
    def estimate(counts, modified):
        n = Counter(counts.values())
        y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
        if modified and n[1] and n[2] and n[3]:
            ds = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
            if min(ds) > 0:
                return ds
        return [y, y, y]

    def prob(self, word, context):
        lower = 1 / VOCABULARY if not context else self.prob(word, context[1:])
        counts = self.counts[len(context) + 1]
        follow = {g[-1]: c for g, c in counts.items() if g[:-1] == context}
        if not follow:
            return lower
        discount = self.discounts[len(context) + 1]
        total = sum(follow.values())
        count = follow.get(word, 0)
        own = count - discount[min(count, 3) - 1] if count else 0.0
        gamma = sum(discount[min(c, 3) - 1] for c in follow.values()) / total
        return own / total + gamma * lower

    def log_probs(self, texts):
        out = []
        for text in texts:
            padded = (BOS,) * (self.order - 1) + tuple(text)
            for i, word in enumerate(text):
                out.append(math.log(self.prob(word, padded[i : i + self.order - 1])))
        return out


@given(documents, documents, st.integers(1, 4), st.booleans())
def test_equals_the_textbook(train, test, order, modified):
    model = KneserNey(order, vocabulary_size=VOCABULARY, modified=modified).fit(train)
    expected = Textbook(train, order, modified).log_probs(test)
    np.testing.assert_allclose(model.log_probs(test), expected, rtol=1e-10)


@given(
    documents,
    st.lists(st.integers(0, VOCABULARY - 1), max_size=5),
    st.integers(1, 4),
    st.booleans(),
)
def test_probabilities_sum_to_one(train, context, order, modified):
    model = KneserNey(order, vocabulary_size=VOCABULARY, modified=modified).fit(train)
    rows = [[*context, word] for word in range(VOCABULARY)]
    last = model.log_probs(rows).reshape(VOCABULARY, -1)[:, -1]
    assert np.exp(last).sum() == pytest.approx(1, abs=1e-12)
    assert np.all(np.isfinite(last))


def test_bigram_by_hand():
    # a b a b a c. Bigrams: <s>a 1, ab 2, ba 2, ac 1, so D = 2 / (2 + 2 * 2) = 1/3.
    # Distinct tokens before a, b, c: 2, 1, 1, so D = 2 / (2 + 2 * 1) = 1/2 and
    # p(a) = 1.5/4 + 1.5/4/3 = 1/2, p(b) = p(c) = 0.5/4 + 1/8 = 1/4.
    model = KneserNey(order=2, vocabulary_size=3).fit(np.array([0, 1, 0, 1, 0, 2]))
    pairs = np.array([[h, w] for h in range(3) for w in range(3)])
    probs = np.exp(model.log_probs(pairs)).reshape(3, 3, 2)
    start = [5 / 6, 1 / 12, 1 / 12]  # p(w | <s>) = [2/3, 0, 0] + 1/3 p(w)
    np.testing.assert_allclose(probs[:, 0, 0], start)
    np.testing.assert_allclose(
        probs[:, :, 1],
        [
            [1 / 9, 11 / 18, 5 / 18],  # [0, 5/9, 2/9] + 2/9 p(w)
            [11 / 12, 1 / 24, 1 / 24],  # [5/6, 0, 0] + 1/6 p(w)
            [1 / 2, 1 / 4, 1 / 4],  # c ends the text: nothing follows it
        ],
    )


def test_unigram_keeps_mass_for_unseen_tokens():
    # counts 3, 1: D = 1 / (1 + 0) = 1; backoff 2/4, uniform 1/4.
    model = KneserNey(order=1, vocabulary_size=4).fit([0, 0, 1, 0])
    probs = np.exp(model.log_probs([0, 1, 2, 3]))
    np.testing.assert_allclose(probs, [5 / 8, 1 / 8, 1 / 8, 1 / 8])


def test_modified_discounts_by_hand():
    # Five tokens once, two twice, one thrice, none four times: Y = 5/9,
    # D1 = 1 - 2 Y 2/5 = 5/9, D2 = 2 - 3 Y 1/2 = 7/6, D3 = 3 - 0 = 3.
    ids = [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7]
    model = KneserNey(order=1, vocabulary_size=10, modified=True).fit(ids)
    spread = (5 * 5 / 9 + 2 * 7 / 6 + 3) / 12 / 10
    np.testing.assert_allclose(
        np.exp(model.log_probs([0, 5, 7, 9])),
        [4 / 9 / 12 + spread, 5 / 6 / 12 + spread, spread, spread],
    )


def test_documents_do_not_see_each_other():
    model = KneserNey(order=3, vocabulary_size=4).fit([[0, 1, 2], [0, 1, 3]])
    parts = [[0, 1, 2], [], [0, 1, 1]]
    together = model.log_probs(parts)
    alone = np.concatenate([model.log_probs(part) for part in parts])
    np.testing.assert_array_equal(together, alone)
    assert together[3] - model.log_probs([0, 1, 2, 0, 1, 1])[3] > 0.1


def test_real_text_prefers_longer_contexts(data_dir):
    text = (data_dir / "lm/tinyshakespeare.txt").read_bytes()
    ids = np.frombuffer(text, np.uint8)
    cut = int(len(ids) * 0.9)
    nats = []
    for order, modified in [(1, False), (2, False), (3, False), (5, False), (5, True)]:
        model = KneserNey(order, vocabulary_size=256, modified=modified)
        nats.append(-model.fit(ids[:cut]).log_probs(ids[cut:]).mean())
    assert nats == sorted(nats, reverse=True)
    frequency = np.bincount(ids[:cut], minlength=256) / cut
    assert nats[0] == pytest.approx(-np.log(frequency[ids[cut:]]).mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "no tokens"),
        ([[], []], "no tokens"),
        ([0, 5], "0 .. 4, but range from 0 to 5"),
        ([-1], "range from -1"),
        ([0.5], "integers"),
        ([[[0]]], "integers"),
    ],
)
def test_bad_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        KneserNey(order=2, vocabulary_size=5).fit(ids)


def test_bad_use():
    with pytest.raises(ValueError, match="at least 1"):
        KneserNey(order=0, vocabulary_size=5)
    with pytest.raises(ValueError, match="int64"):
        KneserNey(order=5, vocabulary_size=50_257)
    with pytest.raises(RuntimeError, match="fit"):
        KneserNey(order=2, vocabulary_size=5).log_probs([0])
    model = KneserNey(order=2, vocabulary_size=5).fit([0, 1])
    assert model.log_probs([]).shape == (0,)


def test_baselines_score_all_tokens_but_the_first():
    train, valid = np.array([0, 1, 1, 2]), np.array([2, 1, 0])
    results = ngram_baselines(train, valid, token_bytes=[1, 2, 10])
    assert list(results) == ["unigram", "bigram", "trigram"]
    nats = -KneserNey(2, vocabulary_size=3).fit(train).log_probs(valid)[1:]
    bits = nats.sum() / math.log(2.0) / 3
    expected = {"loss": nats.mean(), "bits_per_byte": bits}
    assert results["bigram"] == pytest.approx(expected)
