"""The shape of a model: its config, named shapes, weights and cost, without a model."""

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.cost import flops_per_token

__all__ = [
    "TransformerConfig",
    "flops_per_token",
]
