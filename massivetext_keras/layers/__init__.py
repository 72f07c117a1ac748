"""The mathematics of a Transformer: embeddings, positions, attention, the stack."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.kernels.attention import attend
from massivetext_keras.kernels.cross_entropy import cross_entropy
from massivetext_keras.layers.attention import Attention
from massivetext_keras.layers.block import Block
from massivetext_keras.layers.cache import Cache, LayerCache
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.embeddings import TokenEmbedding
from massivetext_keras.layers.feed_forward import FeedForward
from massivetext_keras.layers.normalization import Normalization
from massivetext_keras.layers.positions import RelativePositionBias
from massivetext_keras.layers.stack import TransformerStack

__all__ = [
    "Attention",
    "Block",
    "Cache",
    "Dropout",
    "FeedForward",
    "LayerCache",
    "Normalization",
    "RelativePositionBias",
    "TokenEmbedding",
    "TransformerStack",
    "attend",
    "cross_entropy",
]
