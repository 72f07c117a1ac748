"""Cached decoding and the choice of the next token."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.generation.beam import BeamDecoder, BeamRules
from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.settings import Beams, Sampling
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.generation.texts import Completion

__all__ = [
    "BannedPhrases",
    "BeamDecoder",
    "BeamRules",
    "Beams",
    "Completion",
    "Constraints",
    "Decoder",
    "Sampling",
    "SamplingTensors",
    "StopStrings",
    "in_float32",
]
