"""Optimizers by name, with what all of them do besides."""

from __future__ import annotations

from typing import Any

import keras

from massivetext_keras.experiment import OptimizerConfig
from massivetext_keras.optimization.schedules import WarmupDecay
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
    minutes: float | None = None,
    warmup_fraction: float | None = None,
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
        minutes: of the whole run, which ends by the clock, instead of `total_steps`;
            the callback `TimeLimit` tells the time.
        warmup_fraction: share of the minutes, instead of `warmup_steps`.

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
    values: dict[str, dict[str, Any]] = {
        "adamw": {**betas, "epsilon": epsilon},
        "adam": {**betas, "epsilon": epsilon},
        "sgd": {"momentum": momentum, "nesterov": momentum > 0},
        "adafactor": {"relative_step": False},
        "lion": betas,
        "muon": {
            **adam_betas,
            "momentum": momentum,
            "epsilon": epsilon,
            "blocks_alone": True,
        },
    }
    schedule = WarmupDecay(
        learning_rate,
        warmup_steps,
        total_steps,
        schedule,
        final_fraction,
        decay_fraction,
        minutes,
        warmup_fraction,
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
        **values[name],
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
    config: OptimizerConfig,
    total_steps: int | None = None,
    minutes: float | None = None,
) -> keras.Optimizer:
    """The optimizer that a config describes.

    Args:
        config: its fields are the arguments of `make_optimizer`.
        total_steps: updates of the whole run.
        minutes: of the whole run, instead.

    Raises:
        ValueError: the optimizer's name is unknown, or there is no learning rate.

    >>> from_config(OptimizerConfig(beta_2=0.99), total_steps=1000).beta_2
    0.99
    """
    if config.learning_rate is None:
        raise ValueError("optimizer.learning_rate is null: give a number, such as 1e-3")
    options = config.to_dict()
    if minutes is not None:  # steps are of no account then
        return make_optimizer(minutes=minutes, **options)
    del options["warmup_fraction"]  # what `warmup_steps` was made of
    return make_optimizer(total_steps=total_steps, **options)
