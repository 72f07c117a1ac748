"""Where tokens look: the weights of attention, which training never keeps."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.layers.attention import Attention, _scores
from massivetext_keras.layers.positions import rotary_angles, rotate
from massivetext_keras.layers.stack import TransformerStack


def attention_weights(
    layer: Attention,
    x: tf.Tensor,
    bias: tf.Tensor | None = None,
    angles: tf.Tensor | None = None,
) -> tf.Tensor:
    """What a self-attention layer multiplies the values of `x` by.

    Args:
        layer: of a model that is built.
        x: [batch, length, d].
        bias: as for `Attention.call`.
        angles: as for `Attention.call`.

    Returns:
        float32 [batch, heads, length, length]; every row sums to 1.

    >>> layer = Attention(4, num_heads=2)
    >>> layer.build((None, None, 4))
    >>> attention_weights(layer, tf.zeros([1, 2, 4])).numpy().tolist()
    [[[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]]
    """
    query, key, _ = layer._project(x, None)
    if angles is not None:
        query, key = rotate(query, angles), rotate(key, angles)
    query = query * tf.cast(layer.scale, query.dtype)
    return tf.nn.softmax(tf.cast(_scores(query, key, bias), tf.float32))


def stack_weights(
    stack: TransformerStack, x: tf.Tensor, positions: tf.Tensor
) -> list[tf.Tensor]:
    """`attention_weights` of every block of a stack, on embedded tokens.

    Args:
        stack: of a model that is built.
        x: [batch, length, d].
        positions: int [batch or 1, length].

    Returns:
        For each block float32 [batch, heads, length, length].
    """
    bias, angles, weights = stack._bias(x, None, None, None, None), None, []
    if stack.config.position == "rotary":
        angles = rotary_angles(positions, stack.frequencies)
    for block in stack.blocks:
        entered = block._enter("attention", x, False)
        weights.append(attention_weights(block.attention, entered, bias, angles))
        x = block(x, bias=bias, angles=angles, training=False)
    return weights
