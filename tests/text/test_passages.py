"""Windows of contexts: what is in them, and which is asked about a token."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.text.passages import passages
from massivetext_keras.tokenizers import ByteTokenizer

ids = st.lists(st.integers(3, 250), max_size=40)


def ragged(rows):
    return tf.ragged.constant(rows, tf.int32, ragged_rank=1)


def test_literal_windows():
    found = passages(
        ByteTokenizer(), ragged([[9, 9], [7]]), ragged([[], [11, 12, 13, 14]]), 8, 1
    )
    assert found.rows.to_list() == [
        [1, 9, 9, 2, 2],
        [1, 7, 2, 11, 12, 13, 14, 2],
    ]
    found = passages(
        ByteTokenizer(), ragged([[9, 9, 9, 9, 9]]), ragged([[11, 12, 13, 14, 15]]), 7, 9
    )  # half of four places for the question; one of two tokens is shared
    assert found.rows.to_list() == [
        [1, 9, 9, 2, 11, 12, 2],
        [1, 9, 9, 2, 12, 13, 2],
        [1, 9, 9, 2, 13, 14, 2],
        [1, 9, 9, 2, 14, 15, 2],
    ]
    assert found.segments.to_list() == [[0, 0, 0, 0, 1, 1, 1]] * 4
    assert found.asked.numpy().tolist() == [[0, 1], [1, 2], [2, 3], [3, 5]]


@given(
    st.lists(st.tuples(ids, ids), min_size=1, max_size=4),
    st.integers(5, 24),
    st.integers(0, 12),
)
def test_windows_cover_contexts_and_each_token_is_asked_about_once(
    pairs, length, overlap
):
    questions, contexts = zip(*pairs, strict=True)
    found = passages(
        ByteTokenizer(), ragged(questions), ragged(contexts), length, overlap
    )
    rows, owners = found.rows.to_list(), found.owners.numpy().tolist()
    for i, (question, context) in enumerate(pairs):
        question = question[: (length - 3) // 2]
        places = length - 3 - len(question)
        shared = min(overlap, places // 2)
        windows, end = [], None
        for row, owner, *more in zip(
            rows,
            owners,
            found.first,
            found.sizes,
            found.before,
            found.asked,
            strict=True,
        ):
            if owner != i:
                continue
            first, size, before, asked = (x.numpy().tolist() for x in more)
            assert row == [1, *question, 2, *context[first : first + size], 2]
            assert before == len(question) + 2 and len(row) <= length
            assert end is None or end - first >= shared  # as much as was asked for
            assert first <= asked[0] <= asked[1] <= first + size
            windows.append((first, size, asked))
            end = first + size
        assert end == len(context)  # the last window ends with it
        if len(windows) > 1:
            assert all(size == places for _, size, _ in windows)
            steps = -(-(len(context) - places) // (places - shared))
            assert len(windows) == 1 + steps  # no more than it takes
        for token in range(len(context)):
            around = [
                min(token - first, first + size - 1 - token)
                if first <= token < first + size
                else -1
                for first, size, _ in windows
            ]
            chosen = [a <= token < b for _, _, (a, b) in windows]
            assert chosen.count(True) == 1
            assert around[chosen.index(True)] >= max(around) - 1


def test_no_room():
    with pytest.raises(
        ValueError, match="rows of 4 tokens have no room for a question"
    ):
        passages(ByteTokenizer(), ragged([[5]]), ragged([[5]]), 4, 0)
