"""Runs two stages; tests kill it. Usage: killed.py FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from massivetext_keras.corpus.engines.local import LocalEngine
from tests.corpus.engines import functions


def run(folder: Path) -> list[Path]:
    inputs = sorted((folder / "in").glob("*.parquet"))
    with LocalEngine(workers=2, time_limit=5) as engine:
        engine.free = 200_000  # some buckets
        mapped = engine.map_batches(inputs, functions.slow_lengths, folder / "mapped")
        return mapped + engine.group_by_key(
            mapped, ["length"], functions.slow, folder / "grouped"
        )


if __name__ == "__main__":
    run(Path(sys.argv[1]))
