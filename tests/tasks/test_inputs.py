"""Files, lists, arrays, frames and datasets: what is a name, and what a text."""

from __future__ import annotations

import numpy as np
import pyarrow
import pytest
import tensorflow as tf

from massivetext_keras.tasks.inputs import are_files, rows_of, texts_of
from massivetext_keras.tasks.strings import are_texts


class Frame:
    """A table of columns, as pandas and polars have them."""

    def __init__(self, **columns):
        self.data, self.columns = columns, list(columns)

    def __getitem__(self, name):
        return np.array(self.data[name], object)


def test_names_and_texts_are_told_apart(tmp_path):
    (tmp_path / "a b.txt").write_text("a text")
    assert are_files("Once upon a time")  # a string alone is a name
    assert are_files(["a.txt", "books/*.txt"]) and are_files(["books/"])
    assert are_files([tmp_path / "a b.txt"]) and are_files(["web=0.7", "books=0.3"])
    assert not are_files(["Once upon a time.", "A fox\nran."])
    assert not are_files([("a", "b")]) and not are_files([]) and not are_files([{}])
    with pytest.raises(ValueError, match="'word' is the name of no file; if it is a"):
        are_files(["Once upon a time", "word"])
    assert texts_of([str(tmp_path / "a b.txt")]) == ["a text"]


@pytest.mark.parametrize(
    "data",
    [
        ["one text", "two texts"],
        np.array(["one text", "two texts"]),
        tf.data.Dataset.from_tensor_slices(["one text", "two texts"]),
        tf.data.Dataset.from_tensor_slices(["one text", "two texts"]).batch(2),
        [{"text": "one text"}, {"text": "two texts"}, {"text": None}],
        Frame(text=["one text", "two texts", float("nan")]),
        {"text": ["one text", "two texts"]},
        pyarrow.table({"text": ["one text", "two texts"]}),
    ],
)
def test_texts_in_memory(data):
    assert texts_of(data) == ["one text", "two texts"]


def test_what_is_no_text():
    for data, message in [
        ([{"text": 3}], "row 0 is no text"),
        (np.array([1, 2]), "row 0 is no text"),
        ([{"words": "a"}], "there are no texts"),
        ({"text": ["a"], "label": [1, 2]}, "columns of other lengths: text 1, label 2"),
        (3, "a int holds no examples"),
    ]:
        with pytest.raises(ValueError, match=message):
            texts_of(data)


def test_rows_have_values_of_python():
    frame = Frame(text=["a", "b"], label=np.array([1.0, np.nan]))
    assert list(rows_of(frame)) == [
        {"text": "a", "label": 1.0},
        {"text": "b", "label": None},
    ]
    dataset = tf.data.Dataset.from_tensor_slices((["a", "ü"], [[0, 1], [1, 0]]))
    assert list(rows_of(dataset)) == [("a", [0, 1]), ("ü", [1, 0])]


def test_what_fit_has_to_read():
    assert are_texts(["a"]) and are_texts([{"text": "a"}]) and are_texts([("a", "b")])
    assert are_texts((["a"], ["b"])) and are_texts(Frame(text=["a"]))
    assert are_texts(tf.constant(["a"])) and are_texts({"text": ["a"]})
    assert not are_texts([[1, 2]]) and not are_texts(np.zeros([2, 3]))
    assert not are_texts({"token_ids": np.zeros([2, 3])}) and not are_texts(None)
    assert not are_texts(tf.data.Dataset.range(3))
