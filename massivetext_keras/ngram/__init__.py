"""n-gram models: what a neural model has to beat. They need NumPy alone."""

from massivetext_keras.ngram.arpa import read_arpa, write_arpa
from massivetext_keras.ngram.kneser_ney import KneserNey, ngram_baselines
from massivetext_keras.ngram.tables import BackoffModel

__all__ = ["BackoffModel", "KneserNey", "ngram_baselines", "read_arpa", "write_arpa"]
