"""Learning rates that grow, and then decay."""

from __future__ import annotations

import math
from typing import Any

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

    By the clock, the updates of the whole run are those that its minutes allow for at
    the pace so far: the rate is a function of the updates made and of the time that
    they took, and reaches its end with the last minute, however fast the machine is.

    Args:
        learning_rate: the peak.
        warmup_steps: updates of linear growth from zero.
        total_steps: updates until the decay ends (None: no decay, but for
            "inverse_square_root").
        schedule: one of the above.
        final_fraction: of the peak, at the end of the decay.
        decay_fraction: share of `total_steps` in which "wsd" decays.
        minutes: of the whole run, which ends by the clock, instead of `total_steps`.
        warmup_fraction: share of the minutes in which the rate grows, instead of
            `warmup_steps` (None: those).

    Raises:
        ValueError: the schedule is unknown, a count is negative, a fraction is not in
            [0, 1], "exponential" is to end at 0, or what excludes one another is given.

    >>> rate = WarmupDecay(1.0, warmup_steps=2, total_steps=4, schedule="linear")
    >>> [round(float(rate(step)), 3) for step in range(5)]
    [0.5, 1.0, 0.55, 0.1, 0.1]
    >>> rate = WarmupDecay(1.0, minutes=1.0, schedule="linear", final_fraction=0.0)
    >>> float(rate(step=20, elapsed=45_000))  # three quarters of the minute
    0.25
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        total_steps: int | None = None,
        schedule: str = "cosine",
        final_fraction: float = 0.1,
        decay_fraction: float = 0.2,
        minutes: float | None = None,
        warmup_fraction: float | None = None,
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
        if minutes is not None and (minutes <= 0 or total_steps is not None):
            raise ValueError(
                f"minutes={minutes} must be positive, and total_steps={total_steps} "
                "left out: a run ends by the clock or after so many updates"
            )
        if warmup_fraction is not None and (
            minutes is None or not 0.0 <= warmup_fraction <= 1.0
        ):
            raise ValueError(
                f"warmup_fraction={warmup_fraction} must be a share of minutes"
            )
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.total_steps, self.schedule = total_steps, schedule
        self.final_fraction, self.decay_fraction = final_fraction, decay_fraction
        self.minutes, self.warmup_fraction = minutes, warmup_fraction

    def __call__(self, step: int | tf.Tensor, elapsed: int | tf.Tensor = 0):
        """The rate of the update that follows others.

        Args:
            step: int64 scalar, updates so far.
            elapsed: int64 scalar, milliseconds that they took, where the run ends by
                the clock.

        Returns:
            Float32 scalar.
        """
        done = tf.cast(step, tf.float64) + 1.0  # exact up to 2 ** 53
        total: Any = self.total_steps
        warmup = tf.constant(self.warmup_steps, tf.float64)
        if self.minutes is not None:
            spent = tf.maximum(tf.cast(elapsed, tf.float64), 1.0)
            total = done * (60_000 * self.minutes) / spent
        if self.warmup_fraction is not None:
            warmup = total * self.warmup_fraction
        warmed = tf.minimum(done / tf.maximum(warmup, 1.0), 1.0)
        rate = self.learning_rate * warmed * self._decay(done, total, warmup)
        return tf.cast(rate, tf.float32)

    def _decay(
        self, done: tf.Tensor, total: int | tf.Tensor | None, warmup: tf.Tensor
    ) -> tf.Tensor | float:
        """The share of the peak that is left after the warm-up, float64 scalars."""
        if self.schedule == "inverse_square_root":
            first = tf.maximum(warmup, 1.0)
            return tf.sqrt(first / tf.maximum(done, first))
        if self.schedule == "constant" or total is None:
            return 1.0
        total, start = tf.cast(total, tf.float64), warmup
        if self.schedule == "wsd":
            start = tf.maximum(start, total - tf.round(total * self.decay_fraction))
        length = tf.maximum(total - start, 1.0)
        progress = tf.clip_by_value((done - start) / length, 0.0, 1.0)
        if self.schedule == "exponential":
            return self.final_fraction**progress
        left = 1.0 - progress
        if self.schedule == "cosine":
            left = 0.5 + 0.5 * tf.cos(math.pi * progress)
        return self.final_fraction + (1.0 - self.final_fraction) * left

    def get_config(self) -> dict:
        return dict(vars(self))
