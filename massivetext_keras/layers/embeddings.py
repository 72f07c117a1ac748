"""What a stack reads: embeddings of tokens, positions and segments."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.lookup import rows_of
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.stored import rounded
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.normalization import Normalization
from massivetext_keras.layers.positions import sinusoidal
from massivetext_keras.layers.stored import StoredMatrix


class TokenEmbedding(keras.layers.Layer):
    """A row per token; used in reverse it scores every token (Press & Wolf, 2017).

    Args:
        vocabulary_size: rows.
        hidden_size: columns d.
        scale: standard deviation of the first weights.

    Attributes:
        rounds_as: a `Storage` that training shall bear, see `Dense`.

    >>> import tensorflow as tf
    >>> TokenEmbedding(10, 4)(tf.constant([[1, 2, 3]])).shape
    TensorShape([1, 3, 4])
    """

    matrix_place = "embeddings"  # of `layers.stored`
    rounds_as = None

    def __init__(
        self, vocabulary_size: int, hidden_size: int, scale: float = 0.02, **kwargs
    ):
        super().__init__(**kwargs)
        self.vocabulary_size, self.hidden_size = vocabulary_size, hidden_size
        self.scale = scale

    def build(self, input_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, self.hidden_size),
            initializer=keras.initializers.RandomNormal(stddev=self.scale),
            autocast=False,
        )

    def table(self) -> tf.Tensor:
        """[vocabulary_size, d]."""
        table = tf.convert_to_tensor(self.embeddings)
        return table if self.rounds_as is None else rounded(self.rounds_as, table)

    def matrix(self) -> tf.Tensor:
        """[vocabulary_size, d] in the dtype of computations."""
        return tf.cast(self.table(), self.compute_dtype)

    def scores(self, x: tf.Tensor) -> tf.Tensor:
        """Products of `x` [..., d] with each row, [..., vocabulary_size]."""
        if not isinstance(self.embeddings, StoredMatrix):
            return tf.matmul(x, self.matrix(), transpose_b=True)
        *outer, size = shape_of(x)
        found = self.embeddings.times(tf.reshape(x, [-1, size]))
        return tf.reshape(found, [*outer, self.vocabulary_size])

    def call(self, token_ids: tf.Tensor) -> tf.Tensor:
        """int [batch, length] -> [batch, length, d]."""
        if isinstance(self.embeddings, StoredMatrix):
            return self.embeddings.some(token_ids)
        rows = rows_of(self.embeddings, token_ids)
        if self.rounds_as is not None:
            rows = rounded(self.rounds_as, rows)
        # Rows are cast, not the table: their gradients are summed in float32.
        return tf.cast(rows, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.hidden_size)

    def get_config(self):
        fields = "vocabulary_size hidden_size scale"
        return {**super().get_config(), **{k: getattr(self, k) for k in fields.split()}}


class Embeddings(keras.layers.Layer):
    """From rows of the token embedding to the first hidden states of a stack.

    Scales the rows, adds positions and segments, normalises, drops out and projects, as
    far as the config asks for it.

    Args:
        config: the shape.
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        policy, size = self.dtype_policy, config.width_of_embedding
        self.positions = self.segments = self.norm = self.projection = None
        if config.position == "learned":
            rows = config.max_length + config.position_offset
            self.positions = TokenEmbedding(rows, size, dtype=policy, name="positions")
        if config.segment_types:
            self.segments = TokenEmbedding(
                config.segment_types, size, dtype=policy, name="segments"
            )
        if config.embedding_norm:
            self.norm = Normalization(
                config.norm, config.norm_epsilon, dtype=policy, name="norm"
            )
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        if config.embedding_size:
            self.projection = Dense(config.hidden_size, dtype=policy, name="projection")

    def build(self, input_shape=None):
        shape = (None, None, self.config.width_of_embedding)
        for layer in (self.positions, self.segments, self.norm, self.projection):
            if layer is not None:
                is_table = isinstance(layer, TokenEmbedding)
                layer.build(shape[:-1] if is_table else shape)

    def call(
        self,
        rows: tf.Tensor,
        positions: tf.Tensor,
        segment_ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Rows of the token embedding to hidden states.

        Args:
            rows: [batch, length, e].
            positions: int [batch or 1, length], places within the document.
            segment_ids: int [batch, length], for a config with `segment_types`
                (None: all of the first type).

        Returns:
            [batch, length, d].
        """
        x = rows
        if self.config.embedding_scale:
            x = x * tf.cast(self.config.width_of_embedding**0.5, x.dtype)
        if self.positions is not None:
            x = x + self.positions(positions + self.config.position_offset)
        if self.config.position == "sinusoidal":
            x = x + tf.cast(sinusoidal(positions, x.shape[-1]), x.dtype)
        if self.segments is not None:
            x = x + self.segments(
                tf.zeros([1, 1], tf.int32) if segment_ids is None else segment_ids
            )
        if self.norm is not None:
            x = self.norm(x, training=training)
        x = self.dropout(x, training=training)
        return x if self.projection is None else self.projection(x)

    def compute_output_shape(self, input_shape, **_):
        return (*input_shape[:-1], self.config.hidden_size)
