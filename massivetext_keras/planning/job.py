"""What is to be trained: a shape, rows of so many tokens, and in which numbers."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.cost import flops_per_token

Precision = Literal["mixed_bfloat16", "mixed_float16", "float32"]


@dataclasses.dataclass(frozen=True)
class Job:
    """An update of a model on one global batch, by AdamW.

    Attributes:
        config: the shape.
        rows: of the global batch.
        length: tokens of a row; in an encoder-decoder, on each of both sides.
        precision: of products; mixed has them, weights and gradients in two bytes, and
            keeps weights in four besides, that the optimizer updates (Micikevicius et
            al., 2018).
        fused_attention: the scores of attention are never written to memory (Dao et
            al., 2022).
    """

    config: TransformerConfig
    rows: int
    length: int
    precision: Precision = "mixed_bfloat16"
    fused_attention: bool = False

    @functools.cached_property
    def _hash(self) -> int:
        fields = (getattr(self, field.name) for field in dataclasses.fields(self))
        return hash(tuple(fields))  # of a config it takes long

    def __hash__(self) -> int:
        return self._hash

    @property
    def size(self) -> int:
        """Bytes of a number in products, weights and gradients."""
        return 4 if self.precision == "float32" else 2

    @property
    def master(self) -> int:
        """Bytes of a weight that the optimizer keeps besides."""
        return 0 if self.precision == "float32" else 4

    @property
    def moments(self) -> int:
        """Bytes of both means that AdamW keeps for a weight."""
        return 8

    @property
    def seen(self) -> int:
        """Keys that a query meets."""
        return min(self.length, self.config.window or self.length)

    @property
    def tokens(self) -> int:
        """Tokens of the global batch."""
        sides = 2 if self.config.stack == "encoder_decoder" else 1
        return self.rows * self.length * sides

    @functools.cached_property
    def flops(self) -> float:
        """Operations that an update needs, without recomputation."""
        return self.tokens * flops_per_token(self.config, self.length)
