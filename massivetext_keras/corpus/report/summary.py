"""A corpus in a few lines, for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.pages.aligned import aligned
from massivetext_keras.support.files import read_json

_MOST = 15  # languages, and reasons


def summarize(folder: str | Path) -> dict[str, Any]:
    """What is in a corpus, as plain values.

    Args:
        folder: of the corpus, with `manifest.json` and `report.json`.

    Returns:
        "read" and "kept" (documents, bytes, words of what is kept); "subsets",
        "languages" (name -> the same of what is kept, most bytes first), "splits"
        (subset -> side -> documents and bytes), "dropped" (reason -> documents and
        bytes, most documents first).

    Raises:
        FileNotFoundError: the folder is no corpus.
        ValueError: one of its files is damaged.
    """
    data = ReportData.read(folder)
    manifest = read_json(Path(folder) / "manifest.json")
    kept, lost = (
        sum((entry[outcome] for entry in data.subsets.values()), Counter())
        for outcome in ("kept", "dropped")
    )
    reasons = sorted(
        data.reasons.items(), key=lambda item: (-item[1]["documents"], item[0])
    )
    return {
        "read": _counts(kept + lost, ("documents", "bytes")),
        "kept": _counts(kept),
        "subsets": _kept(data.subsets),
        "languages": _kept(data.languages),
        "splits": manifest.get("subsets", {}),
        "dropped": {
            reason: _counts(entry, ("documents", "bytes")) for reason, entry in reasons
        },
    }


def summary(folder: str | Path) -> str:
    """`summarize` for people: languages and reasons are the first 15.

    Raises:
        FileNotFoundError, ValueError: as `summarize` does.
    """
    values = summarize(folder)
    read, kept = values["read"], values["kept"]
    rows = [["", "documents", "bytes", "words"], ["read", *_cells(read)]]
    rows[-1].append("")
    rows += [["kept", *_cells(kept)], ["kept of read", *_shares(kept, read), ""]]
    blocks = [aligned(rows, right=[1, 2, 3])]
    for name in ("subsets", "languages"):
        table = values[name]
        rows = [[name.removesuffix("s"), "documents", "bytes", "words", "of bytes"]]
        for key, counts in list(table.items())[:_MOST]:
            share = f"{100 * counts['bytes'] / max(kept['bytes'], 1):.1f} %"
            rows.append([key or "(no name)", *_cells(counts), share])
        blocks.append(aligned(rows, right=[1, 2, 3, 4]) + _more(table))
    rows = [["subset", "split", "documents", "bytes"]]
    for key, sides in values["splits"].items():
        for side, counts in sides.items():
            cells = _cells(_counts(counts, ("documents", "bytes")))
            first = side == next(iter(sides))
            rows.append([(key or "(no name)") if first else "", side, *cells])
    blocks.append(aligned(rows, right=[2, 3]) if len(rows) > 1 else [])
    rows = [["dropped by", "documents", "bytes", "of read"]]
    for key, counts in list(values["dropped"].items())[:_MOST]:
        rows.append([key, *_cells(counts), _shares(counts, read)[0]])
    reasons = aligned(rows, right=[1, 2, 3]) + _more(values["dropped"])
    blocks.append(reasons if len(rows) > 1 else [])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _counts(
    given: dict[str, int], units: Iterable[str] = ("documents", "bytes", "words")
) -> dict[str, int]:
    return {unit: given[unit] for unit in units}


def _kept(table: dict[str, dict[str, Counter]]) -> dict[str, dict[str, int]]:
    ranked = sorted(table, key=lambda name: (-table[name]["kept"]["bytes"], name))
    kept = [name for name in ranked if table[name]["kept"]["documents"]]
    return {name: _counts(table[name]["kept"]) for name in kept}


def _cells(counts: dict[str, int]) -> list[str]:
    return [f"{value:,}" for value in counts.values()]


def _shares(part: dict[str, int], whole: dict[str, int]) -> list[str]:
    return [
        f"{100 * part[unit] / max(whole[unit], 1):.1f} %"
        for unit in ("documents", "bytes")
    ]


def _more(table: dict) -> list[str]:
    more = len(table) - _MOST
    return [f"and {more:,} more"] if more > 0 else []
