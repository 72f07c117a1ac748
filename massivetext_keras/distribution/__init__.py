"""Where a model runs: strategies, replicas, workers, devices."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.distribution.devices import measured_peak
from massivetext_keras.distribution.strategy import describe, make_strategy

__all__ = [
    "describe",
    "make_strategy",
    "measured_peak",
]
