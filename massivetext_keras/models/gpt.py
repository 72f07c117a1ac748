"""GPT: a stack of causal blocks over token and position embeddings."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.embeddings import TokenEmbedding
from massivetext_keras.layers.positions import sinusoidal
from massivetext_keras.layers.stack import Cache, TransformerStack
from massivetext_keras.presets import preset


class GPT(keras.Model):
    """Causal language model without its loss (Radford et al., 2019; Touvron, 2023).

    Args:
        config: the shape; its rows in `presets.PRESETS` make it GPT-2 or Llama.

    >>> from massivetext_keras.presets import preset
    >>> model = GPT(preset("gpt_nano"))
    >>> model.count_params()
    4273664
    >>> model({"token_ids": [[1, 2, 3]]}).shape
    TensorShape([1, 3, 256])
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        kwargs.setdefault("name", "gpt")
        super().__init__(**kwargs)
        self._allow_non_tensor_positional_args = True  # nested lists are fine
        self.config = config
        size = (config.vocabulary_size, config.hidden_size)
        policy = self.dtype_policy
        self.token_embedding = TokenEmbedding(*size, dtype=policy, name="tokens")
        if config.position == "learned":
            self.position_embedding = TokenEmbedding(
                config.max_length, config.hidden_size, dtype=policy, name="positions"
            )
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        self.stack = TransformerStack(config, dtype=policy, name="stack")
        self.output_embedding = self.token_embedding
        if not config.tied_embeddings:
            self.output_embedding = TokenEmbedding(*size, dtype=policy, name="output")
        self.build()

    @classmethod
    def from_preset(cls, name: str, **kwargs) -> GPT:
        """A model with the shape of a preset and random weights."""
        return cls(preset(name), **kwargs)

    def build(self, *_):
        self.token_embedding.build()
        if not self.config.tied_embeddings:
            self.output_embedding.build()
        if self.config.position == "learned":
            self.position_embedding.build()
        self.stack.build((None, None, self.config.hidden_size))
        self.built = True

    def call(self, inputs, cache: Cache | None = None, training: bool | None = None):
        """Token ids to hidden states.

        Args:
            inputs: int token ids [batch, length], or a dict of `token_ids` and any of
                `padding_mask` (0 at padding), `segment_ids` (a token sees its own
                segment alone) and `positions`, all int [batch, length].
            cache: what went before, from `empty_cache` or an earlier call.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        if not isinstance(inputs, dict):
            inputs = {"token_ids": inputs}
        token_ids = tf.convert_to_tensor(inputs["token_ids"])
        positions = inputs.get("positions")
        if positions is None:
            positions = tf.range(token_ids.shape[1] or tf.shape(token_ids)[1])[None]
            if cache is not None:
                positions = positions + cache.start - cache.padding[:, None]
                positions = tf.maximum(positions, 0)
        x = self.token_embedding(token_ids)
        if self.config.position == "learned":
            x = x + self.position_embedding(positions)
        if self.config.position == "sinusoidal":
            x = x + tf.cast(sinusoidal(positions, x.shape[-1]), x.dtype)
        return self.stack(
            self.dropout(x, training=training),
            positions,
            padding_mask=inputs.get("padding_mask"),
            segment_ids=inputs.get("segment_ids"),
            cache=cache,
            training=training,
        )

    def empty_cache(self, padding: tf.Tensor, capacity: int | tf.Tensor) -> Cache:
        """A cache of `capacity` places; row i has `padding[i]` of them at its left."""
        return self.stack.empty_cache(padding, capacity)

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """Hidden states [..., d] -> float32 scores of next tokens [..., vocabulary]."""
        matrix = self.output_embedding.matrix()
        return tf.cast(tf.matmul(hidden, matrix, transpose_b=True), tf.float32)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, values):
        values = dict(values)
        config = TransformerConfig.from_dict(values.pop("config"))
        return cls(config, **values)
