"""GPT: a stack of causal blocks over token and position embeddings."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.embeddings import Embeddings
from massivetext_keras.layers.stack import Cache, TransformerStack
from massivetext_keras.models.backbone import Backbone, as_features, positions_of


class GPT(Backbone):
    """Causal language model without its loss (Radford et al., 2019; Touvron, 2023).

    Args:
        config: the shape; its rows in `presets.PRESETS` make it GPT-2 or Llama, or with
            `stack="prefix"` a prefix language model (Dong et al., 2019).

    >>> from massivetext_keras.architecture.shapes import preset
    >>> model = GPT(preset("gpt_nano"))
    >>> model.count_params()
    4273664
    >>> model({"token_ids": [[1, 2, 3]]}).shape
    TensorShape([1, 3, 256])
    """

    stacks = ("decoder", "prefix")

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        self.embeddings = Embeddings(config, dtype=policy, name="embeddings")
        self.stack = TransformerStack(config, dtype=policy, name="stack")
        self.build_all()

    def call(self, inputs, cache: Cache | None = None, training: bool | None = None):
        """Token ids to hidden states.

        Args:
            inputs: int token ids [batch, length], or a dict of `token_ids` and any of
                `padding_mask` (0 at padding), `segment_ids` (a token sees its own
                segment alone), `positions` and, for a prefix model, `prefix_mask` (1 at
                tokens that all may see), all int [batch, length].
            cache: what went before, from `empty_cache` or an earlier call.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        inputs = as_features(inputs)
        token_ids = inputs["token_ids"]
        positions = inputs.get("positions")
        if positions is None:
            positions = positions_of(token_ids, cache=cache)
        return self.stack(
            self.embeddings(self.tokens(token_ids), positions, training=training),
            positions,
            padding_mask=inputs.get("padding_mask"),
            segment_ids=inputs.get("segment_ids"),
            prefix_mask=inputs.get("prefix_mask"),
            cache=cache,
            training=training,
        )

    def empty_cache(self, padding: tf.Tensor, capacity: int | tf.Tensor) -> Cache:
        """A cache of `capacity` places; row i has `padding[i]` of them at its left."""
        return self.stack.empty_cache(padding, capacity)
