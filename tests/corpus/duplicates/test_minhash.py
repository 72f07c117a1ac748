"""Signatures: what they estimate, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.duplicates.minhash import (
    minhash_bands,
    shingles,
    signatures,
)
from massivetext_keras.reading.document import Document

FIRST_KEYS = [
    14147069013118184979,
    2101445460746442514,
    14470922993368245894,
    781376159552968265,
]
LAST_KEY = 4255972733585942023
TEXTS = [
    "to be or not to be that is the question whether tis nobler in the mind",
    "Der Rat der Stadt hat am Montag beschlossen, die Brücke über den Fluss zu öffnen.",
    "自然语言处理是人工智能和语言学领域的分支学科，研究如何处理及运用自然语言。",
    "short",
    "",
]


def batch_of(texts):
    return Batch(map(Document, texts))


def test_keys_are_the_same_on_every_machine():
    found = minhash_bands(batch_of(TEXTS), ngram=5)
    assert [len(keys) for keys in found] == [20, 20, 20, 20, 0]
    assert [keys[0] for keys in found if keys] == FIRST_KEYS
    assert found[0][-1] == LAST_KEY


def test_the_numbers_of_bands_and_rows():
    [keys] = minhash_bands(batch_of(TEXTS[:1]), ngram=5, bands=14, rows=8)
    assert len(keys) == 14
    assert not set(keys) & set(minhash_bands(batch_of(TEXTS[:1]), ngram=5)[0])


@pytest.mark.parametrize("text", TEXTS[:3])
def test_shingles_are_runs_of_words(text):
    hashes, offsets = shingles(batch_of([text]), ngram=5)
    unspaced = text == TEXTS[2]
    words = list(text) if unspaced else text.split()
    assert offsets.tolist() == [0, len(words) - 4] == [0, len(set(hashes))]
    between = "" if unspaced else "\n"
    [fifth] = shingles(batch_of([between.join(words[4:9])]), ngram=5)[0]
    assert fifth == hashes[4]


def test_a_short_document_is_one_shingle():
    hashes, offsets = shingles(batch_of(["a b", "a b ", "b a", "", "b"]), ngram=3)
    assert offsets.tolist() == [0, 1, 2, 3, 3, 4]
    assert hashes[0] == hashes[1]
    assert len(set(hashes.tolist())) == 3


@given(st.permutations(range(len(TEXTS))), st.lists(st.text(), max_size=3))
@settings(max_examples=30, deadline=None)
def test_keys_do_not_depend_on_the_batch(order, others):
    alone = [minhash_bands(batch_of([text]), ngram=5)[0] for text in TEXTS]
    together = minhash_bands(batch_of([*(TEXTS[i] for i in order), *others]), ngram=5)
    assert together[: len(order)] == [alone[index] for index in order]


@given(st.integers(1, 400), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_shared_minima_estimate_jaccard_similarity(size, share, seed):
    common = round(size * share)
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**64, 2 * size - common, dtype=np.uint64)
    sets = np.concatenate([values[:size], values[size - common :]])
    found = signatures(sets, np.array([0, size, 2 * size]), 1200)
    jaccard = common / (2 * size - common)
    deviation = np.sqrt(jaccard * (1 - jaccard) / 1200)
    assert abs((found[0] == found[1]).mean() - jaccard) <= 5 * deviation


def test_bands_are_shared_as_often_as_the_formula_says():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**64, (4000, 100), dtype=np.uint64)
    # 90 of 100 elements each, 80 in common
    sets = np.concatenate([values[:, :90].ravel(), values[:, 10:].ravel()])
    found = signatures(sets, np.arange(8001) * 90, 120).reshape(2, 4000, 20, 6)
    shared = (found[0] == found[1]).all(2)
    assert shared.mean() == pytest.approx(0.8**6, abs=0.01)
    assert shared.any(1).mean() >= 0.995
