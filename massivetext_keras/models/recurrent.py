"""Recurrent language models: Elman's network, GRU and LSTM."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.layers.cache import StateCache
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.rows import kept
from massivetext_keras.layers.recurrent.stack import RecurrentStack
from massivetext_keras.models.backbone import (
    VECTORS,
    Backbone,
    as_features,
    steps_first,
    vectors_or,
)


class Recurrent(Backbone):
    """Recurrent language model without its loss (Mikolov et al., 2010; Zaremba et al.,
    2014; Merity et al., 2018).

    Args:
        config: the shape; its rows in `shapes.PRESETS` have published sizes.

    >>> from massivetext_keras.architecture.shapes import preset
    >>> model = Recurrent(preset("lstm_small"))
    >>> model.count_params()
    4651600
    >>> model({"token_ids": [[1, 2, 3]]}).shape
    TensorShape([1, 3, 200])
    """

    stacks = RecurrentConfig.stacks
    takes_embedding_size = True
    first_scale = 0.5  # nothing normalises what the first layer reads
    attends = False
    carries_states = True

    def __init__(self, config: RecurrentConfig, **kwargs):
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        self.word_dropout = Dropout(
            config.embedding_dropout, dtype=policy, name="word_dropout"
        )
        self.stack = RecurrentStack(config, dtype=policy, name="stack")
        self.build_all()

    @property
    def output_shape(self) -> tuple:
        """Of hidden states, for `summary`."""
        return (None, None, self.config.width_of_output)

    def empty_cache(self, padding: tf.Tensor, capacity: int | tf.Tensor) -> StateCache:
        """The states before the first token; row i has `padding[i]` places at its left
        that are no text. The `capacity` is that of the text: a state has none."""
        states = self.stack.empty_states(tf.shape(padding)[0])
        return StateCache(states, tf.constant(0), padding, tf.cast(capacity, tf.int32))

    def call(  # type: ignore[override]  # has arguments of its own
        self,
        inputs,
        cache: StateCache | None = None,
        training: bool | None = None,
    ):
        """Token ids to hidden states.

        Args:
            inputs: int token ids [batch, length], or a dict of `token_ids` and any of
                `padding_mask` (0 at padding, which stands at the left or the right) and
                `segment_ids` (where they change a row forgets what it has read), all
                int [batch, length]. `token_vectors`: see `Backbone.call`.
            cache: the states after what went before, from `empty_cache` or an earlier
                call.
            training: whether a gradient is taken.

        Returns:
            [batch, length, d], and with a cache also the new cache.
        """
        inputs = as_features(inputs)
        token_ids = tf.transpose(inputs["token_ids"])  # steps are rows from here on
        x = vectors_or(steps_first(inputs.get(VECTORS)), self.tokens, token_ids)
        if training and self.word_dropout.rate:
            ones = tf.ones([self.config.vocabulary_size, 1], x.dtype)
            x *= tf.gather(self.word_dropout(ones, training=True), token_ids)
        if cache is None:
            states = self.stack.empty_states(tf.shape(token_ids)[1])
        else:
            states = cache.layers
        x, states = self.stack(x, states, keep=_kept(inputs, cache), training=training)
        x = tf.transpose(x, [1, 0, 2])
        if cache is None:
            return x
        start = cache.start + tf.shape(token_ids)[0]
        return x, cache._replace(layers=states, start=start)


def _kept(inputs: dict[str, tf.Tensor], cache: StateCache | None) -> tf.Tensor | None:
    """0 where a text begins behind another one or behind padding, float32 [length,
    batch, 1]; None if there are no others and no padding."""
    begins = None
    if cache is not None:
        places = cache.starts + tf.range(tf.shape(inputs["token_ids"])[1])[None]
        begins = places == cache.padding[:, None]
    return kept(inputs.get("padding_mask"), inputs.get("segment_ids"), begins)
