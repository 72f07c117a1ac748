"""The training step: one update, whatever the split."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.optimization.averaging import AveragedWeights, take_averages
from massivetext_keras.optimization.optimizers import adamw, make_optimizer
from massivetext_keras.optimization.precision import set_precision
from massivetext_keras.optimization.schedules import WarmupDecay

__all__ = [
    "AveragedWeights",
    "WarmupDecay",
    "adamw",
    "make_optimizer",
    "set_precision",
    "take_averages",
]
