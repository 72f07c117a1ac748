"""Seq2Seq: an encoder reads one text, a decoder writes another."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.attention import LayerCache
from massivetext_keras.layers.embeddings import Embeddings
from massivetext_keras.layers.stack import Cache, TransformerStack
from massivetext_keras.models.backbone import Backbone, as_features, positions_of


class Seq2Seq(Backbone):
    """Encoder-decoder (Vaswani et al., 2017), without its loss.

    Args:
        config: the shape; its rows in `presets.PRESETS` make it the original
            Transformer, BART, Marian or T5.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> config = preset("transformer_base").replace(vocabulary_size=100, num_layers=1)
    >>> model = Seq2Seq(config)
    >>> ids = {"encoder_token_ids": [[5, 6, 7]], "decoder_token_ids": [[1, 8]]}
    >>> model.logits(model(ids)).shape
    TensorShape([1, 2, 100])
    """

    stacks = ("encoder_decoder",)

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        for name in ("encoder_embeddings", "decoder_embeddings"):
            setattr(self, name, Embeddings(config, dtype=policy, name=name))
        self.encoder = TransformerStack(
            config, causal=False, dtype=policy, name="encoder"
        )
        self.decoder = TransformerStack(
            config,
            causal=True,
            cross=True,
            num_layers=config.decoder_layers,
            dtype=policy,
            name="decoder",
        )
        self.build_all()

    def call(self, inputs, cache: Cache | None = None, training: bool | None = None):
        """Token ids to the decoder's hidden states.

        Args:
            inputs: dict of `encoder_token_ids` [batch, keys], `decoder_token_ids`
                [batch, length] and, where there is padding, `encoder_padding_mask` and
                `decoder_padding_mask` (0 at padding), all int. With a cache, which
                knows the encoder's text, `token_ids` [batch, length] alone.
            cache: what went before, from `empty_cache` or an earlier call.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        inputs = as_features(inputs)
        if cache is not None:
            return self._decode(inputs["token_ids"], cache=cache, training=training)
        mask = inputs.get("encoder_padding_mask")
        memory = self.encode(inputs["encoder_token_ids"], mask, training=training)
        return self._decode(
            inputs["decoder_token_ids"],
            inputs.get("decoder_padding_mask"),
            memory=memory,
            memory_mask=() if mask is None else mask,
            training=training,
        )

    def encode(
        self,
        token_ids: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[LayerCache, ...]:
        """Reads the first text: int [batch, keys] -> its keys and values for every
        layer of the decoder."""
        token_ids = tf.cast(token_ids, tf.int32)
        positions = positions_of(token_ids)
        x = self.encoder_embeddings(
            self.tokens(token_ids), positions, training=training
        )
        hidden = self.encoder(
            x, positions, padding_mask=padding_mask, training=training
        )
        return self.decoder.read_memory(hidden)

    def _decode(
        self,
        token_ids,
        padding_mask=None,
        memory=(),
        memory_mask=(),
        cache=None,
        training=None,
    ):
        positions = positions_of(token_ids, cache=cache)
        return self.decoder(
            self.decoder_embeddings(
                self.tokens(token_ids), positions, training=training
            ),
            positions,
            padding_mask=padding_mask,
            memory=memory,
            memory_mask=memory_mask,
            cache=cache,
            training=training,
        )

    def empty_cache(
        self,
        padding: tf.Tensor,
        capacity: int | tf.Tensor,
        memory: tuple[LayerCache, ...],
        memory_mask: tf.Tensor | tuple = (),
    ) -> Cache:
        """A cache of `capacity` places for texts that answer what `encode` read; row i
        has `padding[i]` places at its left."""
        return self.decoder.empty_cache(padding, capacity, memory, memory_mask)
