"""Cached decoding and the choice of the next token."""

from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import Sampling

__all__ = ["Decoder", "Sampling", "in_float32"]
