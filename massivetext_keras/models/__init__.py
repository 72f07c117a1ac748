"""Models: token ids to hidden states, and the n-grams to compare them with."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.models.bert import BERT
from massivetext_keras.models.gpt import GPT
from massivetext_keras.models.recurrent import Recurrent
from massivetext_keras.models.recurrent_seq2seq import RecurrentSeq2Seq
from massivetext_keras.models.seq2seq import Seq2Seq
from massivetext_keras.models.word_encoder import WordEncoder
from massivetext_keras.ngram import KneserNey, ngram_baselines

__all__ = [
    "BERT",
    "GPT",
    "KneserNey",
    "Recurrent",
    "RecurrentSeq2Seq",
    "Seq2Seq",
    "WordEncoder",
    "ngram_baselines",
]
