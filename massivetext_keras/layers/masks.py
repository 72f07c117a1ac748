"""Which keys a query may see, as one additive bias for all layers and heads."""

from __future__ import annotations

import tensorflow as tf

# Far below any score. In float16, which ends at 65504, half of the least number: a row
# with nothing to see must not become 0 / 0.
HIDDEN = -1e9


def visible(
    query_positions: tf.Tensor,
    key_positions: tf.Tensor,
    causal: bool = False,
    window: int | None = None,
    key_mask: tf.Tensor | None = None,
    query_segments: tf.Tensor | None = None,
    key_segments: tf.Tensor | None = None,
    key_prefix: tf.Tensor | None = None,
) -> tf.Tensor | None:
    """Boolean [batch or 1, 1, queries, keys], True where a query may look, or None.

    Args:
        query_positions: int [queries] or [batch, queries], places in the sequence (not
            in the document).
        key_positions: int [keys].
        causal: hide keys that come after the query.
        window: hide keys `window` places back and further (Beltagy et al., 2020).
        key_mask: int or bool [batch, keys], 0 where a key is padding.
        query_segments: int [batch, queries]; a query sees keys of its own segment.
        key_segments: int [batch, keys] (None: those of the queries).
        key_prefix: int or bool [batch, keys], 1 at keys that causality does not hide.

    >>> import tensorflow as tf
    >>> r = tf.range(3)
    >>> tf.cast(visible(r, r, causal=True, window=2)[0, 0], "int32").numpy().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    parts = []
    if query_positions.shape.rank == 1:
        query_positions = query_positions[None]
    distance = query_positions[:, None, :, None] - key_positions
    if causal:
        past = distance >= 0
        if key_prefix is not None:
            past = past | tf.cast(key_prefix, tf.bool)[:, None, None, :]
        parts.append(past)
    if window is not None:
        near = distance < window if causal else tf.abs(distance) < window
        parts.append(near)
    if key_mask is not None:
        parts.append(tf.cast(key_mask, tf.bool)[:, None, None, :])
    if query_segments is not None:
        others = query_segments if key_segments is None else key_segments
        same = query_segments[:, None, :, None] == others[:, None, None, :]
        parts.append(same)
    if not parts:
        return None
    result = parts[0]
    for part in parts[1:]:
        result = result & part
    return result


def lengths_of(mask: tf.Tensor) -> tf.Tensor:
    """How long rows are without the padding at their end, int32 [batch].

    Args:
        mask: int [batch, length], 0 at padding.

    >>> lengths_of(tf.constant([[1, 0, 1, 0], [0, 0, 0, 0]])).numpy()
    array([3, 0], dtype=int32)
    """
    places = tf.range(1, tf.shape(mask)[1] + 1)
    return tf.reduce_max(tf.where(mask > 0, places, 0), axis=1)


def as_bias(mask: tf.Tensor | None, dtype: tf.DType) -> tf.Tensor | None:
    """0 where the mask is true, far below any score elsewhere; None stays None."""
    if mask is None:
        return None
    hidden = max(HIDDEN, float(tf.as_dtype(dtype).min) / 2)
    return tf.where(mask, tf.zeros([], dtype), tf.constant(hidden, dtype))
