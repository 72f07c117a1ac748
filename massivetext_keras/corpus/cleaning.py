"""The first stage: raw files become rows of documents, kept or dropped for a reason."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import xxhash

from massivetext_keras.corpus.batch import Batch, left_empty, reasons
from massivetext_keras.corpus.contents import use_contents
from massivetext_keras.corpus.duplicates.minhash import minhash_bands
from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.recipes import Recipe, Step
from massivetext_keras.corpus.shards.plain import to_json
from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.encodings import valid
from massivetext_keras.reading.read import Source, read

CLEANED = pa.schema(
    [
        ("id", pa.binary(16)),  # xxh3_128 of the text in UTF-8
        ("text", pa.string()),  # its beginning where it was dropped
        ("subset", pa.string()),
        ("source", pa.string()),
        ("position", pa.int64()),
        ("url", pa.string()),
        ("kind", pa.string()),
        ("language", pa.string()),
        ("bytes", pa.int64()),  # of the text in UTF-8
        ("reason", pa.string()),  # step.check; null where it is kept
        ("value", pa.float64()),  # what that check measured
        ("bounds", pa.string()),  # what it keeps
        ("bands", pa.list_(pa.uint64())),
        ("columns", pa.binary()),  # JSON
    ]
)
_OWN = frozenset(CLEANED.names)  # what a record's own fields may not overwrite
EXCERPT = 600  # characters of a dropped document
BATCH_DOCUMENTS, BATCH_CHARACTERS = 256, 1 << 18
_OF_A_PAGE = 10  # characters of HTML for one of text, about


class Dropped(NamedTuple):
    """A document that failed a check: where, and by how much."""

    document: Document
    reason: str
    value: float = float("nan")
    bounds: str = ""


def apply(
    steps: Sequence[Step], documents: Iterable[Document]
) -> tuple[Batch, list[Dropped]]:
    """Takes documents through the steps of a recipe.

    A document that fails is not seen by the steps that follow; one that a step leaves
    no text fails there.

    Args:
        steps: of `Recipe.bound`.
        documents: their texts may change.

    Returns:
        The documents that are kept, in order and with the views that steps made of
        them, and those that are not.
    """
    batch, dropped = Batch(documents), []
    for step in steps:
        checks = [*step.function(batch), *left_empty(batch)]
        failed = reasons(checks, len(batch))
        by_name = {check.name: check for check in checks}
        for index, name in enumerate(failed):
            if name is not None:
                check = by_name[name]
                dropped.append(
                    Dropped(
                        batch.documents[index],
                        f"{step.name}.{name}",
                        float(check.values[index]),
                        check.bounds,
                    )
                )
        if any(failed):
            batch = batch.select([i for i, name in enumerate(failed) if name is None])
        if not len(batch):
            break
    return batch, dropped


def clean(
    tables: Iterator[pa.Table],
    *,
    recipe: Recipe,
    contents: Mapping[str, str] | None = None,
    modules: Sequence[str] = (),
) -> Iterator[pa.Table]:
    """Reads files and takes their documents through the steps of a recipe.

    Args:
        tables: rows of files: subset, path, name, bytes, format.
        recipe: what is done.
        contents: of `Recipe.files`, which steps read once for the same.
        modules: that register rules and formats from outside of this package.

    Returns:
        Tables of `CLEANED`, file by file.
    """
    for module in modules:
        importlib.import_module(module)
    use_contents(contents or {})
    steps, reading = recipe.bound(), recipe.stage("read")
    work = functools.partial(
        _worked_on, steps=steps, signature=recipe.stage("minhash_bands")
    )
    yield CLEANED.empty_table()
    for table in tables:
        for file in table.to_pylist():
            subset = file.pop("subset")
            file["path"] = os.fsdecode(file["path"])
            found = read(Source(**file), **reading | {"subset": subset})
            broken = functools.partial(Problem, file["name"], -1, "stopped")
            found = guard.reading(found, subset, file["name"], broken)
            for documents, problems in _gathered(found):
                rows = [_problem_row(problem, subset) for problem in problems]
                for some, result, reason in guard.each(documents, work):
                    rows += result or [_quarantined_row(some[0], reason)]
                yield pa.Table.from_pylist(rows, CLEANED)


def _worked_on(
    documents: list[Document], steps: Sequence[Step], signature: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows that documents become."""
    size = len(documents)
    kept, dropped = apply(steps, documents)
    rows = [*kept_rows(kept, signature), *map(_dropped_row, dropped)]
    guard.count(size, sum(row["bytes"] for row in rows), len(kept))
    return rows


def _gathered(
    rows: Iterable[Document | Problem],
) -> Iterator[tuple[list[Document], list[Problem]]]:
    """Documents in batches of bounded size, with the problems between them."""
    documents, problems, characters = [], [], 0
    for row in rows:
        if isinstance(row, Problem):
            problems.append(row)
        else:
            documents.append(row)
            characters += len(row.text) // (_OF_A_PAGE if row.kind == "html" else 1)
        if characters > BATCH_CHARACTERS or len(documents) >= BATCH_DOCUMENTS:
            yield documents, problems
            documents, problems, characters = [], [], 0
    yield documents, problems


def kept_rows(batch: Batch, signature: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of `CLEANED` of documents that are kept.

    Args:
        batch: the documents.
        signature: arguments of `minhash_bands`.
    """
    bands = minhash_bands(batch, **signature)
    for document, keys in zip(batch.documents, bands, strict=True):
        yield _row(document) | {"bands": keys}


def _dropped_row(dropped: Dropped) -> dict[str, Any]:
    document, reason, value, bounds = dropped
    row = _row(document) | {"reason": reason, "value": value, "bounds": bounds}
    return row | {"text": row["text"][:EXCERPT]}


def _quarantined_row(document: Document, reason: str | None) -> dict[str, Any]:
    row = _row(document) | {"reason": "quarantine.document", "bounds": valid(reason)}
    return row | {"text": row["text"][:EXCERPT]}


def _problem_row(problem: Problem, subset: str) -> dict[str, Any]:
    document = Document("", subset, problem.source, problem.position)
    return _row(document) | {
        "bytes": problem.bytes,
        "reason": f"read.{problem.reason}",
        "bounds": valid(problem.detail),
    }


def _row(document: Document) -> dict[str, Any]:
    text = valid(document.text)
    data = text.encode()
    columns = {
        f"record_{name}" if name in _OWN else name: value
        for name, value in document.columns.items()
    }
    return {
        "id": xxhash.xxh3_128_digest(data),
        "text": text,
        "subset": document.subset,
        "source": document.source,
        "position": document.position,
        "url": valid(document.url),
        "kind": document.kind,
        "language": valid(document.language),
        "bytes": len(data),
        "columns": to_json(columns, sort_keys=True),
    }
