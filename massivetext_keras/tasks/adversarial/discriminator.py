"""The discriminator: convolutions of several widths that tell samples from texts."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.configs import AdversarialConfig


class Discriminator(keras.layers.Layer):
    """Convolutions over tokens, their maxima over time (Kim, 2014), a highway layer
    (Srivastava et al., 2015) and one number: SeqGAN's (Yu et al., 2017).

    Args:
        vocabulary_size: how many tokens there are.
        how: its sizes.

    >>> import tensorflow as tf
    >>> how = AdversarialConfig(length=3, windows=(1, 2), filters=(4, 4))
    >>> Discriminator(9, how)(tf.constant([[1, 2, 3]])).shape
    TensorShape([1])
    """

    penalty = 0.2  # on half the squares of the last layer, as in the paper's program

    def __init__(self, vocabulary_size: int, how: AdversarialConfig, **kwargs):
        kwargs.setdefault("name", "discriminator")
        super().__init__(**kwargs)
        self.vocabulary_size, self.how = vocabulary_size, how
        pairs = zip(how.windows, how.filters, strict=True)
        self.sizes = [(width, n) for width, n in pairs if width <= how.length]
        self.width = sum(n for _, n in self.sizes)
        self.dropout = keras.layers.Dropout(how.discriminator_dropout, seed=how.seed)
        self.build((None, how.length))

    def build(self, input_shape):
        size, seeds = self.how.discriminator_size, iter(range(self.how.seed, 2**31))

        def matrix(name, shape, scale):
            normal = keras.initializers.TruncatedNormal(stddev=scale, seed=next(seeds))
            return self.add_weight(name=name, shape=shape, initializer=normal)

        def bias(name, width, value):
            first = keras.initializers.Constant(value)
            return self.add_weight(name=name, shape=(width,), initializer=first)

        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, size),
            initializer=keras.initializers.RandomUniform(-1, 1, seed=next(seeds)),
        )
        self.kernels = [
            (matrix(f"kernel_{w}", (w, size, n), 0.1), bias(f"bias_{w}", n, 0.1))
            for w, n in self.sizes
        ]
        wide = (self.width, self.width)
        self.transform = matrix("transform", wide, 0.1), bias("shift", wide[0], 0.0)
        self.gate = matrix("gate", wide, 0.1), bias("carry", wide[0], 0.0)
        self.output_kernel = matrix("output", (self.width, 1), 0.1)
        self.output_bias = bias("output_bias", 1, 0.0)
        self.built = True

    def call(self, tokens: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """How much texts look like those of people.

        Args:
            tokens: int [batch, length]; or float [batch, length, vocabulary], their
                probabilities, through which gradients flow.
            training: whether dropout is drawn.

        Returns:
            float32 [batch], the logit of a text being no sample.
        """
        table = tf.convert_to_tensor(self.embeddings)
        if tokens.dtype.is_floating:
            x = tf.tensordot(tf.cast(tokens, table.dtype), table, 1)
        else:
            x = tf.gather(table, tokens)
        x = tf.concat([_strongest(x, *pair) for pair in self.kernels], axis=1)
        gate = tf.sigmoid(_affine(x, *self.gate))
        x = gate * tf.nn.relu(_affine(x, *self.transform)) + (1.0 - gate) * x
        x = self.dropout(x, training=training)
        scores = _affine(x, self.output_kernel, self.output_bias)
        return tf.cast(scores[:, 0], tf.float32)

    def decay(self) -> tf.Tensor:
        """What the loss has besides for large weights of the last layer."""
        last = (self.output_kernel, self.output_bias)
        return self.penalty * sum(tf.nn.l2_loss(tf.convert_to_tensor(x)) for x in last)


def _strongest(x: tf.Tensor, kernel, bias) -> tf.Tensor:
    """The strongest answer of each filter, [batch, filters]."""
    found = tf.nn.conv1d(x, tf.convert_to_tensor(kernel), 1, "VALID")
    # Nothing between the maximum and the rectifier depends on the place.
    return tf.nn.relu(tf.reduce_max(found, axis=1) + tf.convert_to_tensor(bias))


def _affine(x: tf.Tensor, kernel, bias) -> tf.Tensor:
    return tf.matmul(x, tf.convert_to_tensor(kernel)) + tf.convert_to_tensor(bias)
