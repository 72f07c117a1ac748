"""The shape of a model: its config, named shapes, weights and cost, without a model."""

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig

__all__ = [
    "ModelConfig",
    "RecurrentConfig",
    "RecurrentSeq2SeqConfig",
    "TransformerConfig",
    "flops_per_token",
]
