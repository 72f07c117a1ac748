"""The blocks of a stack, and what they share: masks, rotary angles, position bias."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers import masks
from massivetext_keras.layers.block import Block
from massivetext_keras.layers.cache import Cache, LayerCache, at_beginning
from massivetext_keras.layers.normalization import Normalization
from massivetext_keras.layers.positions import (
    RelativePositionBias,
    rotary_angles,
    rotary_frequencies,
)


class TransformerStack(keras.layers.Layer):
    """Blocks, the last norm, and what is made once for all blocks.

    A model's `call` goes through them, see `models.backbone.Backbone`.

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

    def shared_by_blocks(
        self,
        x: tf.Tensor,
        positions: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        segment_ids: tf.Tensor | None = None,
        prefix_mask: tf.Tensor | None = None,
        memory_mask: tf.Tensor | tuple = (),
        cache: Cache | None = None,
    ) -> dict[str, Any]:
        """Arguments of `Block.call` that are the same for all blocks.

        Args:
            x: [batch, length, d], what the first block reads.
            positions: int [batch or 1, length], places within the document.
            padding_mask: int [batch, length], 0 at padding.
            segment_ids: int [batch, length]; a token sees its own segment alone.
            prefix_mask: int [batch, length], 1 at tokens that all may see. What begins
                an empty cache of a prefix model is all prefix.
            memory_mask: int [batch, keys], 0 at padding of the second sequence; a cache
                has its own.
            cache: of the tokens before `x`.
        """
        bias = self._bias(x, padding_mask, segment_ids, prefix_mask, cache)
        angles = memory_bias = None
        if self.config.position == "rotary":
            angles = rotary_angles(positions, self.frequencies)
        if cache is not None:
            memory_mask = cache.memory_mask
        if not isinstance(memory_mask, tuple) and memory_mask is not None:
            seen = tf.cast(memory_mask, tf.bool)[:, None, None, :]
            memory_bias = masks.as_bias(seen, self.compute_dtype)
        start = 0 if cache is None else cache.start
        shared = {"bias": bias, "angles": angles, "start": start}
        return {**shared, "memory_bias": memory_bias}

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
            queries = queries + cache.starts
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
