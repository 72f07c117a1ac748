"""Seq2Seq: an encoder reads one text, a decoder writes another."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.cache import Cache, LayerCache
from massivetext_keras.layers.embeddings import Embeddings
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.models.backbone import VECTORS, Backbone, as_features


class Seq2Seq(Backbone):
    """Encoder-decoder (Vaswani et al., 2017), without its loss.

    Args:
        config: the shape; its rows in `shapes.PRESETS` make it the original
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
        self.encoder_embeddings = Embeddings(
            config, dtype=policy, name="encoder_embeddings"
        )
        self.decoder_embeddings = Embeddings(
            config, dtype=policy, name="decoder_embeddings"
        )
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

    def call(  # type: ignore[override]  # has arguments of its own
        self, inputs, cache: Cache | None = None, training: bool | None = None
    ):
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
        memory: tuple[LayerCache, ...] = ()
        mask = None
        if cache is None:
            mask = inputs.get("encoder_padding_mask")
            memory = self.encode(
                inputs["encoder_token_ids"],
                mask,
                training=training,
                token_vectors=inputs.get(f"encoder_{VECTORS}"),
            )
            inputs = {
                "token_ids": inputs["decoder_token_ids"],
                "padding_mask": inputs.get("decoder_padding_mask"),
                VECTORS: inputs.get(f"decoder_{VECTORS}"),
            }
        return super().call(
            inputs,
            cache,
            training,
            self.decoder_embeddings,
            self.decoder,
            memory,
            () if mask is None else mask,
        )

    def encode(
        self,
        token_ids: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
        token_vectors: tf.Tensor | None = None,
    ) -> tuple[LayerCache, ...]:
        """Reads the first text: int [batch, keys] -> its keys and values for every
        layer of the decoder. With `token_vectors`, float [batch, keys, e], these are
        read in place of the ids' own embeddings."""
        hidden = super().call(
            {
                "token_ids": token_ids,
                "padding_mask": padding_mask,
                VECTORS: token_vectors,
            },
            training=training,
            embeddings=self.encoder_embeddings,
            stack=self.encoder,
        )
        return self.decoder.read_memory(hidden)

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
