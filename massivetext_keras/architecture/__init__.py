"""The shape of a model: its config, named shapes, weights and cost, without a model."""

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import RecurrentConfig

__all__ = [
    "ModelConfig",
    "RecurrentConfig",
    "TransformerConfig",
    "flops_per_token",
]
