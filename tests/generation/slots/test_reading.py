"""Prompts are read in turns, together where they are short, and become what they are
alone."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots import MOST_STOP_IDS, Text
from massivetext_keras.generation.slots.reading import PromptReader
from massivetext_keras.generation.slots.rows import Rows
from tests.tasks.tiny import byte_lm


def text_of(length: int, seed: int = 0) -> Text:
    random = np.random.default_rng(seed)
    return Text(random.integers(3, 259, length).tolist(), 1, (), slot=seed)


def test_short_prompts_are_read_together_and_long_ones_in_turns():
    lm = byte_lm(seed=3)
    reader = PromptReader(lm.backbone, 32, 0, compiled=False)  # short: at most 16
    texts = [text_of(n, i) for i, n in enumerate([50, 9, 60, 17, 3])]
    for text in texts:
        reader.add(text)
    order = []
    while reader.is_busy or any(text.unread for text in texts):
        reader.start()
        read = reader.finished(wait=True)
        order.append(read and [texts.index(text) for text in read.texts])
        for i, text in enumerate(read.texts if read else ()):
            ids = tf.constant([text.prompt[:-1]])
            cache = lm.backbone.empty_cache(tf.zeros([1], tf.int32), ids.shape[1])
            _, cache = lm.backbone({"token_ids": ids}, cache=cache)
            right = np.stack(tf.nest.flatten(cache.layers))[:, 0]
            found = read.memory[:, i, :, : ids.shape[1]]
            np.testing.assert_allclose(found, right, atol=1e-5)
    # a chunk of the first, two short ones, a chunk of the third; each has its turn
    assert order == [None, [1, 3], None, [4], [0], [2]]


def test_what_is_shared_to_its_end_is_not_read_again():
    reader = PromptReader(byte_lm(max_length=128).backbone, 64, 2**20, compiled=False)
    memories = []
    for slot in range(2):
        text = text_of(65)
        text.slot = slot
        reader.add(text)
        reader.start()
        memories.append(reader.finished(wait=True).memory)
        reader._further = None  # a second reading would fail
    assert (reader.hits, text.shared, text.unread) == (1, 64, 0)
    np.testing.assert_array_equal(*memories)


def test_who_left_is_not_read():
    reader = PromptReader(byte_lm().backbone, 32, 0, compiled=False)
    text = text_of(9)
    reader.add(text)
    text.slot = None
    reader.start()
    assert not reader.is_busy and reader.finished(wait=True) is None


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
