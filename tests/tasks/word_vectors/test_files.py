"""Files of other programs, byte by byte, and what is wrong with damaged ones."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.tasks.word_vectors.files import (
    FORMATS,
    read_vectors,
    write_vectors,
)

WORDS = ["the", "Häuser", "北京", "1", "\xa0x"]
VECTORS = np.array([[0.5, -1], [1e-8, 3], [2, 4], [0.1, 7], [32, 10]], np.float32)


@pytest.mark.parametrize("format", FORMATS)
def test_vectors_come_back(tmp_path, format):
    path = tmp_path / "vectors"
    write_vectors(path, WORDS, VECTORS, format)
    words, vectors = read_vectors(path)
    assert words == WORDS
    np.testing.assert_allclose(vectors, VECTORS, rtol=1e-6)


def test_the_bytes_are_those_of_the_programs(tmp_path):
    path = tmp_path / "vectors"
    some = ["a", "ä"], np.array([[0.5, -1], [2, 3]])
    write_vectors(path, *some, "word2vec")
    assert path.read_bytes() == "2 2\na 0.5 -1\nä 2 3\n".encode()
    write_vectors(path, *some, "glove")
    assert path.read_bytes() == "a 0.5 -1\nä 2 3\n".encode()
    write_vectors(path, *some, "binary")
    numbers = [row.astype("<f4").tobytes() for row in some[1]]
    assert path.read_bytes() == b"2 2\na %b\n\xc3\xa4 %b\n" % tuple(numbers)


def test_a_binary_file_without_line_ends_and_one_with_spaces_at_the_end(tmp_path):
    path = tmp_path / "vectors"
    row = np.array([1.5, 2], "<f4").tobytes()
    path.write_bytes(b"2 2\na " + row + b"b " + row)
    assert read_vectors(path)[0] == ["a", "b"]
    path.write_bytes(b"2 2\na 1.5 2 \nb 3 4 \n")  # as fastText ends its lines
    words, vectors = read_vectors(path)
    assert words == ["a", "b"] and vectors.tolist() == [[1.5, 2], [3, 4]]
    path.write_bytes(b"a 1 2\nb 3 4\na 5 6\n")
    words, vectors = read_vectors(path)
    assert words == ["a", "b"] and vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"3 2\na 1 2\nb 3 4\n", ":1: it says 3 words, and 2 are there"),
        (b"2 2\na 1 2\nb 3\n", ":3: 1 numbers where 2 should be"),
        (b"2 3\na 1 2\nb 3 4\n", ":2: 2 numbers where 3 should be"),
        (b"a 1 2\nb 3 4 5\n", ":2: 3 numbers where 2 should be"),
        (b"a 1 2\nb 3 x\n", ":2: 'x' is no number"),
        (b"", ":1: there are no vectors"),
        (b"2 2\na " + b"\0\1\2\3" * 2 + b"b \0", "ends in word 2 of 2: it is cut"),
        (b"1 2\na " + b"\0\1\2\3" * 2 + b"b more", "of 2 numbers, and there is more"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_vectors(path)


def test_words_that_no_such_file_holds(tmp_path):
    with pytest.raises(ValueError, match="the word 'New York' cannot be"):
        write_vectors(tmp_path / "x", ["New York"], np.ones((1, 2)), "glove")
    with pytest.raises(ValueError, match="did you mean 'word2vec'"):
        write_vectors(tmp_path / "x", ["a"], np.ones((1, 2)), "word2vek")
    assert not (tmp_path / "x").exists()
