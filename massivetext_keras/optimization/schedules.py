"""Learning rates that grow, and then decay."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from massivetext_keras.experiment import SCHEDULES
from massivetext_keras.support.values import choose


@keras.saving.register_keras_serializable(package="massivetext_keras")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth to a peak, then decay.

    Counted in updates from 1: the last of the warm-up has the peak, and the last of all
    has `final_fraction` of it, which later ones keep.

    - "cosine": half a wave (Loshchilov & Hutter, 2017).
    - "linear", "exponential": in equal steps, by equal factors.
    - "wsd": the peak until `decay_fraction` of the updates are left, then linear
      (Hu et al., 2024; Hägele et al., 2024).
    - "inverse_square_root": peak · √(warm-up / update), without end (Vaswani et al.,
      2017); `final_fraction` has no part in it.
    - "constant".

    Args:
        learning_rate: the peak.
        warmup_steps: updates of linear growth from zero.
        total_steps: updates until the decay ends (None: no decay, but for
            "inverse_square_root").
        schedule: one of the above.
        final_fraction: of the peak, at the end of the decay.
        decay_fraction: share of `total_steps` in which "wsd" decays.

    Raises:
        ValueError: the schedule is unknown, a count is negative, a fraction is not in
            [0, 1], or "exponential" is to end at 0.

    >>> rate = WarmupDecay(1.0, warmup_steps=2, total_steps=4, schedule="linear")
    >>> [round(float(rate(step)), 3) for step in range(5)]
    [0.5, 1.0, 0.55, 0.1, 0.1]
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        total_steps: int | None = None,
        schedule: str = "cosine",
        final_fraction: float = 0.1,
        decay_fraction: float = 0.2,
    ):
        choose("schedule", schedule, dict.fromkeys(SCHEDULES))
        if warmup_steps < 0 or (total_steps or 0) < 0:
            raise ValueError(
                f"warmup_steps={warmup_steps} and total_steps={total_steps} "
                "must not be negative"
            )
        if not (0.0 <= final_fraction <= 1.0 and 0.0 < decay_fraction <= 1.0):
            raise ValueError(
                f"final_fraction={final_fraction} and decay_fraction={decay_fraction} "
                "must be shares, and the second above 0"
            )
        if schedule == "exponential" and final_fraction == 0.0:
            raise ValueError("schedule 'exponential' needs a final_fraction above 0")
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.total_steps, self.schedule = total_steps, schedule
        self.final_fraction, self.decay_fraction = final_fraction, decay_fraction

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Float32 rate of the update that follows `step` (int64 scalar) updates."""
        done = tf.cast(tf.convert_to_tensor(step), tf.int64) + 1
        warmed = tf.cast(done, tf.float32) / float(max(self.warmup_steps, 1))
        return self.learning_rate * tf.minimum(warmed, 1.0) * self._decay(done)

    def _decay(self, done: tf.Tensor) -> tf.Tensor | float:
        """The share of the peak that is left after the warm-up."""
        if self.schedule == "inverse_square_root":
            first = float(max(self.warmup_steps, 1))
            return tf.sqrt(first / tf.maximum(tf.cast(done, tf.float32), first))
        if self.schedule == "constant" or self.total_steps is None:
            return 1.0
        start = self.warmup_steps
        if self.schedule == "wsd":
            stable = self.total_steps - round(self.total_steps * self.decay_fraction)
            start = max(start, stable)
        length = max(self.total_steps - start, 1)
        past = tf.clip_by_value(done - start, 0, length)
        progress = tf.cast(past, tf.float32) / float(length)
        if self.schedule == "exponential":
            return self.final_fraction**progress
        left = 1.0 - progress
        if self.schedule == "cosine":
            left = 0.5 + 0.5 * tf.cos(math.pi * progress)
        return self.final_fraction + (1.0 - self.final_fraction) * left

    def get_config(self) -> dict:
        return dict(vars(self))
