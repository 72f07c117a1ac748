"""Documents that were kept become the files of a corpus."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from massivetext_keras.corpus.engines import Engine
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.shards import write as shards
from massivetext_keras.corpus.shards.placing import BINS, Fractions, Plan, mixture
from massivetext_keras.corpus.work import Work
from massivetext_keras.support.files import replacing_file

_DECIDING = ["id", "subset", "source", "position", "bytes", "reason"]


def assemble(
    engine: Engine,
    cleaned: Sequence[Path],
    verdicts: Sequence[Path],
    work: Work,
    fractions: Fractions,
    weights: Mapping[str, float] | None,
    shard_bytes: int,
    format: str,
) -> tuple[ReportData, dict[str, dict[str, Any]]]:
    """Writes the shards of a corpus into the stage "corpus".

    Args:
        engine: runs the stages.
        cleaned: parts of `cleaning.CLEANED`.
        verdicts: parts of `find_duplicates`.
        work: folder of the stages.
        fractions: of the documents, for each side.
        weights: subset -> weight of its bytes; None takes all documents.
        shard_bytes: about the bytes of text in a shard.
        format: of the shards.

    Returns:
        The report of all documents, and file -> its entry in the manifest; documents
        that are not kept are listed in files of the side "dropped".

    Raises:
        ValueError: no document is left, or a subset has no weight.
    """
    dropped = work.folder / "dropped.npy"
    shards.write_dropped(verdicts, dropped)
    sized = functools.partial(_sizes, engine, cleaned, dropped)
    if weights:
        shares = _shares(sized(fractions, work.stage("sizes")), weights)
        fractions = dataclasses.replace(fractions, kept=shares)
    plan = Plan.of(sized(fractions, work.stage("taken")), shard_bytes)
    if all(shard.side == shards.DROPPED for shard in plan.pieces):
        most = _most_dropped(cleaned, dropped, fractions)
        raise ValueError(f"no document is left: {most}")
    place = functools.partial(
        shards.place, dropped=dropped, fractions=fractions, plan=plan
    )
    placed = engine.map_batches(cleaned, place, work.stage("placed"))
    pieces, folder = work.stage("pieces"), work.stage("corpus")
    write = functools.partial(shards.write_pieces, folder=pieces, format=format)
    written = engine.group_by_key(placed, ["piece"], write, work.stage("written"))
    join = functools.partial(
        shards.join_pieces, pieces=pieces, folder=folder, format=format
    )
    listing = _write_shard_listing(plan, work.stage("shards"))
    joined = engine.map_batches(listing, join, work.stage("joined"))
    report, entries = _read_written(written, joined, plan, shards.SUFFIXES[format])
    report.mixture = dict(weights or {})
    return report, entries


def _sizes(
    engine: Engine,
    cleaned: Sequence[Path],
    dropped: Path,
    fractions: Fractions,
    stage: Path,
) -> dict[tuple[str, str], np.ndarray]:
    """(subset, side) -> bytes in each bin, int64 [BINS]."""
    function = functools.partial(shards.sizes, dropped=dropped, fractions=fractions)
    found: dict[tuple[str, str], np.ndarray] = {}
    for path in engine.map_batches(cleaned, function, stage, _DECIDING):
        for row in pq.read_table(path).to_pylist():
            place = row["subset"], row["side"]
            if place not in found:
                found[place] = np.zeros(BINS, np.int64)
            found[place][row["bin"]] += row["bytes"]
    return found


def _shares(sizes: Mapping, weights: Mapping[str, float]) -> dict[str, float]:
    totals: dict[str, int] = {}
    for (subset, side), in_bins in sizes.items():
        if side == shards.DROPPED:
            continue
        totals[subset] = totals.get(subset, 0) + int(in_bins.sum())
    return mixture(weights, totals)


def _write_shard_listing(plan: Plan, folder: Path) -> list[Path]:
    """A part for each shard, with the numbers of its pieces."""
    numbers: dict[str, list[int]] = {}
    for number, shard in enumerate(plan.pieces):
        numbers.setdefault(shard.name, []).append(number)
    paths = []
    for name, pieces in numbers.items():
        paths.append(folder / f"{name.replace('/', '.')}.parquet")
        with replacing_file(paths[-1]) as draft:
            pq.write_table(pa.table({"shard": [name], "pieces": [pieces]}), draft)
    return paths


def _read_written(
    written: Sequence[Path], joined: Sequence[Path], plan: Plan, suffix: str
) -> tuple[ReportData, dict[str, dict[str, Any]]]:
    """The report of all documents, and the manifest's entry of each shard."""
    report, entries = ReportData(), {}
    for path in joined:
        for row in pq.read_table(path).to_pylist():
            name = row.pop("file")
            entries[name] = {"documents": 0, "bytes": 0, **row}
    for path in written:
        for batch in pq.ParquetFile(path).iter_batches(16):
            for row in batch.to_pylist():
                report.merge(ReportData.from_dict(orjson.loads(row["report"])))
                entry = entries[plan.pieces[row["piece"]].name + suffix]
                for name in ("documents", "bytes"):
                    entry[name] += row[name]
    return report, dict(sorted(entries.items()))


def _most_dropped(cleaned: Sequence[Path], dropped: Path, fractions: Fractions) -> str:
    """The reasons for which most documents were dropped, for people."""
    counts: Counter = Counter()
    for path in cleaned:
        table = pq.read_table(path, columns=_DECIDING)
        table, _ = shards.decided(table, dropped, fractions)
        counts.update(table["reason"].to_pylist())
    most = [f"{count:,} by {reason}" for reason, count in counts.most_common(3)]
    return "there was none" if not most else f"{', '.join(most)} were dropped"
