"""Models: token ids to hidden states, and the n-grams to compare them with."""

from massivetext_keras.models.bert import BERT
from massivetext_keras.models.gpt import GPT
from massivetext_keras.models.ngram import KneserNey, ngram_baselines
from massivetext_keras.models.seq2seq import Seq2Seq

__all__ = ["BERT", "GPT", "KneserNey", "Seq2Seq", "ngram_baselines"]
