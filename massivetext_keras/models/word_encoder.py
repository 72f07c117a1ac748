"""Encoders of words: vectors, features of characters, recurrent layers."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.recurrent import DIRECTIONS
from massivetext_keras.architecture.word_encoder import BYTES, WordEncoderConfig
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.reader_stack import ReaderStack
from massivetext_keras.layers.words.characters import CharacterFeatures
from massivetext_keras.models.backbone import Backbone, as_features


class WordEncoder(Backbone):
    """Encoder of words, without a head (Kim, 2014; Huang et al., 2015; Lample et al.,
    2016; Ma & Hovy, 2016).

    Args:
        config: the shape; its rows in `shapes.PRESETS` have published sizes.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> model = WordEncoder(preset("cnn_rand"))
    >>> model({"token_ids": [[1, 2, 3]]}).shape
    TensorShape([1, 3, 300])
    """

    stacks = WordEncoderConfig.stacks
    takes_embedding_size = True
    first_scale = 0.25 / 3**0.5  # that of Kim, 2014: evenly within ± 0.25
    attends = False

    def __init__(self, config: WordEncoderConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        self.word_dropout = Dropout(
            config.word_dropout, dtype=policy, name="word_dropout"
        )
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        self.character_embeddings = self.stack = None
        if config.reads_spelling:
            self.character_embeddings = CharacterFeatures(
                config, dtype=policy, name="character_embeddings"
            )
        if config.num_layers:
            self.stack = ReaderStack(
                config.width_of_words,
                config.num_layers,
                config.cell,
                config.hidden_size // config.directions,
                DIRECTIONS[: config.directions],
                dropout=config.dropout,
                dtype=policy,
                name="stack",
            )
        self.build_all()

    def call(  # type: ignore[override]  # has arguments of its own
        self, inputs, training: bool | None = None
    ) -> tf.Tensor:
        """Token ids to hidden states.

        Args:
            inputs: int token ids [batch, length], or a dict of `token_ids` and
                `padding_mask` (0 at padding, at the left or at the right), int [batch,
                length].
            training: whether a gradient is taken.

        Returns:
            [batch, length, d]; where words are spelled, a byte has the state of its
            word.
        """
        inputs = as_features(inputs)
        ids, mask = inputs["token_ids"], inputs.get("padding_mask")
        mask = tf.ones_like(ids) if mask is None else mask
        if self.character_embeddings is None:
            return self._read(self._kept(self.rows(inputs), training), mask, training)
        begins = tf.cast((ids < BYTES.start) | (ids >= BYTES.stop), tf.int32) * mask
        words = tf.maximum(tf.cumsum(begins, axis=1) - 1, 0)
        counts = tf.reduce_sum(begins, axis=1)
        count = tf.maximum(tf.reduce_max(counts), 1)
        features = self.character_embeddings(
            ids * mask, words, count, training=training
        )
        # Places of words in their rows; beyond the last word, of the row's end.
        places = tf.argsort(1 - begins, axis=1, stable=True)[:, :count]
        of_words = self.tokens(tf.gather(ids, places, batch_dims=1))
        of_words = self._kept(of_words, training)
        mask = tf.sequence_mask(counts, count, tf.int32)
        x = tf.concat([of_words, features], axis=-1)
        return tf.gather(self._read(x, mask, training), words, batch_dims=1)

    def _kept(self, x: tf.Tensor, training) -> tf.Tensor:
        """Vectors of words [batch, words, e], some of them 0 in training."""
        rate = self.word_dropout.rate
        if training and rate:
            x *= self.word_dropout(tf.ones_like(x[..., :1]), training=True) * (1 - rate)
        return x

    def _read(self, x: tf.Tensor, mask: tf.Tensor, training) -> tf.Tensor:
        """Vectors of words [batch, words, e] to hidden states [batch, words, d]."""
        x = self.dropout(x, training=training)
        if self.stack is None:
            return x
        x = tf.transpose(x, [1, 0, 2])  # steps are rows from here on
        x, _ = self.stack(x, mask, training=training)
        return tf.transpose(x, [1, 0, 2])
