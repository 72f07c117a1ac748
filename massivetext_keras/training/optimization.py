"""AdamW that decays matrices alone, and its learning rate."""

from __future__ import annotations

import math
import re

import keras
import tensorflow as tf

from massivetext_keras.configs import OptimizerConfig, choose

SCHEDULES = ("cosine", "linear", "constant")


@keras.saving.register_keras_serializable(package="massivetext_keras")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth to a peak, then decay (cosine: Loshchilov & Hutter, 2017).

    Counted in updates from 1: the last of the warm-up has the peak, and the last of all
    has `final_fraction` of it, which later ones keep.

    Args:
        learning_rate: the peak.
        warmup_steps: updates of linear growth from zero.
        total_steps: updates until the decay ends (None: no decay).
        schedule: "cosine", "linear" or "constant".
        final_fraction: of the peak, at the end of the decay.

    Raises:
        ValueError: the schedule is unknown, or a count is negative.

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
    ):
        choose("schedule", schedule, dict.fromkeys(SCHEDULES))
        if warmup_steps < 0 or (total_steps or 0) < 0:
            raise ValueError(
                f"warmup_steps={warmup_steps} and total_steps={total_steps} "
                "must not be negative"
            )
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.total_steps, self.schedule = total_steps, schedule
        self.final_fraction = final_fraction

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Float32 rate of the update that follows `step` (int64 scalar) updates."""
        done = tf.cast(tf.convert_to_tensor(step), tf.int64) + 1
        warmed = tf.cast(done, tf.float32) / float(max(self.warmup_steps, 1))
        return self.learning_rate * tf.minimum(warmed, 1.0) * self._decay(done)

    def _decay(self, done: tf.Tensor) -> tf.Tensor | float:
        """The share of the peak that is left after the warm-up."""
        if self.schedule == "constant" or self.total_steps is None:
            return 1.0
        length = max(self.total_steps - self.warmup_steps, 1)
        past = tf.clip_by_value(done - self.warmup_steps, 0, length)
        progress = tf.cast(past, tf.float32) / float(length)
        left = 1.0 - progress
        if self.schedule == "cosine":
            left = 0.5 + 0.5 * tf.cos(math.pi * progress)
        return self.final_fraction + (1.0 - self.final_fraction) * left

    def get_config(self) -> dict:
        return dict(vars(self))


def is_decayed(variable: keras.Variable) -> bool:
    """Whether weight decay applies: matrices, but no table of positions.

    Biases, gains and offsets have fewer than two axes; a position's table is known by
    the name of a layer on its path, which begins with "position" or "relative".
    """
    position = re.search(r"(^|[/_])(position|relative)", variable.path)
    return len(variable.shape) >= 2 and position is None


@keras.saving.register_keras_serializable(package="massivetext_keras")
class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW with the decay on `is_decayed` variables alone."""

    def _apply_weight_decay(self, variables):
        if self.weight_decay:
            super()._apply_weight_decay([v for v in variables if is_decayed(v)])


def adamw(
    learning_rate: float = 3e-4,
    warmup_steps: int = 0,
    total_steps: int | None = None,
    schedule: str = "cosine",
    final_fraction: float = 0.1,
    weight_decay: float = 0.1,
    beta_1: float = 0.9,
    beta_2: float = 0.95,
    epsilon: float = 1e-8,
    clip_norm: float | None = 1.0,
) -> keras.optimizers.AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019) and its schedule.

    One update shrinks every matrix by `rate * weight_decay`, then subtracts Adam's step
    (Kingma & Ba, 2015, in the form before section 2.1) for gradients whose norm, all
    together, was bounded. Betas are those of GPT-3 (Brown et al., 2020).

    Args:
        learning_rate: the peak of `WarmupDecay`, which takes the next four as well.
        warmup_steps: updates of linear growth from zero.
        total_steps: updates until the decay of the rate ends (None: no decay).
        schedule: "cosine", "linear" or "constant".
        final_fraction: of the peak, at the end.
        weight_decay: of matrices, per update and unit of the rate; never of biases,
            gains, offsets and tables of positions.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root of the mean of squares.
        clip_norm: bound of the norm of all gradients together (None: none).

    Returns:
        An optimizer for `compile`.

    Raises:
        ValueError: the schedule is unknown.

    >>> optimizer = adamw(1e-3, warmup_steps=10, total_steps=100)
    >>> float(optimizer.learning_rate)
    0.0001
    """
    return AdamW(
        learning_rate=WarmupDecay(
            learning_rate, warmup_steps, total_steps, schedule, final_fraction
        ),
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
        name="adamw",
    )


def from_config(
    config: OptimizerConfig, total_steps: int | None = None
) -> keras.optimizers.Optimizer:
    """The optimizer that a config describes.

    Args:
        config: its fields are the arguments of the function it names.
        total_steps: updates of the whole run.

    Raises:
        ValueError: the optimizer's name is unknown.

    >>> from_config(OptimizerConfig(beta_2=0.99), total_steps=1000).beta_2
    0.99
    """
    values = config.to_dict()
    build = choose("optimizer", values.pop("name"), {"adamw": adamw})
    return build(total_steps=total_steps, **values)
