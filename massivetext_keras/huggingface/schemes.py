"""What `quantization_config` says: which matrices of a folder are whole numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

FIELD = "quantization_config"
METHOD = "compressed-tensors"
_PACKED, _UNPACKED = "pack-quantized", "int-quantized"
_READ = (_PACKED, _UNPACKED, "naive-quantized")
_BITS = (8, 4)
_STRATEGIES = ("channel", "group", "tensor")
_CLASS = "Linear"  # of torch
_PATTERN = "re:"
_FLOATS = (
    f"`AutoModel….from_pretrained(folder, {FIELD}=CompressedTensorsConfig(dequantize="
    "True)).save_pretrained(other)` of transformers writes floats"
)
# Methods from which transformers makes floats, and what to do about all others.
_DEQUANTIZED = ("bitsandbytes", "higgs")
_DEQUANTIZE = (
    "`AutoModel….from_pretrained(folder).dequantize().save_pretrained(other)` of "
    "transformers writes floats"
)
_ELSEWHERE = "give the folder of the model in floats that it was made from"


class Scheme(NamedTuple):
    """How the numbers of a matrix are written: symmetric, each a code times a scale.

    Attributes:
        bits: of a code, 8 or 4.
        group_size: numbers of a row that share a scale (None: all of them).
        packed: whether codes lie side by side in int32; else each has a byte.
    """

    bits: int
    group_size: int | None = None
    packed: bool = False

    @property
    def format(self) -> str:
        """What the format is called."""
        return _PACKED if self.packed else _UNPACKED

    def groups(self, inputs: int) -> int:
        """How many scales a row of so many numbers has."""
        return -(-inputs // (self.group_size or inputs))


class Group(NamedTuple):
    """Layers that are written in one way.

    Attributes:
        targets: names of layers, patterns of names after "re:", or of their class.
        scheme: None: in floats.
    """

    targets: tuple[str, ...]
    scheme: Scheme | None


def read_groups(values: Mapping[str, Any]) -> tuple[Group, ...]:
    """The groups of layers whose matrices are whole numbers.

    Args:
        values: of a `config.json`.

    Returns:
        The groups, none for a model in floats.

    Raises:
        ValueError: they are of another method, or written in a way that is not read;
            the message says what to do.

    >>> config = quantization_config({"lm_head": Scheme(4, 32, True)}, [])
    >>> read_groups({"quantization_config": config})
    (Group(targets=('Linear',), scheme=Scheme(bits=4, group_size=32, packed=True)),)
    """
    config = values.get(FIELD)
    if config is None:
        return ()
    if not isinstance(config, Mapping):
        raise _refused(FIELD, config, "null", advice=_ELSEWHERE)
    method = config.get("quant_method")
    if method != METHOD:
        advice = _DEQUANTIZE if method in _DEQUANTIZED else _ELSEWHERE
        raise _refused(f"{FIELD}.quant_method", method, METHOD, advice=advice)
    for name in ("kv_cache_scheme", "sparsity_config", "transform_config"):
        value = config.get(name)
        if value and value != {**value, "format": "dense"}:
            raise _refused(f"{FIELD}.{name}", value, None)
    groups = config.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise _refused(f"{FIELD}.config_groups", groups, "groups by name")
    return tuple(
        _group(f"{FIELD}.config_groups.{name}", group, config.get("format"))
        for name, group in groups.items()
    )


def scheme_of(groups: Iterable[Group], layer: str) -> Scheme | None:
    """How the matrix of a layer is written: its name counts before patterns, and these
    before the class.

    >>> groups = [Group(("Linear",), Scheme(8)), Group(("re:.*up",), Scheme(4, 32))]
    >>> scheme_of(groups, "layers.0.up").bits, scheme_of(groups, "layers.0.down").bits
    (4, 8)
    """

    def is_meant(target: str) -> bool:
        pattern = target.removeprefix(_PATTERN)
        return pattern != target and re.match(pattern, layer) is not None

    for test in (layer.__eq__, is_meant, _CLASS.__eq__):
        for group in groups:
            if any(map(test, group.targets)):
                return group.scheme
    return None


def quantization_config(
    schemes: Mapping[str, Scheme], others: Iterable[str]
) -> dict[str, Any]:
    """The inverse of `read_groups`.

    Args:
        schemes: by name of a layer.
        others: layers in floats.

    Returns:
        JSON values. The layers of the only scheme are all of their class but the
        others; of several schemes they are named.
    """
    layers: dict[Scheme, list[str]] = {}
    for name, scheme in schemes.items():
        layers.setdefault(scheme, []).append(name)
    formats = {scheme.format for scheme in layers}
    return {
        "quant_method": METHOD,
        "format": min(formats) if len(formats) == 1 else "mixed-precision",
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "config_groups": {
            f"group_{i}": {
                "targets": [_CLASS] if len(layers) == 1 else names,
                "format": scheme.format,
                "weights": {
                    "num_bits": scheme.bits,
                    "type": "int",
                    "symmetric": True,
                    "strategy": "group" if scheme.group_size else "channel",
                    "group_size": scheme.group_size,
                    "dynamic": False,
                },
                "input_activations": None,
                "output_activations": None,
            }
            for i, (scheme, names) in enumerate(layers.items())
        },
        "ignore": list(others),
    }


def _group(where: str, group: Any, written: Any) -> Group:
    if not isinstance(group, Mapping) or not isinstance(group.get("targets"), list):
        raise _refused(where, group, "targets and weights")
    for name in ("input_activations", "output_activations"):
        if group.get(name) is not None:
            raise _refused(f"{where}.{name}", group[name], None)
    targets, weights = tuple(group["targets"]), group.get("weights")
    if weights is None:
        return Group(targets, None)
    written = group.get("format") or written
    if written not in _READ:
        raise _refused(f"{where}.format", written, *_READ)
    where = f"{where}.weights"
    for name, known in (
        ("type", ("int",)),
        ("num_bits", _BITS),
        ("symmetric", (True,)),
        ("dynamic", (False,)),
        ("actorder", (None, False, "weight", "static")),
    ):
        if (value := weights.get(name, known[0])) not in known:
            raise _refused(f"{where}.{name}", value, *known)
    size = weights.get("group_size")
    size = None if size == -1 else size  # of whole rows
    strategy = weights.get("strategy") or ("group" if size else "channel")
    if strategy not in _STRATEGIES:
        raise _refused(f"{where}.strategy", strategy, *_STRATEGIES)
    if strategy == "group" and (type(size) is not int or size < 1):
        raise _refused(f"{where}.group_size", size, "a number of inputs")
    return Group(targets, Scheme(weights.get("num_bits", 8), size, written == _PACKED))


def _refused(name: str, value: Any, *known: Any, advice: str = _FLOATS) -> ValueError:
    listed = ", ".join(map(json.dumps, known))
    return ValueError(
        f"{name}={json.dumps(value)} is not supported; known: {listed}; {advice}"
    )
