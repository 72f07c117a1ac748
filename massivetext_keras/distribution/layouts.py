"""Where each weight of a model lies on a mesh: one table, by what the weight is for.

Columns of the first product of a part of a block and rows of the second one are split
among the devices of the tensor axis (Shoeybi et al., 2019): what lies between needs no
message, and one sum ends the part. Tables of tokens are split by rows, where these are
a multiple of the devices, experts one by one.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.weights import Weight, weights
from massivetext_keras.distribution.placement import Placement, with_data_axis

COLUMNS = {"qkv", "query", "key_value", "up"}
ROWS = {"output", "down"}


def tensor_axis(weight: Weight) -> int | None:
    """Which axis of a weight is split among the devices of the tensor axis, if one is.

    Whole on all of them are norms, gates, positions and the router of experts, which
    are small, and biases behind the second product, which is a sum over devices.

    >>> from massivetext_keras.architecture.weights import weights
    >>> table = weights(TransformerConfig())
    >>> block = "stack/block_0/feed_forward"
    >>> [
    ...     tensor_axis(table[f"{block}/{name}"])
    ...     for name in ("up/kernel", "up/bias", "down/kernel", "down/bias")
    ... ]
    [1, 0, 0, None]
    """
    owner = weight.path.split("/")[-2] if "/" in weight.path else ""
    if weight.role == "embedding":
        return 0 if owner in ("tokens", "output") else None
    if weight.role == "expert" or weight.path == "logit_bias":
        return 0
    if owner in COLUMNS or owner == "relative":  # a column for each head
        return len(weight.sizes) - 1
    return 0 if owner in ROWS and weight.role == "matrix" else None


def placements(config: TransformerConfig, tensor: int) -> dict[str, Placement]:
    """Of all weights of a model, by path.

    Args:
        config: the shape.
        tensor: devices of the tensor axis.

    >>> placements(TransformerConfig(), 2)["stack/block_0/attention/qkv/kernel"]
    Placement(axes=(None, 'tensor'), parts=(768, 768, 768), blocks=2)
    """
    return {
        path: _placement(weight, tensor) for path, weight in weights(config).items()
    }


def numbers_kept(
    config: TransformerConfig,
    tensor: int,
    replicas: int = 1,
    paths: Collection[str] | None = None,
) -> int:
    """How many numbers of a model's weights each device keeps.

    Args:
        config: the shape.
        tensor: devices of the tensor axis.
        replicas: among which the weights, or what is kept of them, are split.
        paths: of the weights that are meant (None: all).

    >>> config = TransformerConfig(vocabulary_size=50257)
    >>> [numbers_kept(config, *split) for split in ((1,), (2,), (2, 2))]
    [124439808, 81940224, 40986240]
    """
    total = 0
    for path, weight in weights(config).items():
        if paths is not None and path not in paths:
            continue
        placement, shape = _placement(weight, tensor), _shape(weight)
        if replicas > 1:
            shared = with_data_axis(placement, shape, replicas)
            placement = shared or placement
        parts = {None: 1, "tensor": tensor, "data": replicas}
        total += math.prod(shape) // math.prod(parts[x] for x in placement.axes)
    return total


def check_tensor_axis(config: ModelConfig, tensor: int) -> TransformerConfig:
    """Refuses to split a model among devices that cannot have equal shares of it.

    Returns:
        The config, which is that of a Transformer.

    Raises:
        ValueError: says what they do not divide, and how many would; or that it is no
            Transformer.

    >>> check_tensor_axis(TransformerConfig(num_heads=12), 8)
    Traceback (most recent call last):
    ValueError: a tensor axis of 8 does not divide num_heads=12 and ...
    """
    if not isinstance(config, TransformerConfig):
        raise ValueError(
            f"a mesh divides Transformers, not the model of a {type(config).__name__}: "
            "make_strategy('mirrored') trains it on several devices"
        )
    shared = {
        "num_heads": config.num_heads,
        "num_key_value_heads": config.key_value_heads,
        "intermediate_size": config.intermediate_size,
    }
    if config.num_experts:
        shared["num_experts"] = config.num_experts
    wrong = [f"{name}={size:,}" for name, size in shared.items() if size % tensor]
    if not wrong:
        return config
    divisor = math.gcd(*shared.values())
    *others, last = [str(n) for n in range(1, divisor + 1) if divisor % n == 0]
    fitting = f"{', '.join(others)} or {last}" if others else f"{last} alone"
    raise ValueError(
        f"a tensor axis of {tensor} does not divide {' and '.join(wrong)} of the "
        f"model: {fitting} would"
    )


def _shape(weight: Weight) -> tuple[int, ...]:
    return tuple(x if isinstance(x, int) else sum(x) for x in weight.sizes)


def _placement(weight: Weight, tensor: int) -> Placement:
    axis = tensor_axis(weight) if tensor > 1 else None
    if axis == 0 and _shape(weight)[0] % tensor:
        axis = None  # of any tokenizer; all devices have the whole table then
    axes = tuple("tensor" if i == axis else None for i in range(len(weight.sizes)))
    parts = tuple(weight.sizes[-1]) if weight.sizes else ()
    return Placement(axes, parts, tensor) if len(parts) > 1 else Placement(axes)
