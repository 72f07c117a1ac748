"""Where the rows of a batch begin anew."""

from __future__ import annotations

import tensorflow as tf


def kept(*values: tf.Tensor | None) -> tf.Tensor | None:
    """0 where a text begins behind another one or behind padding.

    Args:
        values: int [batch, length] each, such as segments or a mask of padding, which
            change where a text begins; bool says so itself; None is passed over.

    Returns:
        float32 [length, batch, 1] (None: there are none).

    >>> kept(tf.constant([[0, 1, 1]]))[:, 0, 0].numpy().tolist()
    [1.0, 0.0, 1.0]
    """
    begins = []
    for x in values:
        if x is not None:
            if x.dtype != tf.bool:
                x = tf.pad(x[:, 1:] != x[:, :-1], [[0, 0], [1, 0]])
            begins.append(x)
    if not begins:
        return None
    begins = tf.reduce_any(tf.stack(begins), axis=0)
    return tf.cast(~tf.transpose(begins)[:, :, None], tf.float32)
