"""Prompts are read in turns, together where they are short, and become what they are
alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots import MOST_STOP_IDS, Text
from massivetext_keras.generation.slots.reading import PromptReader
from massivetext_keras.generation.slots.rows import Rows
from tests.tasks.tiny import byte_lm


def text_of(length: int, seed: int = 0) -> Text:
    random = np.random.default_rng(seed)
    return Text(random.integers(3, 259, length).tolist(), 1, (), slot=seed)


def alone(lm, text: Text) -> np.ndarray:
    """Keys and values of a prompt without its last token, read at once."""
    ids = tf.constant([text.prompt[:-1]])
    cache = lm.backbone.empty_cache(tf.zeros([1], tf.int32), ids.shape[1])
    _, cache = lm.backbone({"token_ids": ids}, cache=cache)
    return np.stack(tf.nest.flatten(cache.layers))[:, 0]


def read_all(reader: PromptReader, texts: list[Text]) -> list:
    """What is finished, in order."""
    for text in texts:
        reader.add(text)
    reader.start()
    found = []
    while reader.is_busy:
        found += reader.finished(wait=True)
    return found


def test_short_prompts_are_read_together_and_long_ones_in_turns():
    lm = byte_lm(seed=3)
    reader = PromptReader(lm.backbone, 32, 0, compiled=False)  # short: at most 16
    texts = [text_of(n, i) for i, n in enumerate([60, 9, 40, 17, 3])]
    order = []
    for read in read_all(reader, texts):
        order.append([texts.index(text) for text in read.texts])
        for i, text in enumerate(read.texts):
            right = alone(lm, text)
            found = read.memory[:, i, :, : right.shape[2]]
            np.testing.assert_allclose(found, right, atol=1e-5)
    # a chunk of the first, two short ones, a chunk of the third, a short one; then the
    # rest of the first, which is no end, and the end of the third
    assert order == [[1, 3], [4], [0], [2]]


def test_ends_are_read_by_the_program_once_it_is_compiled():
    lm = byte_lm(seed=3, max_length=128)
    reader = PromptReader(lm.backbone, 32, 2**20, compiled=True)
    reader.warm_up()
    assert reader.places_to_compile() == [32, 64, 128]
    first, second, third = (text_of(75, i) for i in range(3))
    second.prompt = [*first.prompt[:64], *second.prompt[:10]]
    third.prompt = [*first.prompt[:64], *third.prompt[:7]]
    read_all(reader, [first])
    read_all(reader, [second])
    assert reader.hits == 1
    reader.compile(64)
    reader._further = None  # it is not asked any more
    (read,) = read_all(reader, [third])
    assert reader.hits == 2 and reader.traces == 2  # for any sizes
    found = read.memory[:, 0, :, :70]
    np.testing.assert_allclose(found, alone(lm, third), atol=1e-5)


def test_what_is_shared_to_its_end_is_not_read_again():
    reader = PromptReader(byte_lm(max_length=128).backbone, 64, 2**20, compiled=False)
    texts = [text_of(65), text_of(65)]
    texts[1].slot = 1
    memories = [read_all(reader, [text])[0].memory for text in texts]
    text = texts[1]
    assert (reader.hits, text.shared, text.unread) == (1, 64, 0)
    np.testing.assert_array_equal(*memories)


def test_who_left_is_not_read():
    reader = PromptReader(byte_lm().backbone, 32, 0, compiled=False)
    text = text_of(9)
    reader.add(text)
    text.slot = None
    reader.start()
    assert reader.finished(wait=True) == [] and not reader.is_busy


def test_an_error_is_that_of_who_asks():
    reader = PromptReader(byte_lm().backbone, 32, 0, compiled=False)
    reader.add(text_of(9))
    reader._together = reader._further = None
    reader.start()
    with pytest.raises(TypeError, match="not callable"):
        reader.finished(wait=True)
    assert not reader.is_busy


def test_what_is_forgotten_is_not_finished():
    reader = PromptReader(byte_lm().backbone, 32, 0, compiled=False)
    reader.add(text_of(60))
    reader.start()
    reader.forget()
    (read,) = read_all(reader, [other := text_of(9, 1)])
    assert read.texts == [other]


def test_a_table_and_its_columns():
    table = Rows.empty_table(3, recent=2)
    rows = Rows.of(table, 2)
    assert table.shape == (3, 6 + MOST_STOP_IDS + 2 + len(SamplingTensors._fields))
    rows.newest[:], rows.scored[1], rows.recent[2] = [4, 5, 6], 1, [7, 8]
    rows.sampling.top_p[:], rows.sampling.seed[:] = [0.1, 0.5, 1.0], 2**31 - 1
    columns = Rows.of(tf.constant(table), 2)
    for one, other in zip(tf.nest.flatten(rows), tf.nest.flatten(columns), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype.as_numpy_dtype
    np.testing.assert_array_equal(columns.table(), table)
