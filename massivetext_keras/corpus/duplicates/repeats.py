"""Paragraphs, lines and runs of words that another document has already: cut out."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.duplicates.deduplication import FUZZY
from massivetext_keras.corpus.duplicates.rows import (
    ID,
    Sieve,
    first_of_run,
    id_array,
    id_column,
    run_starts,
    spans_of,
)
from massivetext_keras.corpus.engines import Engine
from massivetext_keras.corpus.text.words import Spans, Words, words
from massivetext_keras.reading.document import Document
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.files import replacing_file
from massivetext_keras.support.values import Range

EMPTY = "repeats.nothing_left"

_SPACE = re.compile(r"\s*")
_BYTES = 2 << 20  # of texts at a time
_SPANS = pa.schema(
    {"hash": pa.int64(), "id": ID, "start": pa.int64(), "end": pa.int64()}
)
_CUTS = pa.schema({"id": ID, "start": pa.int64(), "end": pa.int64()})
_CUT = [("front", "u8"), ("back", "u8"), ("start", "i8"), ("end", "i8")]


def find_repeats(
    engine: Engine,
    documents: Sequence[Path],
    duplicates: Sequence[Path],
    work: Path,
    *,
    paragraphs: bool = False,
    lines: Positive | None = None,
    run: Annotated[int, Range(least=2)] | None = None,
) -> Path:
    """Finds what occurs in several documents; all but its first occurrence is cut.

    The first is in the document of smallest id and there the foremost, so that it
    depends neither on the order of documents nor on parts. Texts are compared by the
    words they have, as hashes of 64 bits: of n different ones, two are taken for equal
    with a probability of n ** 2 / 2 ** 65, .03 for 10 ** 9.

    Runs of words are those of Lee et al. ("Deduplicating training data makes language
    models better", 2022), who cut runs of 50 tokens. Only runs around shorter ones that
    are repeated are compared; winnowing (Schleimer et al., 2003) chooses these so that
    no repeated run is missed.

    Args:
        engine: runs the stages.
        documents: parts with columns id, text and reason; those with a reason are
            dropped already.
        duplicates: parts that `find_duplicates` gave for them.
        work: folder for the stages.
        paragraphs: compare what blank lines divide.
        lines: compare lines of at least so many characters.
        run: compare runs of so many words, at least 2; characters are words where
            there are no spaces.

    Returns:
        A file that `cut_repeats` takes.
    """
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    near = _near_duplicates(duplicates, work / "near-duplicates.npy")
    columns = ["id", "text", "reason"]
    kinds = {
        "paragraphs": _paragraphs if paragraphs else None,
        "lines": functools.partial(_lines, characters=lines) if lines else None,
    }
    if run:
        seeds = functools.partial(_rows, find=functools.partial(_seeds, run=run))
        parts = engine.map_batches(
            documents, functools.partial(seeds, dropped=near), work / "seeds", columns
        )
        parts = engine.group_by_key(parts, ["hash"], _later, work / "later-seeds")
        sieve = Sieve.of(parts, ["hash"]).save(work / "seeds.npy")
        kinds["runs"] = functools.partial(_runs, run=run, sieve=sieve)
    cuts = []
    for name, find in kinds.items():
        if find:
            rows = functools.partial(_rows, find=find, dropped=near)
            parts = engine.map_batches(documents, rows, work / name, columns)
            cuts += engine.group_by_key(parts, ["hash"], _later, work / f"later-{name}")
    merged = engine.group_by_key(cuts, ["id"], _merged, work / "cuts", _CUTS.names)
    return _write_cuts(merged, work / "cuts.npy")


def cut_repeats(tables: Iterable[pa.Table], *, repeats: Path) -> Iterator[pa.Table]:
    """Cuts out of documents what `find_repeats` found; a function for `map_batches`.

    Args:
        tables: of parts with columns id, text, bytes and reason.
        repeats: the file.

    Returns:
        The tables with new texts, ids and bytes where something was cut. A document
        of which nothing is left has a reason.
    """
    cuts = np.load(repeats, mmap_mode="r")
    for table in tables:
        ids = id_array(table["id"])
        low = np.searchsorted(cuts["front"], ids[:, 0])
        high = np.searchsorted(cuts["front"], ids[:, 0], "right")
        concerned = pc.is_null(table["reason"]).to_numpy() & (low < high)
        changed = {}
        for row in np.flatnonzero(concerned):
            own = cuts[low[row] : high[row]]
            own = own[own["back"] == ids[row, 1]]
            text = table["text"][int(row)].as_py()
            changed[row] = cut_text(text, zip(own["start"], own["end"], strict=True))
        yield _rewritten(table, changed)


def cut_text(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text without some spans of it.

    Of the white space before and after a span, what has more line feeds stays; none
    stays at the ends of the text.

    Args:
        text: to be cut.
        spans: where they start and end, in order and apart.

    >>> cut_text("one two three\\n\\nfour", [(4, 13)])
    'one\\n\\nfour'
    """
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        left, right = start, next(_SPACE.finditer(text, end)).end()
        while left > at and text[left - 1].isspace():
            left -= 1
        before = text[left:start]
        if left > at or not pieces:
            pieces.append(text[at:left])
        else:  # nothing is between this span and the one before
            before = pieces.pop()
        after = text[end:right]
        pieces.append(max(before, after, key=lambda space: space.count("\n")))
        at = right
    return "".join([*pieces, text[at:]]).strip()


def _rows(
    tables: Iterable[pa.Table],
    find: Callable[[Batch], tuple[np.ndarray, ...]],
    dropped: Path,
) -> Iterator[pa.Table]:
    """Hashes and places of what `find` gives for documents that are not dropped."""
    near = np.load(dropped, mmap_mode="r")
    yield _SPANS.empty_table()
    for table in tables:
        ids = id_array(table["id"])
        at = np.minimum(np.searchsorted(near, ids[:, 0]), len(near) - 1)
        kept = pc.is_null(table["reason"]).to_numpy() & (near[at] != ids[:, 0])
        ids, texts = ids[kept], table["text"].filter(kept)
        for piece in spans_of(pc.binary_length(texts).to_numpy(), _BYTES):
            batch = Batch(map(Document, texts[piece].to_pylist()))
            hashes, document, start, end = find(batch)
            columns = [pa.array(hashes.view(np.int64)), id_column(ids[piece][document])]
            yield pa.table([*columns, pa.array(start), pa.array(end)], schema=_SPANS)


def _later(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Of rows with the same hash all but those of the first place."""
    for table in tables:
        hashes, ids = table["hash"].to_numpy(), id_array(table["id"])
        start = table["start"].to_numpy()
        first = first_of_run(run_starts(hashes))
        later = (ids != ids[first]).any(1) | (start != start[first])
        yield table.filter(later & run_starts(hashes, ids, start))


def _paragraphs(batch: Batch) -> tuple[np.ndarray, ...]:
    return _of_spans(batch, words(batch).paragraphs)


def _lines(batch: Batch, characters: int) -> tuple[np.ndarray, ...]:
    found = words(batch).lines
    return _of_spans(batch, found, found.lengths >= characters)


def _of_spans(batch: Batch, spans: Spans, kept=slice(None)) -> tuple[np.ndarray, ...]:
    document = np.repeat(np.arange(len(batch)), spans.counts)
    begin = _begins(batch)[document]
    columns = (spans.hashes, document, spans.starts - begin, spans.ends - begin)
    return tuple(column[kept] for column in columns)


def _seeds(batch: Batch, run: int) -> tuple[np.ndarray, ...]:
    hashes, document, word = _winnowed(words(batch), run)
    start = word - words(batch).offsets[document]
    return hashes, document, start, start + run - run // 2


def _runs(batch: Batch, run: int, sieve: Path) -> tuple[np.ndarray, ...]:
    """Runs of words within which there is a seed that is repeated."""
    found = words(batch)
    seeds, _, word = _winnowed(found, run)
    seen = np.zeros(len(found.hashes) + 1, int)
    seen[word[Sieve.load(sieve).may_have(seeds)] + 1] = 1
    seen = np.cumsum(seen)
    hashes, document, first = _ngrams(found, run)
    chosen = np.flatnonzero(seen[first + run // 2 + 1] > seen[first])
    hashes, document, first = hashes[chosen], document[chosen], first[chosen]
    begin = _begins(batch)[document]
    last = first + run - 1
    return hashes, document, found.starts[first] - begin, found.ends[last] - begin


def _winnowed(found: Words, run: int) -> tuple[np.ndarray, ...]:
    """Runs of half as many words, of which each run of `run` words has one.

    It has the one with the smallest hash of all half runs in it, which is the same
    wherever it occurs.

    Returns:
        Hashes, documents and first words, [seeds] each.
    """
    hashes, document, word = _ngrams(found, run - run // 2)
    width = run // 2 + 1
    least = _slide(np.minimum, hashes, width)
    least[document[: len(least)] != document[width - 1 :]] = 0
    edge = np.zeros(width - 1, np.uint64)
    chosen = _slide(np.maximum, np.concatenate([edge, least, edge]), width)
    chosen = np.flatnonzero(chosen[: len(hashes)] == hashes)
    return hashes[chosen], document[chosen], word[chosen]


def _ngrams(found: Words, size: int) -> tuple[np.ndarray, ...]:
    """Hashes, documents and first words of runs of some words."""
    hashes, offsets = found.ngrams(size)
    document = np.repeat(np.arange(len(found.counts)), np.diff(offsets))
    first = np.arange(len(hashes)) + (found.offsets[:-1] - offsets[:-1])[document]
    return hashes, document, first


def _slide(function: np.ufunc, values: np.ndarray, width: int) -> np.ndarray:
    """Minima or maxima of each `width` values in a row.

    >>> _slide(np.maximum, np.array([3, 1, 2, 1, 5]), 3).tolist()
    [3, 2, 5]
    """
    have = 1
    while have < width:
        step = min(have, width - have)
        values = function(values[:-step], values[step:])
        have += step
    return values


def _begins(batch: Batch) -> np.ndarray:
    """int64 [documents], where each begins in the joined text of the words."""
    return np.cumsum([0, *(len(text) + 1 for text in batch.texts)])[:-1]


def _near_duplicates(duplicates: Sequence[Path], path: Path) -> Path:
    """A file with the fronts of the ids that were dropped as near-duplicates, sorted.

    Equal texts have the same id and are one document here.
    """
    fronts = [np.zeros(1, np.uint64)]  # of no document
    for part in duplicates:
        table = pq.read_table(part, columns=["id", "reason"])
        near = table.filter(pc.equal(table["reason"], FUZZY))
        fronts.append(id_array(near["id"])[:, 0])
    return _save(path, np.unique(np.concatenate(fronts)))


def _merged(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cuts of a document that touch each other, as one."""
    for table in tables:
        ids = id_array(table["id"])
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        new = run_starts(ids)
        # Ends grow from document to document, so that each begins anew.
        offset = np.cumsum(new) << 40
        reach = np.maximum.accumulate(end + offset) - offset
        new[1:] |= start[1:] > reach[:-1]
        last = np.append(new[1:], True)[: len(new)]
        columns = [id_column(ids[new]), pa.array(start[new]), pa.array(reach[last])]
        yield pa.table(columns, schema=_CUTS)


def _write_cuts(cuts: Sequence[Path], path: Path) -> Path:
    found = [np.zeros(0, _CUT)]
    for part in cuts:
        table = pq.read_table(part)
        ids = id_array(table["id"])
        rows = np.zeros(len(table), _CUT)
        rows["front"], rows["back"] = ids.T
        rows["start"], rows["end"] = table["start"], table["end"]
        found.append(rows)
    rows = np.concatenate(found)
    return _save(
        path, rows[np.lexsort([rows[name] for name in ("start", "back", "front")])]
    )


def _save(path: Path, values: np.ndarray) -> Path:
    with replacing_file(path) as draft, draft.open("wb") as file:
        np.save(file, values)
    return path


def _rewritten(table: pa.Table, changed: dict[int, str]) -> pa.Table:
    if not changed:
        return table
    import xxhash

    columns = {
        name: table[name].to_pylist() for name in ("id", "text", "bytes", "reason")
    }
    for row, text in changed.items():
        data = text.encode()
        columns["id"][row] = xxhash.xxh3_128_digest(data)
        columns["text"][row], columns["bytes"][row] = text, len(data)
        columns["reason"][row] = None if text else EMPTY
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.types[at]))
    return table
