"""Where a model runs: strategies, replicas, workers, devices."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.distribution.devices import measured_peak, set_logical_cpus
from massivetext_keras.distribution.mesh import make_mesh
from massivetext_keras.distribution.strategy import (
    describe,
    make_devices,
    make_strategy,
)

__all__ = [
    "describe",
    "make_devices",
    "make_mesh",
    "make_strategy",
    "measured_peak",
    "set_logical_cpus",
]
