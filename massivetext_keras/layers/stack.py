"""The stack of blocks, from embedded tokens to hidden states."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.layers import masks
from massivetext_keras.layers.attention import LayerCache, at_beginning
from massivetext_keras.layers.block import Block
from massivetext_keras.layers.normalization import Normalization
from massivetext_keras.layers.positions import (
    RelativePositionBias,
    rotary_angles,
    rotary_frequencies,
)


class Cache(NamedTuple):
    """What cached decoding carries from step to step.

    Attributes:
        layers: keys and values of every layer.
        start: int32 scalar, how many places are filled.
        padding: int32 [batch], places at the left that are padding.
    """

    layers: tuple[LayerCache, ...]
    start: tf.Tensor
    padding: tf.Tensor


class TransformerStack(keras.layers.Layer):
    """`num_layers` blocks; masks, rotary angles and position bias are made once.

    Args:
        config: the shape.
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.causal = config.stack == "decoder"
        self.blocks = []
        for i in range(config.num_layers):
            block = Block(
                config, self.causal, dtype=self.dtype_policy, name=f"block_{i}"
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)
        self.final_norm = None
        if config.norm_position == "pre":
            self.final_norm = Normalization(
                config.norm,
                config.norm_epsilon,
                dtype=self.dtype_policy,
                name="final_norm",
            )
        if config.position == "relative":
            self.relative = RelativePositionBias(
                config.num_heads,
                not self.causal,
                config.relative_buckets,
                config.relative_max_distance,
                dtype=self.dtype_policy,
                name="relative",
            )
        if config.position == "rotary":
            self.frequencies = rotary_frequencies(
                config.width_of_head, config.rope_theta, config.rope_scaling
            )

    def build(self, shape):
        for block in self.blocks:
            block.build(shape)
        if self.final_norm:
            self.final_norm.build(shape)
        if self.config.position == "relative":
            self.relative.build()

    def empty_cache(self, padding: tf.Tensor, capacity: int | tf.Tensor) -> Cache:
        """A cache of `capacity` places for rows with `padding` [batch] at the left."""
        config = self.config
        shape = [
            tf.shape(padding)[0],
            config.key_value_heads,
            capacity,
            config.width_of_head,
        ]
        zeros = tf.zeros(shape, self.compute_dtype)
        layers = tuple(LayerCache(zeros, zeros) for _ in self.blocks)
        return Cache(layers, tf.constant(0), padding)

    def call(
        self,
        x: tf.Tensor,
        positions: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        segment_ids: tf.Tensor | None = None,
        cache: Cache | None = None,
        training: bool | None = None,
    ):
        """Embedded tokens to hidden states.

        Args:
            x: [batch, length, d].
            positions: int [batch or 1, length], places within the document.
            padding_mask: int [batch, length], 0 at padding.
            segment_ids: int [batch, length]; a token sees its own segment alone.
            cache: of the tokens before `x`.

        Returns:
            [batch, length, d], and the new cache if one was given.
        """
        bias = self._bias(x, padding_mask, segment_ids, cache)
        angles = None
        if self.config.position == "rotary":
            angles = rotary_angles(positions, self.frequencies)
        start = 0 if cache is None else cache.start
        new_layers = []
        for i, block in enumerate(self.blocks):
            layer = None if cache is None else cache.layers[i]
            x = block(
                x, bias=bias, angles=angles, cache=layer, start=start, training=training
            )
            if cache is not None:
                x, layer = x
                new_layers.append(layer)
        if self.final_norm:
            x = self.final_norm(x, training=training)
        if cache is None:
            return x
        return x, Cache(tuple(new_layers), start + tf.shape(x)[1], cache.padding)

    def _bias(self, x, padding_mask, segment_ids, cache):
        """Masks and position bias in one tensor, [batch or 1, heads or 1, l, keys]."""
        length = x.shape[1] or tf.shape(x)[1]
        queries = keys = tf.range(length)
        if cache is not None:
            if not at_beginning(cache.start):
                keys = tf.range(tf.shape(cache.layers[0].keys)[2])
            queries = queries + cache.start
            padding_mask = keys[None, :] >= cache.padding[:, None]
        mask = masks.visible(
            queries,
            keys,
            causal=self.causal,
            window=self.config.window,
            key_mask=padding_mask,
            query_segments=segment_ids,
            key_segments=segment_ids,
        )
        bias = masks.as_bias(mask, self.compute_dtype)
        if self.config.position == "relative":
            relative = self.relative(queries, keys)
            bias = relative if bias is None else bias + relative
        return bias

    def compute_output_shape(self, input_shape, **_):
        return input_shape
