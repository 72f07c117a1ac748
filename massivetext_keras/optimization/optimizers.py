"""Optimizers that decay matrices alone, and their learning rates."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from massivetext_keras.experiment import SCHEDULES, OptimizerConfig
from massivetext_keras.optimization.update import updating
from massivetext_keras.support.values import choose

RULES: dict[str, type[keras.Optimizer]] = {
    "adamw": updating(keras.optimizers.AdamW),
    "adam": updating(keras.optimizers.Adam),
    "sgd": updating(keras.optimizers.SGD),
    "adafactor": updating(keras.optimizers.Adafactor),
    "lion": updating(keras.optimizers.Lion),
    "muon": updating(keras.optimizers.Muon),
}


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


def make_optimizer(
    name: str = "adamw",
    learning_rate: float = 3e-4,
    warmup_steps: int = 0,
    total_steps: int | None = None,
    schedule: str = "cosine",
    final_fraction: float = 0.1,
    decay_fraction: float = 0.2,
    weight_decay: float = 0.1,
    beta_1: float = 0.9,
    beta_2: float = 0.95,
    momentum: float = 0.9,
    epsilon: float = 1e-8,
    clip_norm: float | None = 1.0,
    layer_decay: float = 1.0,
    rates: dict[str, float] | None = None,
    ema: float | None = None,
) -> keras.Optimizer:
    """An optimizer for `compile`, with its schedule.

    One update bounds the norm of all gradients together, shrinks every matrix by
    `rate * weight_decay` (decoupled; Loshchilov & Hutter, 2019), and makes the step of
    the rule: "sgd" with Nesterov's momentum, "adam" and "adamw" (Kingma & Ba, 2015, in
    the form before section 2.1; "adam" decays nothing), "adafactor" (Shazeer & Stern,
    2018), "lion" (Chen et al., 2023), "muon" (Jordan et al., 2024) for the matrices of
    the blocks and Adam for the rest, its steps scaled to be of the size of Adam's (Liu
    et al., 2025). What all of them have besides is told by `Update`.

    Args:
        name: of the rule.
        learning_rate: the peak of `WarmupDecay`, which takes the next five as well.
        warmup_steps: updates of linear growth from zero.
        total_steps: updates until the decay of the rate ends (None: no decay).
        schedule: see `WarmupDecay`.
        final_fraction: of the peak, at the end.
        decay_fraction: share of the updates in which "wsd" decays.
        weight_decay: of matrices, per update and unit of the rate; never of biases,
            gains, offsets and tables of positions.
        beta_1: decay of the mean of gradients; of Adam, Lion and Muon's Adam. This and
            the next are those of GPT-3 (Brown et al., 2020).
        beta_2: decay of the mean of their squares; of the same.
        momentum: of "sgd" and "muon".
        epsilon: added to the root of the mean of squares.
        clip_norm: bound of the norm of all gradients together (None: none).
        layer_decay: a layer's rate is this share of that of the layer above.
        rates: pattern -> factor on the rate of variables whose path it is found in.
        ema: decay of a running mean of the weights (None: none is kept), which
            `AveragedWeights` evaluates with.

    Raises:
        ValueError: the optimizer or the schedule is unknown, or a value out of range.

    >>> make_optimizer("lion", 1e-4, warmup_steps=10, total_steps=100).name
    'lion'
    >>> make_optimizer("adamv")
    Traceback (most recent call last):
    massivetext_keras.support.values.UnknownName: unknown optimizer 'adamv': did
    you mean 'adam'?
    """
    betas = {"beta_1": beta_1, "beta_2": beta_2}
    adam_betas = {f"adam_{name}": value for name, value in betas.items()}
    choose("optimizer", name, RULES)
    values = {
        "adamw": {**betas, "epsilon": epsilon},
        "adam": {**betas, "epsilon": epsilon},
        "sgd": {"momentum": momentum, "nesterov": momentum > 0},
        "adafactor": {"relative_step": False},
        "lion": betas,
        "muon": {
            **adam_betas,
            "momentum": momentum,
            "epsilon": epsilon,
            "exclude_layers": [r"(^|/)(relative|\w*head)/"],
        },
    }[name]
    schedule = WarmupDecay(
        learning_rate,
        warmup_steps,
        total_steps,
        schedule,
        final_fraction,
        decay_fraction,
    )
    return RULES[name](
        schedule,
        weight_decay=0.0 if name == "adam" else weight_decay,
        global_clipnorm=clip_norm,
        use_ema=ema is not None,
        ema_momentum=0.0 if ema is None else ema,
        layer_decay=layer_decay,
        rates=rates,
        name=name,
        **values,
    )


def adamw(
    learning_rate: float = 3e-4,
    warmup_steps: int = 0,
    total_steps: int | None = None,
    schedule: str = "cosine",
    final_fraction: float = 0.1,
    **options,
) -> keras.Optimizer:
    """`make_optimizer("adamw", …)`, which trains most language models.

    >>> optimizer = adamw(1e-3, warmup_steps=10, total_steps=100, beta_2=0.99)
    >>> float(optimizer.learning_rate)
    0.0001
    """
    return make_optimizer(
        "adamw",
        learning_rate,
        warmup_steps,
        total_steps,
        schedule,
        final_fraction,
        **options,
    )


def from_config(
    config: OptimizerConfig, total_steps: int | None = None
) -> keras.Optimizer:
    """The optimizer that a config describes.

    Args:
        config: its fields are the arguments of `make_optimizer`.
        total_steps: updates of the whole run.

    Raises:
        ValueError: the optimizer's name is unknown.

    >>> from_config(OptimizerConfig(beta_2=0.99), total_steps=1000).beta_2
    0.99
    """
    options = config.to_dict()
    del options["warmup_fraction"]  # what `warmup_steps` was made of
    return make_optimizer(total_steps=total_steps, **options)
