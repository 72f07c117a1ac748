"""Likelihoods that can be compared between vocabularies."""

from __future__ import annotations

import math


def bits_per_byte(nats: float, size: int) -> float:
    """Information in a byte of text, whatever the tokens are.

    Args:
        nats: negative log-likelihood of the whole text, end-of-text marks included.
        size: of the text in UTF-8 bytes.

    Raises:
        ValueError: the size is not positive.

    >>> round(bits_per_byte(math.log(256), 1), 9)
    8.0
    """
    if size <= 0:
        raise ValueError(f"size must be positive, got {size}")
    return nats / math.log(2.0) / size
