"""Masks as tables."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers import masks


def table(mask: tf.Tensor) -> list[str]:
    """Rows of 0 and 1, batch after batch."""
    assert mask.shape[1] == 1
    return [
        "".join("01"[int(x)] for x in row)
        for row in np.reshape(mask, [-1, mask.shape[-1]])
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"causal": True}, ["1000", "1100", "1110", "1111"]),
        ({"causal": True, "window": 2}, ["1000", "1100", "0110", "0011"]),
        ({"causal": True, "window": 1}, ["1000", "0100", "0010", "0001"]),
        ({"window": 2}, ["1100", "1110", "0111", "0011"]),
        ({"causal": True, "window": 9}, ["1000", "1100", "1110", "1111"]),
        ({"key_mask": [[1, 1, 0, 1], [0, 1, 1, 1]]}, ["1101", "0111"]),
        (
            {"causal": True, "key_mask": [[0, 1, 1, 0]]},
            ["0000", "0100", "0110", "0110"],
        ),
        (
            {"causal": True, "key_prefix": [[1, 1, 0, 0], [0, 0, 0, 1]]},
            ["1100", "1100", "1110", "1111", "1001", "1101", "1111", "1111"],
        ),
        (
            {"query_segments": [[1, 1, 2, 0]], "key_segments": [[1, 1, 2, 0]]},
            ["1100", "1100", "0010", "0001"],
        ),
        (
            {
                "causal": True,
                "query_segments": [[1, 2, 2, 2], [5, 5, 5, 6]],
                "key_segments": [[1, 2, 2, 2], [5, 5, 5, 6]],
            },
            ["1000", "0100", "0110", "0111", "1000", "1100", "1110", "0001"],
        ),
    ],
    ids=str,
)
def test_who_sees_whom(options, expected):
    options = {
        k: tf.constant(v) if isinstance(v, list) else v for k, v in options.items()
    }
    places = tf.range(4)
    assert table(masks.visible(places, places, **options)) == expected


def test_queries_may_be_the_last_of_the_keys():
    mask = masks.visible(tf.range(2, 4), tf.range(6), causal=True, window=3)
    assert table(mask) == ["111000", "011100"]


def test_rows_may_have_queries_at_other_places():
    mask = masks.visible(tf.constant([[0], [2]]), tf.range(4), causal=True, window=2)
    assert table(mask) == ["1000", "0110"]


def test_nothing_to_hide_is_none():
    assert masks.visible(tf.range(3), tf.range(3)) is None
    assert masks.as_bias(None, tf.float32) is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_hidden_keys_get_no_weight_and_fully_hidden_rows_no_nan(dtype):
    bias = masks.as_bias(
        tf.constant([[True, False], [False, False]]), tf.as_dtype(dtype)
    )
    assert float(bias[0, 0]) == 0.0
    scores = tf.constant([[1.0, 60.0], [1.0, 2.0]], dtype) + bias
    weights = tf.cast(tf.nn.softmax(scores), tf.float32).numpy()
    assert weights[0].tolist() == [1.0, 0.0]
    assert np.isfinite(weights).all()
