"""Packing: every token is predicted once, no row is too long, few places are empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras import corpus, data
from massivetext_keras.data.batching.packing import Packer, cut, pack
from massivetext_keras.tokenizers import ByteTokenizer


@given(st.lists(st.integers(1, 12), max_size=60))
def test_each_piece_has_a_place_and_no_row_room_for_a_later_one(sizes):
    rows = pack(sizes, 12)
    assert sorted(piece for row in rows for piece in row) == list(range(len(sizes)))
    filled = [[sizes[piece] for piece in row] for row in rows]
    largest = [max(row) for row in filled]
    assert largest == sorted(largest, reverse=True)
    for i, row in enumerate(filled):
        assert 0 <= 12 - sum(row) < min(map(min, filled[i + 1 :]), default=99)


def test_two_that_fill_a_row_come_before_the_largest():
    assert pack([6, 5, 3, 3], 12) == [[0, 2, 3], [1]]
    assert pack([6, 5, 3], 12) == [[0, 1], [2]]
    assert pack([6, 5, 4, 2], 12) == [[0, 2, 3], [1]]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 9), st.integers(1, 4))
def test_every_token_but_the_first_is_predicted_once(sizes, length, window):
    # A token tells its document and place.
    documents = [1000 * (i + 1) + np.arange(n) for i, n in enumerate(sizes)]
    packer, parts = Packer(length, window), []
    for ids in documents:
        packer.add(ids)
        if packer.ready:
            parts.append(packer.take())
    parts.append(packer.take(rest=True))
    tokens, segments = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert tokens.shape == segments.shape == (len(tokens), length + 1)
    assert (tokens[segments == 0] == 0).all()
    steps = np.diff(segments, axis=1)
    assert ((segments[:, 0] == 1) & (steps < 2).all(axis=1)).all()
    assert (segments[:, 1:][steps < 0] == 0).all()  # padding comes last
    same = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
    # Within a segment the next token is the next of the same document.
    assert (tokens[:, 1:][same] == tokens[:, :-1][same] + 1).all()
    predicted = sorted(tokens[:, 1:][same].tolist())
    assert predicted == sorted(id for ids in documents for id in ids[1:].tolist())


def test_a_document_that_fits_is_not_cut():
    assert [piece.tolist() for piece in cut(np.arange(9), 8)] == [list(range(9))]
    assert [len(piece) for piece in cut(np.arange(10), 8)] == [9, 2]
    assert cut(np.arange(1), 8) == cut(np.arange(0), 8) == []


def test_full_pieces_are_passed_on_and_others_wait_for_a_window():
    packer = Packer(length=3, window=2)
    packer.add(np.arange(1, 10))  # 1-4, 4-7, and 7-9 that does not fill a row
    assert packer.ready
    assert packer.take()[0].tolist() == [[1, 2, 3, 4], [4, 5, 6, 7]]
    packer.add(np.array([20, 21, 22]))
    assert not packer.ready
    packer.add(np.array([30, 31]))
    assert packer.ready
    assert packer.take()[1].tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 0]]


@pytest.mark.parametrize("length", [256, 1024])
def test_padding_of_real_text_is_less_than_one_percent(length, tmp_path):
    documents = corpus.python_documentation()
    packer, tokens = Packer(length), 0
    for some in data.encoded_documents(ByteTokenizer(), documents):
        for ids in some:
            packer.add(ids)
            tokens += len(ids)
    rows, segments = packer.take(rest=True)
    assert rows.size > tokens > 2_000_000
    assert np.mean(segments == 0) < 0.01


@pytest.mark.parametrize("length", [256, 1024])
@pytest.mark.parametrize("name", ["mt/multi30k/train.en", "lm/wikitext2_valid.raw.txt"])
def test_padding_of_lines_is_less_than_one_percent(data_dir, name, length):
    lines = (data_dir / name).read_text().splitlines()
    packer, rows, places = Packer(length), 0, 0
    for line in [*lines, None]:
        if line is not None:
            packer.add(np.arange(len(line.encode()) + 1))
        if packer.ready or line is None:
            segments = packer.take(rest=line is None)[1]
            rows, places = rows + len(segments), places + np.sum(segments > 0)
    assert rows > 1000
    assert places / (rows * (length + 1)) > 0.99
