"""The verb that plans training on machines that are not here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from massivetext_keras.architecture.axes import axes_in
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Preset
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.planning import (
    Choice,
    Cluster,
    Impossible,
    Job,
    NothingFits,
    plans,
)
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.values import nearest, parse_size

_TOKENS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_FLOPS = {"": 1.0, "G": 1e9, "T": 1e12, "P": 1e15}
_RECOMPUTE = {"auto": None, "on": True, "off": False}


@verb("plan")
def plan(
    *,
    preset: Preset,
    devices: Positive,
    device_memory: str = "80GB",
    flops: str = "312e12",
    memory_bandwidth: str = "2TB",
    bandwidth: str = "intra:300GB,inter:25GB",
    speeds: Given = given(Cluster, "devices_per_node", "efficiency"),
    batch_tokens: str = "4M",
    sequence_length: Positive | None = None,
    mesh: str = "",
    chosen: Given = given(Choice, "micro_batch", "chunks"),
    shard_state: Literal["auto", "none", "optimizer", "weights"] = "auto",
    recompute: Literal["auto", "on", "off"] = "auto",
    numbers: Given = given(Job, "precision"),
    attention: Literal["plain", "fused"] = "plain",
    most: Positive = 10,
    output: str | None = None,
) -> Result:
    """Say how fast a model would train on machines that are not here.

    Lists the meshes data x tensor x pipeline that fit, best first: seconds of a step,
    memory and traffic by part. No weights are made. Speeds and memory are those of an
    A100 of 80 GB unless flags say otherwise; docs/parallel.md tells how far it errs.

    Args:
        devices: how many there are.
        device_memory: of a device, as 80GB; leave off what the framework needs.
        flops: FLOP/s of a device by its data sheet, as 312e12 or 312T.
        memory_bandwidth: bytes per second between a device and its memory.
        bandwidth: bytes per second that a device sends within its node and to others.
        batch_tokens: of a global batch; 4M are 4 x 2^20.
        sequence_length: tokens of a row (None: the longest of the shape).
        mesh: axes that are given, as tensor:8,pipeline:2; the others are searched.
        shard_state: what replicas split among them: none, what the optimizer keeps
            (ZeRO 1), or the weights too (ZeRO 3); auto takes the fastest that fits.
        recompute: make activations again in the backward pass.
        attention: fused never writes scores to memory.
        most: meshes that are shown.
        output: file for a page with pictures, as plan.html.

    Examples:
        massivetext plan --preset=llama3_8b --devices=16 --device_memory=40GB
    """
    from massivetext_keras.planning.tables import tables

    config = config_of(preset)
    length = sequence_length or config.max_length
    links = _pairs("bandwidth", bandwidth, ("intra", "inter"))
    speeds |= {end: _bytes("bandwidth", text) for end, text in links.items()}
    cluster = Cluster(
        devices,
        memory=_bytes("device_memory", device_memory),
        flops=_quantity("flops", flops, _FLOPS, "FLOPS?"),
        memory_bandwidth=_bytes("memory_bandwidth", memory_bandwidth),
        **speeds,
    )
    rows = rows_of(batch_tokens, length, devices)
    job = Job(config, rows, length, fused_attention=attention == "fused", **numbers)
    choice = Choice(
        _mesh(mesh),
        shard_state=None if shard_state == "auto" else shard_state,
        recompute=_RECOMPUTE[recompute],
        **chosen,
    )
    try:
        found = plans(job, cluster, choice)
    except Impossible as error:
        raise UsageError(f"--{error.argument}: {error}") from None
    except NothingFits as error:
        raise ValueError(f"--device_memory={device_memory}: {error}") from None
    shown = found[:most]
    if output:
        from massivetext_keras.planning.page import write_page

        write_page(shown, Path(preset).name, output)
    count, tokens = config.parameter_count(), rows * length
    said = f"{count:,} parameters, {rows:,} rows of {length:,} tokens ({tokens:,})"
    if len(found) > len(shown):
        said += f"\n{len(found)} meshes fit; these are the best {len(shown)}"
    blocks = [said, *("\n".join(table.lines()) for table in tables(shown))]
    record = {"parameters": count, "rows": rows, "length": length}
    every = [plan.to_dict() for plan in shown]
    return Result(
        "\n\n".join([*blocks, output] if output else blocks),
        {**record, "plans": every, "page": output},
    )


def config_of(preset: str) -> TransformerConfig:
    """The shape that --preset names; a folder or a file is opened as other verbs do.

    >>> config_of("gpt2_small").num_layers
    12
    """
    from massivetext_keras.architecture import shapes
    from massivetext_keras.architecture.sources import is_foreign, is_shape

    folder = is_foreign(preset) or Path(preset).expanduser().is_dir()
    if is_shape(preset) or not folder:
        config = shapes.preset(preset)
    else:
        from massivetext_keras.tasks.source import Source  # TensorFlow, some seconds

        config = Source.open(preset).config
    if not isinstance(config, TransformerConfig):
        raise UsageError(f"--preset: {preset} is no Transformer, as what plans are for")
    return config


def rows_of(batch_tokens: str, length: int, devices: int = 1) -> int:
    """Rows of a global batch.

    Args:
        batch_tokens: of the command line.
        length: tokens of a row.
        devices: among which any number of replicas should be possible.

    Raises:
        UsageError: it is no number, or no multiple of the length.

    >>> rows_of("4M", 8192)
    512
    """
    tokens = _quantity("batch_tokens", batch_tokens, _TOKENS, "(TOKENS)?")
    if tokens % length:
        unit = length * devices if tokens > length * devices else length
        near = max(1, round(tokens / unit)) * unit
        raise UsageError(
            f"--batch_tokens={batch_tokens} is no multiple of the {length:,} tokens of "
            f"a row: did you mean {near}?"
        )
    return int(tokens) // length


def _mesh(text: str) -> dict[str, int]:
    try:
        return axes_in(text)
    except ValueError as error:
        raise UsageError(f"--mesh: {error}") from None


def _pairs(flag: str, text: str, known: Iterable[str]) -> dict[str, str]:
    """NAME:VALUE by commas.

    >>> _pairs("bandwidth", "intra:300GB,inter:25GB", ("intra", "inter"))
    {'intra': '300GB', 'inter': '25GB'}
    """
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = item.partition(":")
        if name not in known:
            raise UsageError(f"--{flag}: unknown {name!r}: {nearest(name, known)}")
        if not colon or not value:
            raise UsageError(f"--{flag}: {name!r} has no value: write {name}:VALUE")
        found[name] = value
    return found


def _bytes(flag: str, text: str) -> float:
    """A number of bytes, or of bytes per second.

    >>> _bytes("bandwidth", "25GB/s"), _bytes("device_memory", "80e9")
    (25000000000.0, 80000000000.0)
    """
    text = text.strip().removesuffix("/s")
    try:
        size = float(text)
    except ValueError:
        try:
            size = float(parse_size(text))
        except ValueError as error:
            raise UsageError(f"--{flag}: {error}") from None
    if not 1 <= size < math.inf:
        raise UsageError(f"--{flag}={text} is not 1 byte or more")
    return size


def _quantity(flag: str, text: str, units: Mapping[str, float], noun: str) -> float:
    """A number with a unit or without.

    >>> _quantity("flops", "312T", _FLOPS, "FLOPS?") == 312e12
    True
    """
    number = r"\s*(\d+(?:\.\d*)?(?:e\+?\d+)?)\s*"
    pattern = rf"{number}([{''.join(units)}]?)\s*(?:{noun})?(/s)?\s*"
    found = re.fullmatch(pattern, text, re.IGNORECASE)
    value = found and float(found[1]) * units[found[2].upper()]
    if not value or not math.isfinite(value):
        known = ", ".join(f"4{unit}" for unit in units if unit)
        raise UsageError(f"--{flag}={text} is no number: write it as 4e6, or {known}")
    return value
