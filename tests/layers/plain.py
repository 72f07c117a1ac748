"""The mathematics of a block in plain NumPy, float64."""

from __future__ import annotations

import math

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def attention(query, key, value, bias=0.0) -> np.ndarray:
    """[b, heads, q, s], [b, groups, k, s] twice -> [b, heads, q, s], head by head."""
    bias = np.broadcast_to(bias, (*query.shape[:3], key.shape[2]))
    output = np.zeros(query.shape)
    share = query.shape[1] // key.shape[1]
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            scores = query[b, h] @ key[b, h // share].T + bias[b, h]
            output[b, h] = softmax(scores) @ value[b, h // share]
    return output


def heads(x: np.ndarray, count: int) -> np.ndarray:
    """[b, length, count * size] -> [b, count, length, size]."""
    return np.stack(np.split(x, count, axis=-1), axis=1)


def normalize(x, gain, offset, epsilon, center) -> np.ndarray:
    if center:
        x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * gain + offset


def _tanh_gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "gelu": np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
    "gelu_tanh": np.vectorize(_tanh_gelu),
    "relu": np.vectorize(lambda x: max(x, 0.0)),
    "silu": np.vectorize(lambda x: x / (1 + math.exp(-x))),
}


def relative_bucket(distance, bidirectional, buckets, max_distance) -> int:
    """T5's `_relative_position_bucket` for one distance, in float32 as there."""
    n, base = -distance, 0
    if bidirectional:
        buckets //= 2
        base = buckets if n < 0 else 0
        n = abs(n)
    n = max(n, 0)
    exact = buckets // 2
    if n < exact:
        return base + n
    ratio = np.log(np.float32(n) / np.float32(exact))
    ratio = ratio / np.float32(math.log(max_distance / exact))
    return base + min(exact + int(ratio * np.float32(buckets - exact)), buckets - 1)


def llama3_frequency(frequency, factor, low, high, original) -> float:
    """One frequency by the three cases of Llama 3's `apply_scaling`."""
    wavelength = 2 * math.pi / frequency
    if wavelength < original / high:
        return frequency
    if wavelength > original / low:
        return frequency / factor
    smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
