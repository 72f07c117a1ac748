"""Models: token ids to hidden states, and the n-grams to compare them with."""

from massivetext_keras.models.gpt import GPT
from massivetext_keras.models.ngram import KneserNey

__all__ = ["GPT", "KneserNey"]
