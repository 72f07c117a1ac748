"""The stack of blocks, from embedded tokens to hidden states."""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.random import with_own_keys
from massivetext_keras.kernels.recomputation import recomputed
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
        memory: keys and values of the second sequence, of every layer that has cross
            attention.
        memory_mask: int32 [batch, keys], 0 at the second sequence's padding; () where
            there is none.
    """

    layers: tuple[LayerCache, ...]
    start: tf.Tensor
    padding: tf.Tensor
    memory: tuple[LayerCache, ...] = ()
    memory_mask: tf.Tensor | tuple = ()


class TransformerStack(keras.layers.Layer):
    """Blocks; masks, rotary angles and position bias are made once for all.

    Args:
        config: the shape.
        causal: no token sees a later one, but for a prefix (None: as the config says).
        cross: the blocks attend to a second sequence too.
        num_layers: how many blocks (None: as the config says).

    Attributes:
        recompute: in training keep only what enters a block, and make the rest again in
            the backward pass.
    """

    recompute = False

    def __init__(
        self,
        config: TransformerConfig,
        causal: bool | None = None,
        cross: bool = False,
        num_layers: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = config
        self.causal = (
            config.stack in ("decoder", "prefix") if causal is None else causal
        )
        self.prefix = config.stack == "prefix"
        count = num_layers or config.num_layers
        self.blocks = []
        for i in range(1 if config.shared_layers else count):
            block = Block(
                config,
                self.causal and not self.prefix,
                cross,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)
        if config.shared_layers:
            self.blocks *= count
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
                config.rotary_size, config.rope_theta, config.rope_scaling
            )

    def build(self, input_shape):
        for block in self.blocks[: 1 if self.config.shared_layers else None]:
            block.build(input_shape)
        if self.final_norm:
            self.final_norm.build(input_shape)
        if self.config.position == "relative":
            self.relative.build()

    def empty_cache(
        self,
        padding: tf.Tensor,
        capacity: int | tf.Tensor,
        memory: tuple[LayerCache, ...] = (),
        memory_mask: tf.Tensor | tuple = (),
    ) -> Cache:
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
        return Cache(layers, tf.constant(0), padding, memory, memory_mask)

    def read_memory(self, memory: tf.Tensor) -> tuple[LayerCache, ...]:
        """Keys and values of a second sequence [batch, keys, d], for every layer."""
        return tuple(block.cross_attention.read_memory(memory) for block in self.blocks)

    def call(
        self,
        x: tf.Tensor,
        positions: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        segment_ids: tf.Tensor | None = None,
        prefix_mask: tf.Tensor | None = None,
        memory: tuple[LayerCache, ...] = (),
        memory_mask: tf.Tensor | tuple = (),
        cache: Cache | None = None,
        training: bool | None = None,
    ):
        """Embedded tokens to hidden states.

        Args:
            x: [batch, length, d].
            positions: int [batch or 1, length], places within the document.
            padding_mask: int [batch, length], 0 at padding.
            segment_ids: int [batch, length]; a token sees its own segment alone.
            prefix_mask: int [batch, length], 1 at tokens that all may see. What begins
                an empty cache of a prefix model is all prefix.
            memory: from `read_memory`; a cache has its own.
            memory_mask: int [batch, keys], 0 at padding of the memory.
            cache: of the tokens before `x`.

        Returns:
            [batch, length, d], and the new cache if one was given.
        """
        bias = self._bias(x, padding_mask, segment_ids, prefix_mask, cache)
        angles, start = None, 0
        if self.config.position == "rotary":
            angles = rotary_angles(positions, self.frequencies)
        if cache is not None:
            start, memory, memory_mask = cache.start, cache.memory, cache.memory_mask
        memory_bias = None
        if not isinstance(memory_mask, tuple) and memory_mask is not None:
            seen = tf.cast(memory_mask, tf.bool)[:, None, None]
            memory_bias = masks.as_bias(seen, self.compute_dtype)
        new_layers = []
        again = self.recompute and training
        for i, block in enumerate(self.blocks):
            run = with_own_keys(block) if training else block
            if again:
                run = functools.partial(recomputed, run)
            x = run(
                x,
                bias=bias,
                angles=angles,
                cache=None if cache is None else cache.layers[i],
                start=start,
                memory=memory[i] if memory else None,
                memory_bias=memory_bias,
                training=training,
            )
            if cache is not None:
                x, layer = x
                new_layers.append(layer)
        if self.final_norm:
            x = self.final_norm(x, training=training)
        if cache is None:
            return x
        start = start + tf.shape(x)[1]
        return x, cache._replace(layers=tuple(new_layers), start=start)

    def _bias(self, x, padding_mask, segment_ids, prefix_mask, cache):
        """Masks and position bias in one tensor, [batch or 1, heads or 1, l, keys]."""
        length = x.shape[1] or tf.shape(x)[1]
        queries = keys = tf.range(length)
        causal = self.causal
        if cache is not None:
            if not at_beginning(cache.start):
                keys = tf.range(tf.shape(cache.layers[0].keys)[2])
            elif self.prefix:
                causal = False
            queries = queries + cache.start
            padding_mask = keys[None, :] >= cache.padding[:, None]
        mask = masks.visible(
            queries,
            keys,
            causal=causal,
            window=self.config.window,
            key_mask=padding_mask,
            query_segments=segment_ids,
            key_segments=segment_ids,
            key_prefix=prefix_mask,
        )
        bias = masks.as_bias(mask, self.compute_dtype)
        if self.config.position == "relative":
            relative = self.relative(queries, keys)
            bias = relative if bias is None else bias + relative
        return bias

    def compute_output_shape(self, input_shape, **_):
        return input_shape
