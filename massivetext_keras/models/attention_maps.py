"""Where tokens look: the weights of attention, which training never keeps."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.layers.stack import TransformerStack


def stack_weights(
    stack: TransformerStack, x: tf.Tensor, positions: tf.Tensor
) -> list[tf.Tensor]:
    """`Block.attention_weights` of every block of a stack, on embedded tokens.

    Args:
        stack: of a model that is built.
        x: [batch, length, d].
        positions: int [batch or 1, length].

    Returns:
        For each block float32 [batch, heads, length, length].
    """
    shared, weights = stack.shared_by_blocks(x, positions), []
    for block in stack.blocks:
        weights.append(block.attention_weights(x, shared["bias"], shared["angles"]))
        x = block(x, **shared, training=False)
    return weights
