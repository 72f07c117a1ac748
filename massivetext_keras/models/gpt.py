"""GPT: a stack of causal blocks over token and position embeddings."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.cache import Cache
from massivetext_keras.layers.embeddings import Embeddings
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.models.backbone import Backbone


class GPT(Backbone):
    """Causal language model without its loss (Radford et al., 2019; Touvron, 2023).

    Args:
        config: the shape; its rows in `shapes.PRESETS` make it GPT-2 or Llama, or with
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

    def empty_cache(self, padding: tf.Tensor, capacity: int | tf.Tensor) -> Cache:
        """A cache of `capacity` places; row i has `padding[i]` of them at its left."""
        return self.stack.empty_cache(padding, capacity)
