"""Measures of models and texts."""

from massivetext_keras.evaluation.likelihood import bits_per_byte
from massivetext_keras.evaluation.translation import bleu, chrf

__all__ = ["bits_per_byte", "bleu", "chrf"]
