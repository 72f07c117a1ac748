"""Cached decoding and the choice of the next token."""

from massivetext_keras.generation.decoding import Decoder
from massivetext_keras.generation.sampling import Sampling

__all__ = ["Decoder", "Sampling"]
