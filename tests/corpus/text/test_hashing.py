"""Hashes of spans, and items that a document has more than once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.hashing import equal_groups, span_hashes
from massivetext_keras.reading.document import Document


def batch_of(*texts: str) -> Batch:
    return Batch(Document(text) for text in texts)


def test_long_texts_hash_as_short_ones():
    text = " ".join(f"word{i % 90}" for i in range(500)) + " " + "x" * 200
    values = np.frombuffer(text.encode(), np.uint8)
    starts = np.array([0, 0, 3, 60, 63, 64, 65, 700, 2000])
    ends = np.array([1, 64, 65, 66, 128, 129, 1000, 2500, len(values)])
    whole = span_hashes(values, starts, ends)
    assert span_hashes(values, starts, ends, block=64).tolist() == whole.tolist()
    assert whole[0] == span_hashes(values[:1], np.array([0]), np.array([1]))[0]


def test_a_span_with_a_zero_is_another():
    values = np.array([7, 0, 7, 0, 0])
    spans = span_hashes(values, np.array([0, 0, 1, 3]), np.array([1, 2, 3, 5]))
    assert len(set(spans.tolist())) == 4


def test_different_spans_have_different_hashes():
    values = np.random.default_rng(0).integers(0, 3, 20_000)
    starts = np.arange(len(values) - 12)
    hashes = span_hashes(values, starts, starts + 12)
    known = {tuple(values[i : i + 12].tolist()) for i in starts}
    assert len(set(hashes.tolist())) == len(known)


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=6),
    st.sampled_from([1, 1 << 40, 1 << 61]),
)
def test_equal_groups_are_those_of_a_dictionary(documents, spread):
    # A spread of 1 gives hashes that differ only where packing cuts them off.
    hashes = np.array([v * spread for one in documents for v in one], np.uint64)
    offsets = np.cumsum([0, *map(len, documents)])
    found, first = equal_groups(hashes, offsets)
    groups: dict[tuple[int, int], list[int]] = {}
    for owner, values in enumerate(documents):
        for index, value in enumerate(values):
            position = int(offsets[owner]) + index
            groups.setdefault((owner, value), []).append(position)
    groups = {key: many for key, many in groups.items() if len(many) > 1}
    divided = np.split(found, np.flatnonzero(first)[1:]) if len(found) else []
    assert sorted(map(list, divided)) == sorted(groups.values())
    owners = np.searchsorted(offsets, found, "right")
    assert (np.diff(owners) >= 0).all()


def test_equal_groups_of_one_document_and_of_nothing():
    same = np.zeros(3, np.uint64)
    found, first = equal_groups(same, np.array([0, 3]))
    assert (found.tolist(), first.tolist()) == ([0, 1, 2], [True, False, False])
    for offsets in ([0], [0, 0, 0]):
        found, first = equal_groups(same[:0], np.array(offsets))
        assert (found.tolist(), first.tolist()) == ([], [])
