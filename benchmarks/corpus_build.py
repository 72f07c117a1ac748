"""A whole build: time, speed and peak memory as the input grows beyond the memory.

    python benchmarks/corpus_build.py --megabytes=500,1500,5000

The text is real (Python's documentation), grown by changing words: in each copy three
in ten are others of the corpus, so that none is a near-duplicate, but for one copy in
twenty, which is the one before it with a few words changed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from massivetext_keras.corpus import python_documentation
from massivetext_keras.corpus.engines.memory import proportional_bytes
from massivetext_keras.support.values import parse_size

FILE_BYTES = 16 << 20


def grow(folder: Path, size: int) -> None:
    """Writes files of JSON lines with about so many bytes of text."""
    originals = [split(text) for text in python_documentation() if len(text) > 1000]
    words = np.concatenate(originals)
    words = words[["\n" not in word for word in words]]
    chance, written, last = np.random.default_rng(0), 0, originals[0]
    folder.mkdir(parents=True)
    for number in itertools.count():
        with open(folder / f"{number:05}.jsonl", "wb") as file:
            while file.tell() < FILE_BYTES:
                if written >= size:
                    return
                if chance.random() < 0.05:
                    found = changed(last, 0.005, words, chance)
                else:
                    original = originals[chance.integers(len(originals))]
                    found = last = changed(original, 0.3, words, chance)
                text = " ".join(found).replace("\n ", "\n")
                file.write(orjson.dumps({"text": text}) + b"\n")
                written += len(text)


def split(text: str) -> np.ndarray:
    """The words of a text, line feeds at their ends."""
    return np.array(text.replace("\n", "\n ").split(" "), object)


def changed(words, share: float, others, chance: np.random.Generator) -> np.ndarray:
    """Words with a share of them replaced by others."""
    return np.where(
        chance.random(len(words)) < share, chance.choice(others, len(words)), words
    )


def tree(process: int) -> list[int]:
    """A process and all that it started."""
    found = [process]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == process:
            found += tree(int(path.parent.name))
    return found


class Usage(NamedTuple):
    """What a command took: seconds, of processors too, and bytes at the peak."""

    seconds: float
    cpu_seconds: float
    peak: int


def usage(command: list[str]) -> Usage:
    """Runs a command and watches it and all that it starts (memory as PSS)."""
    begin, before, peak = time.perf_counter(), os.times(), 0
    run = subprocess.Popen(command)
    while run.poll() is None:
        peak = max(peak, sum(map(proportional_bytes, tree(run.pid))))
        time.sleep(0.2)
    if run.returncode:
        raise SystemExit(run.returncode)
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    return Usage(time.perf_counter() - begin, spent, peak)


def measure(size: int, arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        grow(Path(folder, "raw"), size)
        used = usage(
            [
                *(sys.executable, "-m", "massivetext_keras", "corpus", "build"),
                *(f"--input={folder}/raw", f"--output={folder}/corpus", *arguments),
            ]
        )
        print(
            f"{size / 1e6:8,.0f} MB  {used.seconds:8.1f} s"
            f"  {size / 1e6 / used.seconds:6.2f} MB/s  peak {used.peak / 1e6:6,.0f} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", default="20,60,200")
    parser.add_argument("--max_memory", default="500MB")
    parser.add_argument("--recipe", default="massivetext")
    parser.add_argument("--workers", default="2")
    given = parser.parse_args()
    parse_size(given.max_memory)
    arguments = [
        f"--{name}={getattr(given, name)}"
        for name in ("max_memory", "recipe", "workers")
    ]
    for size in given.megabytes.split(","):
        measure(int(size) * 10**6, arguments)


if __name__ == "__main__":
    main()
