"""Where, how and with what record a model is trained."""

from massivetext_keras.backend import require

require()

from massivetext_keras.machine import processor_multiplies_bfloat16
from massivetext_keras.training.averaging import AveragedWeights, take_averages
from massivetext_keras.training.callbacks import Clock
from massivetext_keras.training.checkpoint import Checkpoint
from massivetext_keras.training.cost import flops_per_token, measured_peak
from massivetext_keras.training.curves import draw_curves
from massivetext_keras.training.estimate import memory_estimate, plan
from massivetext_keras.training.fine_tuning import fine_tune, learn
from massivetext_keras.training.guard import Guard
from massivetext_keras.training.measuring import Measure
from massivetext_keras.training.optimization import (
    WarmupDecay,
    adamw,
    make_optimizer,
)
from massivetext_keras.training.precision import set_precision
from massivetext_keras.training.progress import Progress
from massivetext_keras.training.signals import StopOnSignal
from massivetext_keras.training.strategy import describe, make_strategy
from massivetext_keras.training.summary import write_summary
from massivetext_keras.training.tensorboard import TensorBoard
from massivetext_keras.training.trainer import train

__all__ = [
    "AveragedWeights",
    "Checkpoint",
    "Clock",
    "Guard",
    "Measure",
    "Progress",
    "StopOnSignal",
    "TensorBoard",
    "WarmupDecay",
    "adamw",
    "describe",
    "draw_curves",
    "fine_tune",
    "flops_per_token",
    "learn",
    "make_optimizer",
    "make_strategy",
    "measured_peak",
    "memory_estimate",
    "plan",
    "processor_multiplies_bfloat16",
    "set_precision",
    "take_averages",
    "train",
    "write_summary",
]
