"""Mixture of experts: each token passes through a few of many feed-forward layers."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.lookup import rows_of
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.split import is_split
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.feed_forward import activated
from massivetext_keras.layers.stored import StoredMatrix


class ExpertDense(keras.layers.Layer):
    """A matrix per expert, in 0, ..., E - 1.

    Args:
        num_experts: E.
        inputs: rows of each matrix.
        units: columns of each.
        scale: standard deviation of the first weights.
    """

    matrix_place = "kernel"  # of `layers.stored`

    def __init__(
        self, num_experts: int, inputs: int, units: int, scale: float = 0.02, **kwargs
    ):
        super().__init__(**kwargs)
        self.shape, self.scale = (num_experts, inputs, units), scale

    def build(self, input_shape=None):
        initializer = keras.initializers.RandomNormal(stddev=self.scale)
        self.kernel = self.add_weight(
            name="kernel", shape=self.shape, initializer=initializer
        )

    def call(self, x: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
        """Tiles [tiles, tile, inputs], each of one expert [tiles], times its matrix."""
        if isinstance(self.kernel, StoredMatrix):
            return tf.matmul(x, self.kernel.some(experts), transpose_b=True)
        return tf.matmul(x, rows_of(self.kernel, experts))

    def all(self, x: tf.Tensor) -> tf.Tensor:
        """Rows [E or 1, rows, inputs] times every matrix, [E, rows, units]."""
        return tf.matmul(x, tf.cast(self.kernel, x.dtype))


class MixtureOfExperts(keras.layers.Layer):
    """Feed-forward layers of which a router chooses `per_token` for each token.

    The chosen ones are weighted by their share of the router's softmax (Shazeer et al.,
    2017; Jiang et al., 2024). No token is dropped: tokens are laid out by expert in
    tiles of one size, so that shapes are static and the work is at most twice that of
    the tokens alone (after Gale et al., 2022). On a mesh, whose compiler splits no
    such layout, every expert reads every token, and what is not chosen counts 0.

    Args:
        hidden_size: width d of input and output.
        intermediate_size: width f inside.
        num_experts: E.
        per_token: k, experts of a token.
        activation: a name in `kernels.activation.ACTIVATIONS`.
        gated: whether experts are gated.
        loss: weight of the load-balancing loss, which is least where all experts get
            as many tokens (Fedus et al., 2022).
        output_scale: standard deviation of the first weights of the second product.
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        num_experts: int,
        per_token: int,
        activation: str = "silu",
        gated: bool = True,
        loss: float = 0.01,
        output_scale: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.num_experts, self.per_token = num_experts, per_token
        self.activation, self.gated = activation, gated
        self.loss = loss
        # in float32: a rounded score would choose another expert
        self.router = Dense(
            num_experts, bias=False, may_round=False, dtype="float32", name="router"
        )
        width, policy = intermediate_size * (2 if gated else 1), self.dtype_policy
        self.up = ExpertDense(num_experts, hidden_size, width, dtype=policy, name="up")
        self.down = ExpertDense(
            num_experts,
            intermediate_size,
            hidden_size,
            output_scale,
            dtype=policy,
            name="down",
        )

    @classmethod
    def for_config(cls, config: TransformerConfig, **kwargs) -> MixtureOfExperts:
        """That of the blocks of a model with experts."""
        return cls(
            config.hidden_size,
            config.intermediate_size,
            config.num_experts,
            config.experts_per_token,
            config.activation,
            config.gated,
            config.expert_loss,
            config.residual_scale,
            **kwargs,
        )

    def build(self, input_shape=None):
        self.router.build((None, self.hidden_size))
        self.up.build()
        self.down.build()

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`x` [..., d] -> [..., d]."""
        rows = tf.reshape(x, [-1, self.hidden_size])
        shares = tf.nn.softmax(self.router(tf.cast(rows, tf.float32)))
        if is_split():
            return tf.reshape(self._mixed(rows, shares, training), shape_of(x))
        weights, experts = tf.math.top_k(shares, self.per_token)
        weights = weights / tf.reduce_sum(weights, -1, keepdims=True)
        if training and self.loss:
            self.add_loss(self.loss * balance(shares, experts))
        tokens = x.shape.num_elements()
        tokens = tokens and tokens // self.hidden_size
        count = (tokens or tf.shape(rows)[0]) * self.per_token
        outputs = self._experts(rows, tf.reshape(experts, [-1]), count, training)
        outputs = tf.reshape(outputs, [-1, self.per_token, self.hidden_size])
        mixed = tf.reduce_sum(outputs * tf.cast(weights, x.dtype)[..., None], axis=1)
        return tf.reshape(mixed, tf.shape(x))

    def _mixed(self, rows: tf.Tensor, shares: tf.Tensor, training) -> tf.Tensor:
        """[tokens, d] and the router's shares [tokens, E] -> [tokens, d], by plain
        operations on all experts, which lie on the devices one by one."""
        chosen = tf.stop_gradient(best(shares, self.per_token))
        weights = shares * chosen
        weights = weights / tf.reduce_sum(weights, -1, keepdims=True)
        if training and self.loss:
            self.add_loss(self.loss * evenness(shares, chosen))
        x = self.up.all(tf.expand_dims(rows, 0))
        x = activated(x, self.activation, self.gated, training)
        outputs = self.down.all(x)  # [E, tokens, d]
        weights = tf.cast(tf.transpose(weights), x.dtype)
        return tf.reduce_sum(outputs * tf.expand_dims(weights, 2), axis=0)

    def _experts(self, rows, experts, count, training) -> tf.Tensor:
        """What its experts make of each token: [tokens, d] -> [tokens * k, d].

        Args:
            rows: [tokens, d].
            experts: int32 [tokens * k], the k experts of each token in turn.
            count: tokens * k, an int where it is known.
        """
        tile, tiles = _tiling(count, self.num_experts)
        place, tile_expert = lay_out(experts, self.num_experts, tile, tiles)
        source = tf.scatter_nd(
            place[:, None], tf.range(count) // self.per_token + 1, [tiles * tile]
        )
        padded = tf.pad(rows, [[1, 0], [0, 0]])  # a row of zeros fills the tiles
        x = tf.reshape(tf.gather(padded, source), [tiles, tile, self.hidden_size])
        x = self.up(x, tile_expert)
        x = activated(x, self.activation, self.gated, training)
        x = self.down(x, tile_expert)
        return tf.gather(tf.reshape(x, [-1, self.hidden_size]), place)

    def compute_output_shape(self, input_shape):
        return input_shape


def _tiling(count, experts: int):
    """Rows of a tile and how many tiles hold `count` tokens however they choose."""
    if isinstance(count, int):
        tile = max(-(-count // experts), 1)
        return tile, min(count, count // tile + experts)
    tile = tf.maximum((count + experts - 1) // experts, 1)
    return tile, tf.minimum(count, count // tile + experts)


def lay_out(experts: tf.Tensor, num_experts: int, tile, tiles):
    """Gives every entry a place such that no tile holds two experts.

    Args:
        experts: int32 [n], the expert of each entry.
        num_experts: E.
        tile: entries of a tile.
        tiles: how many tiles there are.

    Returns:
        int32 [n] places below tiles * tile, all different, and int32 [tiles], the
        expert of each tile.

    >>> import tensorflow as tf
    >>> place, of = lay_out(tf.constant([1, 0, 1, 1]), 2, 2, 4)
    >>> place.numpy().tolist(), of.numpy().tolist()
    ([2, 0, 3, 4], [0, 1, 1, 1])
    """
    chosen = tf.one_hot(experts, num_experts, dtype=tf.int32)  # [n, E]
    sizes = tf.reduce_sum(chosen, axis=0)
    ends = tf.cumsum((sizes + tile - 1) // tile)  # tiles up to each expert's last
    starts = tf.concat([[0], ends[:-1]], 0)
    rank = tf.reduce_sum(tf.cumsum(chosen, exclusive=True) * chosen, axis=1)
    place = tf.gather(starts, experts) * tile + rank
    passed = tf.cast(tf.range(tiles)[:, None] >= ends[None], tf.int32)
    return place, tf.minimum(tf.reduce_sum(passed, axis=1), num_experts - 1)


def best(shares: tf.Tensor, count: int) -> tf.Tensor:
    """1 at the `count` largest of each row, the first of equal ones, and 0 elsewhere.

    What `tf.math.top_k` finds, by comparisons alone.

    Args:
        shares: float32 [tokens, E].

    >>> best(tf.constant([[0.2, 0.5, 0.2, 0.1]]), 2).numpy().tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    experts = shares.shape[-1]
    before = np.tri(experts, k=-1, dtype="float32")  # [E, E], 1 where j < i
    own, other = tf.expand_dims(shares, 2), tf.expand_dims(shares, 1)
    ahead = tf.cast(other > own, tf.float32)
    ahead += tf.cast(tf.equal(other, own), tf.float32) * before
    return tf.cast(tf.reduce_sum(ahead, axis=-1) < count, tf.float32)


def balance(shares: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
    """E times the product of each expert's share of tokens and of probability, summed.

    Args:
        shares: float32 [tokens, E], the router's softmax.
        experts: int32 [tokens, k], those chosen.

    Returns:
        float32 scalar; k where all experts get as much.

    >>> import tensorflow as tf
    >>> even = tf.constant([[0.5, 0.5], [0.5, 0.5]])
    >>> float(balance(even, tf.constant([[0], [1]])))
    1.0
    """
    chosen = tf.one_hot(experts, shares.shape[-1])
    return evenness(shares, tf.reduce_sum(chosen, axis=1))


def evenness(shares: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """`balance` of choices float32 [tokens, E], 1 where an expert is chosen."""
    count = shares.shape[-1]
    tokens = tf.reduce_mean(chosen, axis=0)
    return count * tf.reduce_sum(tokens * tf.reduce_mean(shares, axis=0))
