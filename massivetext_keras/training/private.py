"""Private training as an experiment asks for it."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import keras

from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.privacy import DPSGD, PrivacyBudget, noise_for

logger = logging.getLogger(__name__)


def asked_for(experiment: ExperimentConfig, privacy: DPSGD | None) -> ExperimentConfig:
    """An experiment that says what an argument `privacy` of `fine_tune` asks for.

    Raises:
        ValueError: it is for batches of another kind.

    >>> from massivetext_keras.experiment import FINE_TUNING
    >>> asked_for(FINE_TUNING, DPSGD(clip_norm=0.5)).privacy.noise_multiplier
    1.1
    """
    if privacy is None:
        return experiment
    if privacy.sampling != "epochs":
        raise ValueError(
            f"privacy: sampling={privacy.sampling!r} is for `fit` with "
            "`privacy.poisson_batches`; here each example is once in each epoch"
        )
    found = experiment.privacy.replace(
        noise_multiplier=privacy.noise_multiplier,
        clip_norm=privacy.clip_norm,
        delta=privacy.delta,
    )
    return experiment.replace(model=experiment.model, privacy=found)


def with_noise_for(experiment: ExperimentConfig, rows: int) -> ExperimentConfig:
    """An experiment with a noise multiplier, where it has an epsilon alone.

    Args:
        experiment: see `ExperimentConfig.planned`.
        rows: examples that are learnt.

    Raises:
        ValueError: it does not say how many updates there are, or of how many rows.
        ImportError: dp-accounting is not installed.
    """
    asked, data = experiment.privacy, experiment.data
    if not asked.is_asked_for:
        return experiment
    if data.batch_tokens:
        raise ValueError(
            "data.batch_tokens and privacy: epsilon is counted for batches of as many "
            "rows: give data.batch_size"
        )
    if asked.noise_multiplier is not None or asked.epsilon is None:
        return experiment
    if experiment.train.minutes is not None:
        raise ValueError(
            "privacy.epsilon and train.minutes: nobody knows how many updates there "
            "will be: give privacy.noise_multiplier"
        )
    plan = rows, min(data.batch_size, rows), experiment.train.steps
    noise = noise_for(asked.epsilon, DPSGD(asked.clip_norm, 1.0, asked.delta), *plan)
    logger.info("noise multiplier %.4g for epsilon %g", noise, asked.epsilon)
    return experiment.replace(
        model=experiment.model, privacy=asked.replace(noise_multiplier=noise)
    )


def compile_options(experiment: ExperimentConfig) -> dict[str, Any]:
    """What `compile` takes for an experiment that has its noise multiplier.

    Raises:
        ValueError: it has an epsilon alone.
    """
    asked = experiment.privacy
    if not asked.is_asked_for:
        return {}
    if asked.noise_multiplier is None:
        raise ValueError("privacy.noise_multiplier is not known: see `with_noise_for`")
    return {"privacy": DPSGD(asked.clip_norm, asked.noise_multiplier, asked.delta)}


def budgets(experiment: ExperimentConfig, rows: int) -> list[keras.callbacks.Callback]:
    """What tells epsilon while training, and ends it in time; for `rows` examples."""
    asked = experiment.privacy
    if not asked.is_asked_for:
        return []
    if asked.epsilon is None and find_spec("dp_accounting") is None:
        logger.warning(
            "epsilon is not told: pip install 'massivetext-keras[privacy]' counts it"
        )
        return []
    batch_size = min(experiment.data.batch_size, rows)
    return [PrivacyBudget(rows, batch_size, asked.epsilon)]
