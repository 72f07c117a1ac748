"""Matrices in fewer bits."""

from massivetext_keras.kernels.stored.matrices import (
    decode,
    encode,
    group_codes,
    group_scales,
    grouped,
    multiply,
    packed,
    rounded,
    unpacked,
    values_of,
)

__all__ = [
    "decode",
    "encode",
    "group_codes",
    "group_scales",
    "grouped",
    "multiply",
    "packed",
    "rounded",
    "unpacked",
    "values_of",
]
