"""States of a recurrent model that are carried from batch to batch."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.layers.cache import StateCache
from massivetext_keras.models.recurrent import Recurrent


class CarriedStates(keras.layers.Layer):
    """The states that the last batch of training, and of evaluation, ended with.

    They are weights of the task, which checkpoints hold: a run that is resumed goes on
    from them. They are no part of a preset.

    Args:
        backbone: whose states they are.
        rows: of every batch.
    """

    def __init__(self, backbone: Recurrent, rows: int, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.empty = rows, backbone.stack.empty_states(rows)
        self.in_training, self.in_evaluation = (
            [
                self.add_weight(
                    name=f"{name}_{i}",
                    shape=x.shape,
                    initializer="zeros",
                    trainable=False,
                    autocast=False,
                )
                for i, x in enumerate(tf.nest.flatten(self.empty))
            ]
            for name in ("training", "evaluation")
        )
        self.built = True

    def read(
        self, backbone: Recurrent, features: dict[str, tf.Tensor], training: bool
    ) -> tf.Tensor:
        """Hidden states of a batch that goes on where the last one ended.

        Args:
            backbone: that the states are of.
            features: of the batch; of those are `continues`, int32 [batch], 0 where a
                row begins anew.
            training: whether a gradient is taken; none flows into the last batch.

        Returns:
            [batch, length, d].

        Raises:
            ValueError: the batch has another number of rows.
        """
        kept = self.in_training if training else self.in_evaluation
        continues = features["continues"]
        if continues.shape[0] != self.rows:
            raise ValueError(
                f"a batch of {continues.shape[0]} rows cannot go on from the states of "
                f"{self.rows}: compile with carry_rows={continues.shape[0]}"
            )
        going_on = tf.cast(continues[:, None], tf.float32)
        states = [tf.convert_to_tensor(x) * going_on for x in kept]
        states = [
            tf.cast(x, y.dtype)
            for x, y in zip(states, tf.nest.flatten(self.empty), strict=True)
        ]
        layers = tf.nest.pack_sequence_as(self.empty, states)
        nowhere = tf.fill([self.rows], -1)  # no row begins within the batch
        cache = StateCache(layers, tf.constant(0), nowhere, tf.constant(0))
        hidden, cache = backbone(features, cache=cache, training=training)
        for variable, x in zip(kept, tf.nest.flatten(cache.layers), strict=True):
            x = tf.cast(tf.stop_gradient(x), tf.float32)
            variable.assign(tf.where(tf.math.is_finite(x), x, 0.0))
        return hidden
