"""What benchmarks found on which machine: kept, read again, compared with peers.

A contestant is called "peer, setting, setting"; ours is "ours". A measurement ends with
its unit, as "tokens/s" or "batch 8, first token, ms".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
# Units of which less is better.
_LESS = {"s", "ms", "MB", "nats"}

Results = dict[str, dict[str, float]]  # contestant -> measurement -> number


class Best(NamedTuple):
    """The best number of a peer.

    Attributes:
        value: the number.
        setting: of the peer that reached it, "" if it has one alone.
        ratio: how many times as good ours is.
    """

    value: float
    setting: str
    ratio: float


def less_is_better(measurement: str) -> bool:
    """Whether a measurement is of time, memory or a loss.

    >>> less_is_better("batch 8, first token, ms"), less_is_better("tokens/s")
    (True, False)
    """
    return measurement.rpartition(", ")[2] in _LESS


def times_as_good(value: float, other: float, measurement: str) -> float:
    """How many times as good a number is as another of the same measurement."""
    return other / value if less_is_better(measurement) else value / other


def peer_of(contestant: str) -> str:
    """Whose setting a contestant is.

    >>> peer_of("keras_hub, bfloat16, XLA")
    'keras_hub'
    """
    return contestant.partition(", ")[0]


def peers(results: Results, measurement: str, ours: str = "ours") -> dict[str, Best]:
    """The best of each peer that was measured so, beside ours.

    Args:
        results: of a script.
        measurement: name of the number.
        ours: which contestant is ours.

    >>> results = {
    ...     "ours": {"s": 2.0},
    ...     "keras_hub": {"s": 6.0},
    ...     "keras_hub, XLA": {"s": 5.0},
    ... }
    >>> peers(results, "s")
    {'keras_hub': Best(value=5.0, setting='XLA', ratio=2.5)}
    """
    mine = results[ours][measurement]
    found: dict[str, Best] = {}
    for name, numbers in results.items():
        peer, _, setting = name.partition(", ")
        if peer == peer_of(ours) or measurement not in numbers:
            continue
        ratio = times_as_good(mine, numbers[measurement], measurement)
        if peer not in found or ratio < found[peer].ratio:
            found[peer] = Best(numbers[measurement], setting, ratio)
    return found


def better(results: Mapping[str, float], others: Mapping[str, float]) -> dict:
    """The better number of each measurement."""
    return {
        name: (min if less_is_better(name) else max)(value, others[name])
        for name, value in results.items()
    }


def machine(plainest: bool = False) -> dict[str, Any]:
    """What this machine is.

    Args:
        plainest: no more than AVX2 was used of it.
    """
    from massivetext_keras.support import machine

    return {
        "processor": machine.processor(),
        "instruction_sets": ["avx2"] if plainest else machine.product_instructions(),
        "cores": machine.cores(),
        "memory_gb": round(machine.all_bytes() / 2**30),
    }


def kept(script: str, plainest: bool = False, folder: Path = RESULTS) -> Results:
    """What a script found on this machine before.

    Raises:
        FileNotFoundError: it was not run here.
    """
    from massivetext_keras.support.files import read_json

    path = folder / file_name(machine(plainest))
    known = read_json(path)["benchmarks"] if path.exists() else {}
    if script not in known:
        raise FileNotFoundError(f"{path} has no {script}: run {script}.py first")
    return known[script]["results"]


def file_name(machine: Mapping[str, Any]) -> str:
    """Of a machine's results: its processor, and the newest instructions that it has.

    >>> file_name({"processor": "AMD EPYC(R) 9R45", "instruction_sets": ["avx2"]})
    'amd-epyc-9r45-avx2.json'
    """
    words = f"{machine['processor']} {' '.join(machine['instruction_sets'][-1:])}"
    words = re.sub(r"\((R|TM)\)", "", words)
    return "-".join(re.findall("[a-z0-9]+", words.lower())) + ".json"


def record(
    script: str | Path,
    results: Results,
    seconds: float,
    versions: Mapping[str, str],
    plainest: bool = False,
    folder: Path = RESULTS,
) -> Path:
    """Puts a script's results in place of its earlier ones in the machine's file.

    Args:
        script: file of the benchmark; its name without a suffix is the key.
        results: contestant -> measurement -> number.
        seconds: that the whole script took.
        versions: library -> version, of all contestants.
        plainest: no more than AVX2 was used.
        folder: of the files.

    Returns:
        The file.
    """
    from massivetext_keras.support.files import read_json, write_json

    this = machine(plainest)
    path = folder / file_name(this)
    known = read_json(path)["benchmarks"] if path.exists() else {}
    known[Path(script).stem] = {
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds),
        "versions": dict(sorted(versions.items())),
        "results": {
            name: {key: float(f"{value:.5g}") for key, value in numbers.items()}
            for name, numbers in results.items()
        },
    }
    write_json(path, {"machine": this, "benchmarks": dict(sorted(known.items()))})
    return path
