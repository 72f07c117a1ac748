"""Heads that tell from the states of a text's tokens which class the text is of."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.kernels.product import differentiable_product
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.reader import RecurrentReader, ends_of


class ClassificationHead(keras.layers.Layer):
    """Makes a vector of a text, drops out, and scores classes by one product.

    A subclass gives `pool`, and in `width` the size of its vectors. Padding changes
    nothing of what it gives.

    Args:
        config: shape of the encoder.
        classes: how many scores.
        dropout: rate on the vector (None: `default_dropout`, or else the config's).

    Attributes:
        default_dropout: of the kind of head, if it has one.
        max_norm: bound of the norm of each class's column of the product, to which an
            update that goes beyond it is scaled back (None: none; Hinton et al., 2012).
    """

    default_dropout: float | None = None
    max_norm: float | None = None

    def __init__(
        self,
        config: ModelConfig,
        classes: int,
        dropout: float | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = config
        rate = self.default_dropout if dropout is None else dropout
        self.dropout = Dropout(config.dropout if rate is None else rate)
        # Scores are compared with each other: 8 bits of them would not do.
        bound = self.max_norm and keras.constraints.MaxNorm(self.max_norm, axis=0)
        self.classes = Dense(
            classes, kernel_constraint=bound, dtype="float32", name="classes"
        )

    @property
    def width(self) -> int:
        """Of the vector of a text."""
        return self.config.hidden_size

    def build(self, input_shape=None):
        self.classes.build((None, self.width))

    def pool(
        self, hidden: tf.Tensor, mask: tf.Tensor, training: bool | None
    ) -> tf.Tensor:
        """States [batch, length, d] and masks [batch, length, 1] -> [batch, width]."""
        raise NotImplementedError

    def call(
        self, hidden: tf.Tensor, mask: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """States of tokens to scores of classes.

        Args:
            hidden: [batch, length, d].
            mask: int [batch, length], 0 at padding.

        Returns:
            float32 [batch, classes].
        """
        mask = tf.cast(mask, hidden.dtype)[..., None]
        vectors = self.dropout(self.pool(hidden, mask, training), training=training)
        return self.classes(tf.cast(vectors, tf.float32))

    def compute_output_shape(self, input_shape, *_, **__):
        return (input_shape[0], self.classes.units)


class PooledHead(ClassificationHead):
    """Reads the first token by way of a tanh product (Devlin et al., 2019); subclasses
    have other functions than tanh.

    Where the encoder has a pooler, that is the product, and the head is given what it
    makes of a text as the only state.

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> PooledHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    function = staticmethod(tf.tanh)

    def __init__(self, config: TransformerConfig, *args, **kwargs):
        super().__init__(config, *args, **kwargs)
        self.transform = None
        if not (config.pooler and self.function is tf.tanh):
            self.transform = Dense(
                config.hidden_size, dtype=self.dtype_policy, name="transform"
            )

    def build(self, input_shape=None):
        super().build()
        if self.transform is not None:
            self.transform.build((None, self.config.hidden_size))

    def pool(self, hidden, mask, training):
        first = hidden[:, 0]
        return first if self.transform is None else self.function(self.transform(first))


class ReluPooledHead(PooledHead):
    """With the larger of the product and 0 (Sanh et al., 2019: DistilBERT)."""

    function = staticmethod(tf.nn.relu)


class GeluPooledHead(PooledHead):
    """With the product times its normal probability (Clark et al., 2020: ELECTRA)."""

    function = staticmethod(tf.nn.gelu)


class MeanHead(ClassificationHead):
    """Reads the mean of all real tokens, [CLS] and [SEP] among them.

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> MeanHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    def pool(self, hidden, mask, training):
        hidden, mask = tf.cast(hidden, tf.float32), tf.cast(mask, tf.float32)
        total = tf.reduce_sum(hidden * mask, axis=1)
        return tf.math.divide_no_nan(total, tf.reduce_sum(mask, axis=1))


class ConvolutionHead(ClassificationHead):
    """Looks for short sequences of tokens anywhere in a text (Kim, 2014).

    For each of some widths, 100 products with as many neighbouring tokens, ReLU, and
    the largest value over all places, of which a text without any token has none: 0.

    Attributes:
        widths: tokens that a product sees.
        maps: products of each width.

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> head = ConvolutionHead(config, 3)
    >>> head(tf.ones([2, 1, 8]), tf.ones([2, 1])).shape, head.width
    (TensorShape([2, 3]), 300)
    """

    default_dropout = 0.5
    max_norm = 3.0
    widths = (3, 4, 5)
    maps = 100

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for n in self.widths:
            # He et al., 2015
            scale = (2.0 / (n * self.config.hidden_size)) ** 0.5
            product = Dense(
                self.maps, scale=scale, dtype=self.dtype_policy, name=f"width_{n}"
            )
            setattr(self, f"width_{n}", product)

    @property
    def width(self):
        return self.maps * len(self.widths)

    def build(self, input_shape=None):
        super().build()
        for n in self.widths:
            getattr(self, f"width_{n}").build((None, n * self.config.hidden_size))

    def pool(self, hidden, mask, training):
        # A token's products with all places of all windows at once; then each window
        # is a sum of shifted ones, and no token is copied into the windows it is in.
        rows = tf.reshape(hidden * mask, [-1, self.config.hidden_size])
        multiply = differentiable_product if training else tf.matmul
        parts = multiply(rows, self._kernel(rows.dtype))
        shape = [*shape_of(hidden)[:2], sum(self.widths), self.maps]
        parts, first, found = tf.reshape(parts, shape), 0, []
        for n in self.widths:
            values = _summed(parts[:, :, first : first + n])
            bias = getattr(self, f"width_{n}").bias
            values = tf.nn.relu(values + tf.cast(bias, values.dtype))
            # ReLU gives no less than 0, which is what a window of padding counts.
            values *= tf.cast(_summed(tf.repeat(mask[..., None], n, 2)) > 0, mask.dtype)
            found.append(tf.reduce_max(values, axis=1))
            first += n
        return tf.concat(found, axis=-1)

    def _kernel(self, dtype: tf.DType) -> tf.Tensor:
        """The products of all widths side by side, [d, places * maps]."""
        kernels = [
            tf.reshape(getattr(self, f"width_{n}").kernel, [n, -1, self.maps])
            for n in self.widths
        ]
        kernel = tf.transpose(tf.concat(kernels, axis=0), [1, 0, 2])
        shape = [self.config.hidden_size, sum(self.widths) * self.maps]
        return tf.cast(tf.reshape(kernel, shape), dtype)


def _summed(parts: tf.Tensor) -> tf.Tensor:
    """Sums over all windows of n neighbours, those over the edges too.

    Args:
        parts: [batch, length, n, maps], what a token adds at each place of a window.

    Returns:
        [batch, length + n - 1, maps].
    """
    n = parts.shape[2]
    return tf.add_n(
        [tf.pad(parts[:, :, i], [[0, 0], [n - 1 - i, i], [0, 0]]) for i in range(n)]
    )


class MaxHead(ClassificationHead):
    """Reads the largest value of each feature over all real tokens; of a text without
    any it is 0 (Collobert et al., 2011; Conneau et al., 2017).

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> MaxHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    def pool(self, hidden, mask, training):
        values = tf.where(mask > 0, hidden, hidden.dtype.min)
        some = tf.reduce_any(mask > 0, axis=1)
        return tf.where(some, tf.reduce_max(values, axis=1), 0)


class EndsHead(ClassificationHead):
    """Reads what each direction of a recurrent encoder ends with: the half that reads
    from the beginning at the last token, the other half at the first one.

    Of an encoder that does not read in two directions it is the last token.

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> EndsHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    def pool(self, hidden, mask, training):
        ends = ends_of(hidden, mask[..., 0], self.config.directions)
        return ends * tf.reduce_max(mask, axis=1)


class RecurrentHead(ClassificationHead):
    """Reads a text from both ends and keeps what it ends with (Schuster & Paliwal,
    1997).

    Attributes:
        cell: of the recurrent layer.
        units: of each direction.
    """

    default_dropout = 0.5
    cell: str
    units = 150

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.reader = RecurrentReader(
            self.cell, self.units, dtype=self.dtype_policy, name="reader"
        )

    @property
    def width(self):
        return self.reader.width

    def build(self, input_shape=None):
        super().build()
        self.reader.build((None, None, self.config.hidden_size))

    def pool(self, hidden, mask, training):
        real = tf.cast(mask[..., 0] > 0, tf.int32)
        # What a row of padding alone is read as has nothing of its states.
        tokens = tf.transpose(hidden * mask, [1, 0, 2])
        states, _ = self.reader(tokens, real, training=training)
        states = tf.transpose(states, [1, 0, 2])
        return ends_of(states, real, 2) * tf.reduce_max(mask, axis=1)


class LSTMHead(RecurrentHead):
    """With LSTM cells (Hochreiter & Schmidhuber, 1997).

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> LSTMHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    cell = "lstm"


class GRUHead(RecurrentHead):
    """With GRU cells (Cho et al., 2014).

    >>> config = TransformerConfig(stack="encoder", hidden_size=8, num_heads=2)
    >>> GRUHead(config, 3)(tf.ones([2, 5, 8]), tf.ones([2, 5])).shape
    TensorShape([2, 3])
    """

    cell = "gru"


HEADS: dict[str, type[ClassificationHead]] = {
    "pooled": PooledHead,
    "pooled_relu": ReluPooledHead,
    "pooled_gelu": GeluPooledHead,
    "mean": MeanHead,
    "max": MaxHead,
    "ends": EndsHead,
    "convolution": ConvolutionHead,
    "lstm": LSTMHead,
    "gru": GRUHead,
}
