"""Splits: nothing lost, nothing leaked, the same every time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus import Split, split_documents

many = st.lists(st.text(max_size=5), min_size=20, max_size=60, unique=True)
fractions = st.floats(0.001, 0.999)


@given(many, fractions, st.integers(0, 3), st.data())
def test_hashed_split(documents, fraction, seed, data):
    documents = documents + data.draw(st.lists(st.sampled_from(documents), max_size=9))
    train, valid = split_documents(documents, fraction, seed)
    assert train and valid and not set(train) & set(valid)
    assert sorted(train + valid) == sorted(documents)
    assert train == [text for text in documents if text in set(train)]
    order = data.draw(st.permutations(documents))
    again = split_documents(order, fraction, seed)
    assert [sorted(side) for side in again] == [sorted(train), sorted(valid)]


def test_hashed_split_is_fixed_and_fair():
    documents = [f"document {number}" for number in range(10_000)]
    _, valid = split_documents(documents, 0.1)
    assert 900 < len(valid) < 1100  # 3.3 standard deviations of 30
    _, more = split_documents([*documents, "new", "newer"], 0.1)
    assert set(valid) <= set(more) <= {*valid, "new", "newer"}
    _, larger = split_documents(documents, 0.2)
    assert set(valid) < set(larger)
    _, other = split_documents(documents, 0.1, seed=1)
    assert 50 < len(set(valid) & set(other)) < 150  # independent: 100 in common
    # Literal: the same on every machine and in every version.
    _, few = split_documents(documents[:40], 0.1)
    assert few == ["document 5", "document 25"]


def test_single_document_follows_nanogpt(data_dir):
    data = (data_dir / "lm/tinyshakespeare.txt").read_text()
    n = len(data)
    assert split_documents([data], 0.1) == (
        [data[: int(n * 0.9)]],
        [data[int(n * 0.9) :]],
    )
    assert len(split_documents([data], 0.1)[1][0]) == 111_540


@given(st.lists(st.text("ab\n", min_size=20), min_size=1, max_size=19), fractions)
def test_cuts_lose_nothing(documents, fraction):
    try:
        train, valid = split_documents(documents, fraction)
    except ValueError:
        assert all(int(len(text) * (1 - fraction)) == 0 for text in documents)
        return
    heads, tails = iter(train), iter(valid)
    for text in documents:
        cut = int(len(text) * (1 - fraction))
        head = next(heads) if cut else ""
        tail = next(tails)
        assert head + tail == text
        near = min(200, cut // 10)
        if len(documents) == 1 or "\n" not in text[cut - near : cut]:
            assert len(head) == cut
        else:
            assert cut - near < len(head) <= cut and head.endswith("\n")
            assert "\n" not in text[len(head) : cut]


def test_several_documents_are_cut_at_line_breaks():
    lines, late = "twelve chars\n" * 100, "x\n" + "x" * 998
    train, valid = split_documents([lines, "a" * 10, late], 0.25)
    assert train == ["twelve chars\n" * 75, "a" * 7, late[:750]]  # 75 = 975 / 13
    assert valid == ["twelve chars\n" * 25, "a" * 3, late[750:]]
    train, _ = split_documents([lines, "a" * 10], 0.28)  # 936 = 72 * 13
    assert train[0] == "twelve chars\n" * 72
    train, _ = split_documents([lines, "a" * 10], 0.275)  # 942 is inside a line
    assert train[0] == "twelve chars\n" * 72


def test_twenty_copies_are_one_document():
    train, valid = split_documents(["0123456789"] * 20, 0.2)
    assert train == ["01234567"] * 20 and valid == ["89"] * 20


def test_edges():
    assert split_documents(iter(["a", "b"]), 0) == (["a", "b"], [])
    for fraction in (-0.1, 1, float("nan")):
        with pytest.raises(ValueError, match="below 1"):
            split_documents(["a"], fraction)
    for documents in ([], [""], ["a"]):
        with pytest.raises(ValueError, match="too few"):
            split_documents(documents, 0.1)


@given(
    st.lists(st.text("ab\n", max_size=9), max_size=40), st.sampled_from([0.0, 0.1, 0.6])
)
def test_one_by_one_is_all_at_once(documents, fraction):
    try:
        expected = split_documents(documents, fraction)
    except ValueError as error:
        with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
            Split.of(iter(documents), fraction)
        return
    split = Split.of(iter(documents), fraction)
    sides = [], []
    for text in documents:
        for side, part in zip(sides, split(text), strict=True):
            side += [] if part is None else [part]
    assert sides == expected
