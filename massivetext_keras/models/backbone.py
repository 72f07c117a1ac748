"""What all models share: token embedding, output layer and their loss."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Self

import keras
import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.distribution.mesh import weights_of
from massivetext_keras.kernels.cross_entropy import cross_entropy
from massivetext_keras.kernels.random import draw_keys, own_keys, with_own_keys
from massivetext_keras.kernels.recomputation import recomputed
from massivetext_keras.kernels.split import gather_tokens, shard_tokens
from massivetext_keras.kernels.threads import overlap_operations
from massivetext_keras.layers.cache import Cache, LayerCache
from massivetext_keras.layers.embeddings import Embeddings, TokenEmbedding
from massivetext_keras.layers.stack import TransformerStack
from massivetext_keras.models.hidden import tell
from massivetext_keras.models.part import Part, leave, part_to_run

# What names of features end in, such as "encoder_token_ids".
FEATURES = ("token_ids", "padding_mask", "segment_ids", "positions", "prefix_mask")
VECTORS = "token_vectors"  # the one that is of floats


def register(cls: type) -> None:
    """Makes a class known to Keras, under the name of the package it is from."""
    package = cls.__module__.partition(".")[0]
    keras.saving.register_keras_serializable(package)(cls)


class Backbone(keras.Model):
    """A model from token ids to hidden states, and from these to logits.

    Its `call` is that of a Transformer; another kind of model has one of its own.

    Args:
        config: the shape; its `stack` must be one of the class's.
        tokens: the token embedding of another model, to share (None: a new one).

    Attributes:
        has_learnt: whether its weights were read from somewhere, and are not random.

    Raises:
        ValueError: the config is of another stack.
    """

    stacks: tuple[str, ...] = ()
    has_learnt = False
    takes_embedding_size = False
    first_scale = 0.02  # standard deviation of the first rows of embeddings
    attends = True  # there are pictures of its attention
    carries_states = False  # from one batch to the next, if it is asked to

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls)

    def __init__(
        self,
        config: ModelConfig,
        tokens: TokenEmbedding | None = None,
        **kwargs,
    ):
        kwargs.setdefault("name", type(self).__name__.lower())
        overlap_operations()
        super().__init__(**kwargs)
        if config.stack not in self.stacks:
            raise ValueError(
                f"{type(self).__name__} has stack {' or '.join(map(repr, self.stacks))}"
                f", the config says {config.stack!r}"
            )
        if config.embedding_size and not self.takes_embedding_size:
            raise ValueError(f"{type(self).__name__} takes no embedding_size")
        self._allow_non_tensor_positional_args = True  # nested lists are fine
        self.config = config
        if tokens is None:
            tokens = self._token_embedding("tokens", config.width_of_embedding)
        self.tokens = self.output_embedding = tokens
        if not config.tied_embeddings:
            width = config.width_of_output
            self.output_embedding = self._token_embedding("output", width)
        self.logit_bias = None

    def _token_embedding(self, name: str, width: int) -> TokenEmbedding:
        how = {"scale": self.first_scale, "dtype": self.dtype_policy, "name": name}
        return TokenEmbedding(self.config.vocabulary_size, width, **how)

    @classmethod
    def from_preset(cls, name: str, **kwargs) -> Self:
        """A model with the shape of a preset and random weights."""
        return cls(preset(name), **kwargs)

    def build(self, input_shape=(None, None)):
        config = self.config
        shape = (None, None, config.hidden_size)
        with weights_of(config):
            for layer in self.layers:
                if not layer.built:
                    is_table = isinstance(layer, TokenEmbedding)
                    layer.build(input_shape if is_table else shape)
            if config.logit_bias:
                self.logit_bias = self.add_weight(
                    name="logit_bias",
                    shape=(config.vocabulary_size,),
                    initializer="zeros",
                    autocast=False,
                )
        self.built = True

    def build_all(self) -> None:
        """Makes the weights, at the end of a constructor; those of a subclass may go on
        to add layers, which Keras forbids in what is built."""
        self.build((None, None))
        self._tracker.unlock()

    @property
    def output_shape(self) -> tuple:
        """Of hidden states, for `summary`; there is no telling what a subclass gives
        that has a `call` of its own."""
        if not type(self).call.__module__.startswith(__package__):
            raise NotImplementedError
        return (None, None, self.config.hidden_size)

    def call(
        self,
        inputs,
        cache: Cache | None = None,
        training: bool | None = None,
        embeddings: Embeddings | None = None,
        stack: TransformerStack | None = None,
        memory: tuple[LayerCache, ...] = (),
        memory_mask: tf.Tensor | tuple = (),
    ):
        """Token ids to hidden states.

        Args:
            inputs: int token ids [batch, length], or a dict of `token_ids` and any of
                `padding_mask` (0 at padding), `segment_ids` (in an encoder with segment
                types the first or second text; else a token sees its own segment
                alone), `positions` and, for a prefix model, `prefix_mask` (1 at tokens
                that all may see), all int [batch, length]. With `token_vectors`, float
                [batch, length, e], these are read in place of the ids' own embeddings.
            cache: what went before, from `empty_cache` or an earlier call.
            training: whether a gradient is taken.
            embeddings: of the text (None: the model's only ones).
            stack: that it goes through (None: the model's only one).
            memory: keys and values of another text, for every block that has cross
                attention; a cache has its own.
            memory_mask: int [batch, keys], 0 at padding of the other text.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        embeddings, stack = embeddings or self.embeddings, stack or self.stack
        inputs, encodes = as_features(inputs), self.config.stack == "encoder"
        token_ids, mask = inputs["token_ids"], inputs.get("padding_mask")
        types, segments = None, inputs.get("segment_ids")
        if encodes and self.config.segment_types:
            types, segments = segments, None
        positions = inputs.get("positions")
        if positions is None:
            count_real = encodes and self.config.position_offset > 0
            positions = positions_of(token_ids, mask, cache, count_real)
        part = part_to_run() or Part(range(len(stack.blocks)), last=True)
        x = part.entered
        if x is None:
            x = embeddings(self.rows(inputs), positions, types, training=training)
        elif training:  # keys of dropout that are drawn before its first block
            draw_keys(bool(self.config.dropout) + part.blocks.start)
        prefix = inputs.get("prefix_mask")
        shared = stack.shared_by_blocks(
            x, positions, mask, segments, prefix, memory_mask, cache
        )
        memory, layers = memory if cache is None else cache.memory, []
        x = shard_tokens(x)
        for i in part.blocks:
            block = stack.blocks[i]
            shared["memory"] = memory[i] if memory else None
            shared["cache"] = None if cache is None else cache.layers[i]
            looks = functools.partial(
                block.attention_weights, x, shared["bias"], shared["angles"]
            )
            tell("attention", looks)
            if stack.recompute and training:
                run = with_own_keys(block)
                x = recomputed(run, x, **shared, training=training)
            else:
                with own_keys(drawing=bool(training)):
                    x = block(x, **shared, training=training)
            if cache is not None:
                x, layer = x
                layers.append(layer)
            tell("hidden", lambda x=x: x)  # type: ignore[misc]  # mypy: no default
        if not part.last:
            leave(x)
        if stack.final_norm:
            x = stack.final_norm(x, training=training)
        x = gather_tokens(x)
        if cache is None:
            return x
        start = cache.start + tf.shape(x)[1]
        return x, cache._replace(layers=tuple(layers), start=start)

    def rows(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What is read of each token, before positions and all else.

        Args:
            inputs: features; see `call`.

        Returns:
            [batch, length, e]: `token_vectors`, or else rows of the token embedding.
        """
        return vectors_or(inputs.get(VECTORS), self.tokens, inputs["token_ids"])

    def logits(self, hidden: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
        """Hidden states [..., d] -> float32 scores of tokens [..., vocabulary].

        Args:
            hidden: of the width of the embedding.
            bias: float32 [vocabulary] of a head (None: the model's own, if any).
        """
        scores = tf.cast(self.output_embedding.scores(self._scaled(hidden)), tf.float32)
        bias = self.logit_bias if bias is None else bias
        return scores if bias is None else scores + bias

    def summed_loss(
        self,
        hidden: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        smoothing: float = 0.0,
        bias: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Weighted cross-entropy of the logits of `hidden`, summed, without the logits.

        Args:
            hidden: [batch, length, d].
            labels: int [batch, length].
            weights: float32 [batch, length].
            smoothing: share of the label spread over the vocabulary (Szegedy et al.,
                2016).
            bias: see `logits`.

        Returns:
            float32 scalar, and float32 [batch], its part of each row, from which no
            gradient flows.
        """
        total, losses = cross_entropy(
            self._scaled(hidden),
            self.output_embedding.table(),
            labels,
            weights,
            bias=self.logit_bias if bias is None else bias,
            smoothing=smoothing,
        )
        return total, tf.reduce_sum(losses, axis=1)

    def _scaled(self, hidden: tf.Tensor) -> tf.Tensor:
        if self.config.logit_scale == 1.0:
            return hidden
        return hidden * tf.cast(self.config.logit_scale, hidden.dtype)

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.has_learnt = True

    def quantize(self, mode=None, *_, **__):
        """Refuses: Keras would change nothing, since the products are our own layers.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.quantize({mode!r}) would change nothing: it is a "
            "task that stores its backbone in fewer bits, by task.quantize"
        )

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, values):
        values = keras.saving.deserialize_keras_object(values)
        config = ModelConfig.from_dict(values.pop("config"))
        return cls(config, **values)


def as_features(inputs) -> dict[str, tf.Tensor]:
    """The features that models read, by name, as tensors: int32, but for vectors.

    Keras traces a model around this one with inputs of floats, to build it.

    Args:
        inputs: token ids [batch, length], or a dict of features; of any type of number.
            What models do not read is passed over.

    >>> as_features([[1.0, 2.0]])["token_ids"].numpy().tolist()
    [[1, 2]]
    """
    named = inputs if isinstance(inputs, Mapping) else {"token_ids": inputs}
    found = {
        name: tf.cast(tf.convert_to_tensor(x), tf.int32)
        for name, x in named.items()
        if x is not None and name.endswith(FEATURES)
    }
    vectors = {
        name: tf.convert_to_tensor(x)
        for name, x in named.items()
        if x is not None and name.endswith(VECTORS)
    }
    return found | vectors


def vectors_or(
    vectors: tf.Tensor | None, tokens: TokenEmbedding, token_ids: tf.Tensor
) -> tf.Tensor:
    """Vectors in the precision of an embedding, or its own for the ids (None)."""
    if vectors is None:
        return tokens(token_ids)
    return tf.cast(vectors, tokens.compute_dtype)


def steps_first(vectors: tf.Tensor | None) -> tf.Tensor | None:
    """[batch, length, e] -> [length, batch, e] for recurrent layers; None stays."""
    return None if vectors is None else tf.transpose(vectors, [1, 0, 2])


def positions_of(
    token_ids: tf.Tensor,
    padding_mask: tf.Tensor | None = None,
    cache: Cache | None = None,
    count_real: bool = False,
) -> tf.Tensor:
    """Places of tokens from 0 on, where a caller gives none.

    Args:
        token_ids: int [batch, length].
        padding_mask: int [batch, length], 0 at padding.
        cache: of the tokens before; its padding at the left is not counted.
        count_real: count what `padding_mask` leaves, wherever the padding is.

    Returns:
        int32 [batch or 1, length].

    >>> import tensorflow as tf
    >>> ids, mask = tf.constant([[7, 8, 9]]), tf.constant([[0, 1, 1]])
    >>> positions_of(ids, mask).numpy().tolist()
    [[0, 1, 2]]
    >>> positions_of(ids, mask, count_real=True).numpy().tolist()
    [[0, 0, 1]]
    """
    if cache is None and count_real and padding_mask is not None:
        return tf.maximum(tf.cumsum(tf.cast(padding_mask, tf.int32), axis=1) - 1, 0)
    positions = tf.range(token_ids.shape[1] or tf.shape(token_ids)[1])[None]
    if cache is None:
        return positions
    return tf.maximum(positions + cache.starts - cache.padding[:, None], 0)
