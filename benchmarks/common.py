"""Contests between processes, and the pages of text that some are about."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from results import (
    RESULTS,
    Results,
    better,
    peer_of,
    peers,
    record,
    times_as_good,
)

ROOT = Path(__file__).parents[1]
PARITY = ROOT / ".venv-parity/bin/python"  # has torch and transformers, too
# Every library as on a machine that has no more than AVX2.
PLAINEST = "--plainest" in sys.argv
_AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}  # as the program `massivetext` has it
_LIBRARIES = (
    "massivetext_keras",
    "tensorflow",
    "keras",
    "keras_hub",
    "torch",
    "transformers",
    "datatrove",
)
# A setting that is slower than this share of its peer's best is not run again, and one
# that takes so many times as long as the peer's quickest is stopped.
_PROMISING, _PATIENCE = 0.85, 3


class Contestant(NamedTuple):
    """What is measured in a process of its own.

    Attributes:
        measure: gives name -> number; see `results` for names.
        python: the interpreter, which has the libraries.
        environment: variables, beside those that there are.
    """

    measure: Callable[[], dict[str, float]]
    python: str | Path = sys.executable
    environment: Mapping[str, str] = MappingProxyType({})


def data_folder() -> Path:
    """Real data, which MASSIVETEXT_DATA names."""
    if "MASSIVETEXT_DATA" not in os.environ:
        raise SystemExit("MASSIVETEXT_DATA is unset: it names the folder of real data")
    return Path(os.environ["MASSIVETEXT_DATA"])


def precisions() -> list[str]:
    """float32, and mixed_bfloat16 where the processor multiplies bfloat16."""
    from massivetext_keras.support.machine import processor_multiplies_bfloat16

    mixed = processor_multiplies_bfloat16() and not PLAINEST
    return ["float32", "mixed_bfloat16"] if mixed else ["float32"]


def our_precision() -> str:
    """What `set_precision("auto")` sets on the machine that is played."""
    return precisions()[-1]


def keras_hub(
    measure: Callable[[str, bool], dict], tried: list[str] | None = None
) -> dict[str, Contestant]:
    """KerasHub in all settings: precision, XLA on or off, oneDNN on or off.

    Args:
        measure: of a precision, and whether XLA compiles.
        tried: precisions (None: all that the machine multiplies).
    """
    found = {}
    settings = tried or precisions(), (False, True), (True, False)
    for precision, jit, onednn in itertools.product(*settings):
        words = ["keras_hub", precision.removeprefix("mixed_")]
        words += ["XLA"] * jit + ["no oneDNN"] * (not onednn)
        environment = {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
        found[", ".join(words)] = Contestant(
            functools.partial(measure, precision, jit), environment=environment
        )
    return found


def on_torch(measure: Callable[[], dict]) -> Contestant:
    """A contestant that needs torch."""
    return Contestant(measure, PARITY)


def hugging_face(measure: Callable[[str], dict]) -> dict[str, Contestant]:
    """Hugging Face on torch in each precision, which `measure` is given."""
    return {
        f"hugging_face, {precision.removeprefix('mixed_')}": on_torch(
            functools.partial(measure, precision)
        )
        for precision in precisions()
    }


def product() -> dict[str, float]:
    """The most that this machine does: GFLOP/s of a product of matrices."""
    from massivetext_keras.distribution.devices import measured_peak

    kinds = [precision.removeprefix("mixed_") for precision in precisions()]
    return {f"{kind}, GFLOP/s": measured_peak(kind) / 1e9 for kind in kinds}


def corpus_pages() -> list[str]:
    """English pages: what is extracted of web pages, Wikipedia, Python's documentation.

    Lines have no white space around them. The pages of the folder that MASSIVETEXT_DATA
    names are left out where it is unset.
    """
    import trafilatura

    from massivetext_keras.corpus import python_documentation

    pages = python_documentation()[::3]
    if "MASSIVETEXT_DATA" not in os.environ:
        print("MASSIVETEXT_DATA is unset: Python's documentation alone")
        return pages
    data = Path(os.environ["MASSIVETEXT_DATA"])
    for path in sorted((data / "clean/readability").glob("*/source.html")):
        pages.append(trafilatura.extract(path.read_text(), fast=True) or "")
    wikipedia = (data / "lm/wikitext2_valid.raw.txt").read_text()
    pages += re.split(r"(?m)^ (?== [^=]+ = $)", wikipedia)
    articles = json.loads((data / "qa/xquad.en.json").read_text())["data"]
    pages += [part["context"] for article in articles for part in article["paragraphs"]]
    pages = ["\n".join(map(str.strip, page.split("\n"))).strip() for page in pages]
    return [page for page in pages if page]


def compete(
    script: str,
    contestants: Mapping[str, Callable | Contestant],
    rounds: int = 2,
    folder: Path = RESULTS,
) -> Results:
    """Gives each contestant's best results over the rounds, and keeps them.

    Settings of a peer that are far behind its best are stopped, or left out of later
    rounds.

    Args:
        script: file of the benchmark; run with a name it prints a line of JSON.
        contestants: name -> what measures, giving name -> number.
        rounds: turns; the machine's noise falls on all alike.
        folder: where results are kept.

    Returns:
        name -> measurement -> best number; a contestant whose packages are missing is
        left out.
    """
    contestants = {
        name: one if isinstance(one, Contestant) else Contestant(one)
        for name, one in contestants.items()
    }
    asked = [word for word in sys.argv[1:] if word in contestants]
    if asked:
        print(json.dumps([contestants[asked[0]].measure(), _versions()]))
        raise SystemExit
    best: Results = {}
    versions: dict[str, str] = {}
    shortest: dict[str, float] = {}  # of a peer's runs, seconds
    begin = time.perf_counter()
    for turn in range(rounds):
        for name, one in contestants.items():
            if turn and not _promising(name, best):
                continue
            started, peer = time.perf_counter(), peer_of(name)
            found = _measured(script, name, one, shortest.get(peer))
            if found is None:
                continue
            spent = time.perf_counter() - started
            shortest[peer] = min(spent, shortest.get(peer, spent))
            results, loaded = found
            print(name, {k: round(v, 4) for k, v in results.items()}, flush=True)
            best[name] = better(results, best.get(name, results))
            versions |= loaded
    if any(best.values()):
        seconds = time.perf_counter() - begin
        record(script, best, seconds, versions, PLAINEST, folder)
    return best


def _measured(
    script: str, name: str, one: Contestant, shortest: float | None
) -> list | None:
    """Results and versions of a contestant, by a process of its own.

    None where packages are missing, or another setting took far fewer seconds.
    """
    if not Path(one.python).exists():
        print(f"{name}: left out, {one.python} is missing (make bench makes it)")
        return None
    environment = _ONEDNN | os.environ | (_AVX2 if PLAINEST else {}) | one.environment
    limit = None if shortest is None else _PATIENCE * shortest
    try:
        done = subprocess.run(
            [one.python, script, name, *["--plainest"] * PLAINEST],
            capture_output=True,
            text=True,
            env=environment,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        print(f"{name}: stopped, another setting took {shortest:.0f} s", flush=True)
        return None
    if "ModuleNotFoundError" in done.stderr:
        print(f"{name}: left out, {done.stderr.strip().splitlines()[-1]}")
        return None
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def keep(script: str, numbers: Mapping[str, float], begin: float) -> None:
    """Keeps what a script measured of ours alone, in its own process.

    Args:
        script: its file.
        numbers: name -> number; see `results` for names.
        begin: when it began, by `time.perf_counter`.
    """
    keep_all(script, {"ours": dict(numbers)}, begin)


def keep_all(script: str, results: Results, begin: float) -> None:
    """Keeps what a script measured in its own process.

    Args:
        script: its file, or another name where it measures several things.
        results: contestant -> measurement -> number.
        begin: when it began, by `time.perf_counter`.
    """
    record(script, results, time.perf_counter() - begin, _versions())


def _versions() -> dict[str, str]:
    """Of the libraries that this process uses."""
    used = [name for name in _LIBRARIES if name in sys.modules]
    return {name: importlib.metadata.version(name) for name in used}


def _promising(name: str, best: Results) -> bool:
    """Whether a setting came near the best of its peer in some measurement."""

    def rivals(measurement: str) -> list[float]:
        return [
            results[measurement]
            for other, results in best.items()
            if peer_of(other) == peer_of(name) and measurement in results
        ]

    return any(
        all(times_as_good(value, x, key) >= _PROMISING for x in rivals(key))
        for key, value in best.get(name, {}).items()
    )


def print_ratios(best: Results, ours: str, measurement: str) -> None:
    """A line for each peer: how many times as good ours is as its best setting."""
    for peer, found in peers(best, measurement, ours).items():
        setting = f" ({found.setting})" if found.setting else ""
        print(f"{measurement}: {found.ratio:.2f} times {peer}{setting}")


def print_shares(best: Results) -> None:
    """A line for each contestant: its share of what a product of matrices reaches."""
    kind, peak = max(best["product"].items(), key=lambda item: item[1])
    print(f"peak of a product: {peak:,.0f} GFLOP/s, {kind.partition(',')[0]}")
    for name, numbers in best.items():
        if "GFLOP/s" in numbers:
            share = numbers["GFLOP/s"] / peak
            print(f"{name}: {numbers['GFLOP/s']:,.0f} GFLOP/s, {share:.1%} of the peak")
