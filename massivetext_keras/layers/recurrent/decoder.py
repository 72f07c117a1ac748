"""The decoder of a recurrent encoder-decoder: layers that look at another text."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.kernels.product import differentiable_product
from massivetext_keras.kernels.recurrence.attending import (
    Memory,
    Steps,
    Weights,
    attend_and_scan,
    look,
)
from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.layers.adapters import merged_kernel
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.attention import RecurrentAttention
from massivetext_keras.layers.recurrent.layer import RecurrentLayer, first_weights


class RecurrentDecoder(keras.layers.Layer):
    """Recurrent layers with attention to what an encoder gives.

    With input feeding, attention is a part of each step. Without it, the layers run
    over the whole text first, and all queries are one product.

    Args:
        config: the shape.
    """

    def __init__(self, config: RecurrentSeq2SeqConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config, policy, self.blocks = config, self.dtype_policy, []
        size, layers = config.hidden_size, config.decoder_layers
        for i in range(layers):
            block = RecurrentLayer(
                config.cell,
                size,
                forget_bias=config.forget_bias,
                dtype=policy,
                name=f"block_{i}",
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)
        self.attention = RecurrentAttention(
            config.attention,
            size,
            config.width_of_keys,
            dtype=policy,
            name="attention",
        )
        self.pieces = 2 if config.readout == "maxout" else 1
        width = self.pieces * config.width_of_output
        self.readout = Dense(width, dtype=policy, name="readout")
        self.bridge = None
        if config.bridge == "dense":
            width = layers * config.states * size
            self.bridge = Dense(width, dtype=policy, name="bridge")
        self.between = Dropout(config.rate_between, dtype=policy, name="between")

    def build(self, input_shape=None):
        config = self.config
        size, memory = config.hidden_size, config.width_of_memory
        width = config.width_of_embedding + config.width_fed
        for block in self.blocks:
            block.build((None, None, width))
            width = size
        self.attention.build((None, None, memory))
        read = memory + size
        if config.query == "before":
            read += config.width_of_embedding
        _build(self.readout, read)
        if self.bridge is not None:
            _build(self.bridge, size)

    def begin(
        self, memory: Memory, ends: tuple[States, ...], training: bool | None = None
    ) -> tuple[States, ...]:
        """What the first step reads.

        Args:
            memory: of the attention.
            ends: what each layer of the encoder ends with, [batch, d] each.
            training: whether a gradient is taken.

        Returns:
            The states of each layer, and, with input feeding, one more tuple of what is
            fed, [batch, f].
        """
        states, config = ends, self.config
        if self.bridge is not None:
            made = tf.tanh(self.bridge(ends[-1][0], training=training))
            parts = tf.split(made, config.decoder_layers * config.states, axis=1)
            states = tuple(
                (parts[i], *(tf.cast(x, tf.float32) for x in parts[i + 1 : i + each]))
                for each in (config.states,)
                for i in range(0, len(parts), each)
            )
        if not config.input_feeding:
            return states
        top = states[-1][0]
        if config.query == "before":
            fed = look(self.attention.score, self._weights(), memory, top)[-1]
        else:
            fed = tf.zeros([tf.shape(top)[0], config.width_fed], top.dtype)
        return (*states, (fed,))

    def call(
        self,
        x: tf.Tensor,
        memory: Memory,
        states: tuple[States, ...],
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tuple[States, ...], tf.Tensor]:
        """What the output layer reads after each token.

        Args:
            x: [length, batch, e].
            memory: of the attention.
            states: of `begin`, or after what went before.
            training: whether a gradient is taken.

        Returns:
            [length, batch, output_size]; the states after the last token; and where
            each step has looked, float32 [length, batch, keys].
        """
        if self.config.input_feeding:
            return self._fed(x, memory, states, training)
        top = states[-1][0]
        given, after = x, []
        for i, (block, before) in enumerate(zip(self.blocks, states, strict=True)):
            if i:
                given = self.between(given, training=training)
            given, new = block(given, before, training=training, through=True)
            after.append(new)
        queries = given
        if self.config.query == "before":
            queries = tf.concat([top[None], given[:-1]], axis=0)
        queries = tf.transpose(queries, [1, 0, 2])
        found, weights = self.attention(queries, memory, training=training)
        found, weights = (tf.transpose(y, [1, 0, 2]) for y in (found, weights))
        return self._read_out(found, given, x, training), tuple(after), weights

    def _fed(self, x, memory: Memory, states, training) -> tuple:
        """`call` with input feeding."""
        weights, config = self._weights(), self.config
        *layers, (fed,) = states
        masks = ()
        if training and self.between.rate and config.decoder_layers > 1:
            like = tf.ones([*shape_of(x)[:2], config.hidden_size], x.dtype)
            masks = tuple(self.between(like, training=True) for _ in layers[1:])
        steps: Steps = attend_and_scan(
            self.blocks[0].cell,
            self.attention.score,
            self._projected(x, training),
            weights,
            memory,
            tuple(layers),
            fed,
            masks,
        )
        after = (*steps.states, (tf.stop_gradient(steps.fed[-1]),))
        if config.query == "after":
            return steps.fed, after, steps.alignments
        found = tf.concat([fed[None], steps.fed[:-1]], axis=0)
        return self._read_out(found, steps.given, x, training), after, steps.alignments

    def _projected(self, x: tf.Tensor, training: bool | None) -> tf.Tensor:
        """What the first layer makes of the tokens alone."""
        block = self.blocks[0]
        kernel = self._kernel(block.projection)[: x.shape[-1]]
        multiply = differentiable_product if training else tf.matmul
        rows = multiply(tf.reshape(x, [-1, x.shape[-1]]), kernel)
        rows += self._cast(block.projection.bias)
        return tf.reshape(rows, [*shape_of(x)[:2], kernel.shape[1]])

    def _weights(self) -> Weights:
        """What a step with attention in it multiplies with."""
        config, (first, *others) = self.config, self.blocks
        attention, query, combined = self.attention, (), ((), ())
        if attention.query is not None:
            query = self._kernel(attention.query)
        if config.query == "after":
            combined = self._kernel(self.readout), self._cast(self.readout.bias)
        return Weights(
            self._kernel(first.projection)[config.width_of_embedding :],
            tuple(self._cast(block.recurrent_kernel) for block in self.blocks),
            tuple(self._kernel(block.projection) for block in others),
            tuple(self._cast(block.projection.bias) for block in others),
            query,
            attention.score_vector(),
            *combined,
        )

    def _read_out(self, found, states, tokens, training) -> tf.Tensor:
        """What the output layer reads, of contexts and states, and of tokens where the
        state before them has looked."""
        parts = [found, states]
        if self.config.query == "before":
            parts.append(tokens)
        made = self.readout(tf.concat(parts, axis=-1), training=training)
        if self.pieces == 1:
            return tf.tanh(made)
        halves = tf.split(made, self.pieces, axis=-1)
        return tf.maximum(*halves)

    def _kernel(self, dense: Dense) -> tf.Tensor:
        kernel = dense.kernel if dense.adapter is None else merged_kernel(dense)
        return self._cast(kernel)

    def _cast(self, weight) -> tf.Tensor:
        return tf.cast(tf.convert_to_tensor(weight), self.compute_dtype)

    def compute_output_shape(self, input_shape, **_):
        return (*input_shape[:-1], self.config.width_of_output)


def _build(dense: Dense, width: int) -> None:
    dense.kernel_initializer = first_weights(width)
    dense.build((None, None, width))
