"""What pretraining puts on an encoder."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.feed_forward import activated
from massivetext_keras.layers.normalization import Normalization


class _Transform(keras.layers.Layer):
    """A product and the config's activation."""

    def __init__(self, config: TransformerConfig, units: int, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.transform = Dense(units, dtype=self.dtype_policy, name="transform")

    def build(self, input_shape):
        self.transform.build(input_shape)

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return activated(self.transform(x), self.config.activation, training=training)


class MaskedHead(_Transform):
    """What is before the output layer of a masked language model (Devlin et al., 2019).

    A product, the activation and a norm; the output layer is the token embedding's
    transpose, to which the head adds the weight `bias` [vocabulary].

    Args:
        config: shape of the encoder.

    >>> config = TransformerConfig(hidden_size=8, num_heads=2, embedding_size=4)
    >>> MaskedHead(config)(tf.ones([1, 3, 8])).shape
    TensorShape([1, 3, 4])
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(config, config.width_of_embedding, **kwargs)
        self.norm = Normalization(
            config.norm, config.norm_epsilon, dtype=self.dtype_policy, name="norm"
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.norm.build((*input_shape[:-1], self.config.width_of_embedding))
        self.bias = self.add_weight(
            name="bias",
            shape=(self.config.vocabulary_size,),
            initializer="zeros",
            autocast=False,
        )

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Hidden states [..., d] -> [..., width of the embedding]."""
        return self.norm(super().call(x, training=training), training=training)

    def compute_output_shape(self, input_shape, **_):
        return (*input_shape[:-1], self.config.width_of_embedding)


class DiscriminatorHead(_Transform):
    """Scores each token's having been replaced (ELECTRA; Clark et al., 2020).

    Args:
        config: shape of the encoder.

    >>> config = TransformerConfig(hidden_size=8, num_heads=2)
    >>> DiscriminatorHead(config)(tf.ones([1, 3, 8])).shape
    TensorShape([1, 3])
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(config, config.hidden_size, **kwargs)
        self.score = Dense(1, dtype=self.dtype_policy, name="score")

    def build(self, input_shape):
        super().build(input_shape)
        self.score.build((*input_shape[:-1], self.config.hidden_size))

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Hidden states [batch, length, d] -> float32 logits [batch, length]."""
        scores = self.score(super().call(x, training=training))
        return tf.cast(scores[..., 0], tf.float32)

    def compute_output_shape(self, input_shape, **_):
        return input_shape[:-1]
