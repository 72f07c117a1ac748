"""Measures of models and texts."""

from massivetext_keras.evaluation.likelihood import bits_per_byte

__all__ = ["bits_per_byte"]
