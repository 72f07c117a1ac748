"""Metrics that tell which of their values are better."""

from __future__ import annotations

import keras


def mean(name: str, better: str) -> keras.metrics.Mean:
    """A mean that callbacks with mode "auto" can monitor.

    Args:
        name: of the metric.
        better: "up" if larger values are better, else "down", in Keras's words.
    """
    metric = keras.metrics.Mean(name=name)
    metric._direction = better
    return metric
