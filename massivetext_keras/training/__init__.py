"""Where, how and with what record a model is trained."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.distribution.devices import measured_peak, set_logical_cpus
from massivetext_keras.distribution.mesh import make_mesh
from massivetext_keras.distribution.strategy import (
    describe,
    make_devices,
    make_strategy,
)
from massivetext_keras.kernels.tuning import set_tuning
from massivetext_keras.optimization.averaging import AveragedWeights, take_averages
from massivetext_keras.optimization.optimizers import adamw, make_optimizer
from massivetext_keras.optimization.precision import set_precision
from massivetext_keras.optimization.schedules import WarmupDecay
from massivetext_keras.support.machine import processor_multiplies_bfloat16
from massivetext_keras.training.callbacks.checkpoint import Checkpoint
from massivetext_keras.training.callbacks.guard import Guard
from massivetext_keras.training.callbacks.measuring import Measure
from massivetext_keras.training.callbacks.registry import CALLBACKS
from massivetext_keras.training.callbacks.signals import StopOnSignal
from massivetext_keras.training.callbacks.step import Clock
from massivetext_keras.training.callbacks.time_limit import TimeLimit
from massivetext_keras.training.estimate import memory_estimate, plan
from massivetext_keras.training.fine_tuning import fine_tune, learn
from massivetext_keras.training.pretraining import train, with_vocabulary
from massivetext_keras.training.sizing import experiment_for
from massivetext_keras.training.summary import write_summary
from massivetext_keras.training.unigrams import begin_at_unigrams
from massivetext_keras.training.watching.curves import draw_curves
from massivetext_keras.training.watching.explanations import ExplanationPictures
from massivetext_keras.training.watching.pictures import alignment, draw_alignment
from massivetext_keras.training.watching.progress import Progress
from massivetext_keras.training.watching.tensorboard import TensorBoard

__all__ = [
    "AveragedWeights",
    "CALLBACKS",
    "Checkpoint",
    "Clock",
    "ExplanationPictures",
    "Guard",
    "Measure",
    "Progress",
    "StopOnSignal",
    "TensorBoard",
    "TimeLimit",
    "WarmupDecay",
    "adamw",
    "alignment",
    "begin_at_unigrams",
    "describe",
    "draw_alignment",
    "draw_curves",
    "experiment_for",
    "fine_tune",
    "flops_per_token",
    "learn",
    "make_devices",
    "make_mesh",
    "make_optimizer",
    "make_strategy",
    "measured_peak",
    "memory_estimate",
    "plan",
    "processor_multiplies_bfloat16",
    "set_logical_cpus",
    "set_precision",
    "set_tuning",
    "take_averages",
    "train",
    "with_vocabulary",
    "write_summary",
]
