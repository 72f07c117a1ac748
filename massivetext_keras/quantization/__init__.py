"""Rounding of matrices to fewer bits, by what a model reads of calibration texts."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.quantization.awq import awq
from massivetext_keras.quantization.calibration import METHODS, calibrated
from massivetext_keras.quantization.gptq import gptq

__all__ = ["METHODS", "awq", "calibrated", "gptq"]
