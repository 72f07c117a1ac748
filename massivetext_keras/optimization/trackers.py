"""Metrics that tell which of their values are better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from massivetext_keras.optimization.keras_seams import set_better


def mean(name: str, better: str) -> keras.metrics.Mean:
    """A mean that callbacks with mode "auto" can monitor.

    Args:
        name: of the metric.
        better: "up" if larger values are better, else "down", in Keras's words.
    """
    metric = keras.metrics.Mean(name=name)
    set_better(metric, better)
    return metric


def metrics_in(
    attributes: Mapping[str, Any], known: Iterable[keras.metrics.Metric | None]
) -> list[keras.metrics.Metric]:
    """The public attributes of a model that are metrics, but for those known.

    >>> metric = keras.metrics.Sum()
    >>> metrics_in({"seen": metric, "_own": keras.metrics.Sum(), "rate": 0.5}, [])
    [<Sum name=sum>]
    """
    seen = {id(metric) for metric in known}
    return [
        x
        for name, x in attributes.items()
        if isinstance(x, keras.metrics.Metric)
        and not name.startswith("_")
        and id(x) not in seen
    ]
