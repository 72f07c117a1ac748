"""What decoding has read is kept at its place."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.layers.cache import write


def test_the_cache_holds_what_was_written_at_its_place():
    cache = tf.zeros([2, 2, 5, 3])
    new = tf.reshape(tf.range(1.0, 25.0), [2, 2, 2, 3])
    for start in (0, 1, 3, tf.constant(2)):
        expected = np.zeros([2, 2, 5, 3])
        expected[:, :, int(start) : int(start) + 2] = new
        assert np.array_equal(write(cache, new, start), expected)
    later = tf.function(write)(cache, new, tf.constant(0))
    assert np.array_equal(later[:, :, :2], new)


def test_rows_of_unequal_age_are_written_at_places_of_their_own():
    cache = tf.zeros([2, 2, 5, 3])
    new = tf.reshape(tf.range(1.0, 25.0), [2, 2, 2, 3])
    expected = np.zeros([2, 2, 5, 3])
    expected[0, :, 3:5], expected[1, :, 0:2] = new[0], new[1]
    assert np.array_equal(write(cache, new, tf.constant([3, 0])), expected)
