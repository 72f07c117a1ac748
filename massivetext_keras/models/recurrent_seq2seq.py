"""Recurrent encoder-decoders with attention."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.kernels.recurrence.attending import Memory
from massivetext_keras.layers.cache import StateCache
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.embeddings import TokenEmbedding
from massivetext_keras.layers.recurrent.attention import bias_of
from massivetext_keras.layers.recurrent.decoder import RecurrentDecoder
from massivetext_keras.layers.recurrent.reader_stack import ReaderStack
from massivetext_keras.models.backbone import (
    VECTORS,
    Backbone,
    as_features,
    steps_first,
    vectors_or,
)


class RecurrentSeq2Seq(Backbone):
    """Recurrent encoder-decoder with attention (Bahdanau et al., 2015; Luong et al.,
    2015), without its loss.

    Args:
        config: the shape; its rows in `shapes.PRESETS` have published sizes.

    >>> config = RecurrentSeq2SeqConfig(vocabulary_size=100, hidden_size=8)
    >>> model = RecurrentSeq2Seq(config)
    >>> ids = {"encoder_token_ids": [[5, 6, 7]], "decoder_token_ids": [[1, 8]]}
    >>> model.logits(model(ids)).shape
    TensorShape([1, 2, 100])
    """

    stacks = RecurrentSeq2SeqConfig.stacks
    takes_embedding_size = True
    first_scale = 0.5  # nothing normalises what the first layer reads

    def __init__(self, config: RecurrentSeq2SeqConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy, rate = self.dtype_policy, config.rate_of_input
        self.encoder_tokens: TokenEmbedding = self.tokens
        if not config.shared_embeddings:
            width = config.width_of_embedding
            self.encoder_tokens = self._token_embedding("encoder_tokens", width)
        self.input_dropout = Dropout(rate, dtype=policy, name="input_dropout")
        self.encoder = ReaderStack(
            config.width_of_embedding,
            config.num_layers,
            config.cell,
            config.hidden_size,
            config.encoder_directions,
            config.forget_bias,
            config.rate_between,
            dtype=policy,
            name="encoder",
        )
        self.decoder = RecurrentDecoder(config, dtype=policy, name="decoder")
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        self.build_all()

    @property
    def output_shape(self) -> tuple:
        """Of hidden states, for `summary`."""
        return (None, None, self.config.width_of_output)

    def call(  # type: ignore[override]  # has arguments of its own
        self, inputs, cache: StateCache | None = None, training: bool | None = None
    ):
        """Token ids to what the output layer reads.

        Args:
            inputs: dict of `encoder_token_ids` [batch, keys], `decoder_token_ids`
                [batch, length] and, where there is padding, `encoder_padding_mask` (0
                at padding, which stands at the right), all int. With a cache, which
                knows the encoder's text, `token_ids` [batch, length] alone. Padding at
                the right of the decoder's text changes nothing before it.
            cache: what went before, from `empty_cache` or an earlier call.
            training: whether a gradient is taken.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        inputs = as_features(inputs)
        if cache is not None:
            values, keys = cache.memory
            memory = Memory(values, keys, bias_of(cache.memory_mask, values))
            hidden, states, _ = self._decode(inputs["token_ids"], memory, cache.layers)
            start = cache.start + tf.shape(inputs["token_ids"])[1]
            return hidden, cache._replace(layers=states, start=start)
        return self._both(inputs, training)[0]

    def alignments(self, inputs) -> tf.Tensor:
        """Where each step of the decoder looks: float32 [batch, length, keys], every
        row of which sums to 1.

        Args:
            inputs: see `call`.
        """
        return self._both(as_features(inputs), False)[1]

    def encode(
        self,
        token_ids: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
        token_vectors: tf.Tensor | None = None,
    ) -> tuple:
        """Reads the first text.

        Args:
            token_ids: int [batch, keys].
            padding_mask: int [batch, keys], 0 at padding, which stands at the right.
            training: whether a gradient is taken.
            token_vectors: float [batch, keys, e], read in place of the ids' own
                embeddings.

        Returns:
            What the encoder gives [batch, keys, m], its keys [batch, keys, a], and what
            the decoder's first step reads, see `RecurrentDecoder.begin`.
        """
        vectors, token_ids = steps_first(token_vectors), tf.transpose(token_ids)
        x = vectors_or(vectors, self.encoder_tokens, token_ids)
        x = self.input_dropout(x, training=training)
        hidden, ends = self.encoder(x, padding_mask, training=training)
        hidden = self.encoder.dropout(hidden, training=training)
        hidden = tf.transpose(hidden, [1, 0, 2])
        memory = self.decoder.attention.read(hidden, padding_mask, training=training)
        states = self.decoder.begin(memory, ends, training)
        return memory.values, memory.keys, states

    def empty_cache(
        self,
        padding: tf.Tensor,
        capacity: int | tf.Tensor,
        memory: tuple,
        memory_mask: tf.Tensor | tuple = (),
    ) -> StateCache:
        """The states before the first token of texts that answer what `encode` read.
        No row has padding at its left; the `capacity` is that of the text."""
        values, keys, states = memory
        places = tf.cast(capacity, tf.int32)
        begin = states, tf.constant(0), padding, places
        return StateCache(*begin, (values, keys), memory_mask)

    def _both(self, inputs: dict, training: bool | None) -> tuple:
        """Hidden states, and where the decoder looks, of features."""
        mask = inputs.get("encoder_padding_mask")
        vectors = inputs.get(f"encoder_{VECTORS}")
        ids = inputs["encoder_token_ids"]
        read = self.encode(ids, mask, training=training, token_vectors=vectors)
        values, keys, states = read
        memory = Memory(values, keys, bias_of(mask, values))
        hidden, _, weights = self._decode(
            inputs["decoder_token_ids"], memory, states, training
        )
        return hidden, tf.transpose(weights, [1, 0, 2])

    def _decode(self, token_ids, memory: Memory, states, training=None) -> tuple:
        """Hidden states [batch, length, d], the states behind them, and where each step
        looks, [length, batch, keys]."""
        x = self.tokens(tf.transpose(token_ids))  # steps are rows from here on
        x = self.input_dropout(x, training=training)
        hidden, states, weights = self.decoder(x, memory, states, training=training)
        hidden = self.dropout(tf.transpose(hidden, [1, 0, 2]), training=training)
        return hidden, states, weights
