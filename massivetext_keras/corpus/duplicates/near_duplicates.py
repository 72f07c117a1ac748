"""Pairs of documents that are nearly the same: found by bands, verified by shingles."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.duplicates.minhash import shingles
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
from massivetext_keras.reading.document import Document

# Shingles of a document that are compared. With more, the smallest hashes stand for
# all: the similarity of two such sets is known to .002 (one standard deviation).
MOST_SHINGLES = 65_536
# Pairs of a group: all up to 45 documents; then fewer for each, but never below 4.
_PAIRS = 2048
_LEAST_PARTNERS = 4
_BYTES = 8 << 20  # of a table
_TEXT_BYTES = 2 << 20  # of a batch

_BANDS = pa.schema({"band": pa.int64(), "id": ID})
_SETS = pa.schema({"key": ID, "other": ID, "shingles": pa.binary()})
_PAIRED = pa.schema({"node": ID, "neighbour": ID, "jaccard": pa.float64()})


def near_duplicates(
    engine: Engine,
    documents: Sequence[Path],
    work: Path,
    *,
    ngram: int = 13,
    jaccard: float = 0.8,
) -> list[Path]:
    """Pairs of documents of which the Jaccard similarity is at least `jaccard`.

    Documents that share the key of a band are candidates. In a band that many share,
    each is paired with the few of smallest id only, so that the pairs grow as the
    documents do: those that are alike beyond what all of them share meet in another
    band, too. Missed is a document that is barely alike enough to one of hundreds in a
    band, and not quite to those few. Each pair is then verified on the sets of its
    shingles, for which the sets of candidates are brought together.

    Args:
        engine: runs the stages.
        documents: parts with columns id, text, bands and reason; those with a reason
            are dropped already.
        work: folder for the stages.
        ngram: words of a shingle, as the bands were made with.
        jaccard: least similarity, 0 to 1, as a share of the distinct shingles of both.
            They are compared as 32 bits: what sets of n have in common by chance adds
            n / 2**33 to it.

    Returns:
        Parts with node, neighbour (ids) and jaccard, each pair in both directions.
    """
    bands = engine.map_batches(
        documents, _band_rows, work / "bands", ["id", "bands", "reason"]
    )
    pairs = engine.group_by_key(bands, ["band"], _candidates, work / "candidates")
    sieve = Sieve.of(pairs, ["key", "other"]).save(work / "candidates.npy")
    sets = engine.map_batches(
        documents,
        functools.partial(_shingle_rows, sieve=sieve, ngram=ngram),
        work / "shingles",
        ["id", "text", "reason"],
    )
    sent = engine.group_by_key([*pairs, *sets], ["key"], _send, work / "sent")
    verify = functools.partial(_verify, jaccard=jaccard)
    return engine.group_by_key([*sent, *sets], ["key"], verify, work / "pairs")


def _band_rows(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    yield _BANDS.empty_table()
    for table in tables:
        table = table.filter(pc.is_null(table["reason"])).combine_chunks()
        bands = table["bands"]
        parents = pc.list_parent_indices(bands)
        keys = pc.list_flatten(bands).to_numpy().astype(np.uint64)
        yield pa.table(
            [pa.array(keys.view(np.int64)), table["id"].take(parents).cast(ID)],
            schema=_BANDS,
        )


def _candidates(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Documents of a band in pairs; the first one, `key`, has the smaller id."""
    yield _SETS.empty_table()
    for table in tables:
        bands, ids = table["band"].to_numpy(), id_array(table["id"])
        # A text that is in several places is one member.
        once = run_starts(bands, ids)
        bands, ids = bands[once], ids[once]
        start = first_of_run(run_starts(bands))
        size = np.bincount(start, minlength=len(start))[start]
        rows = np.flatnonzero(size > 1)
        for partner in range(_partners(size).max(initial=0)):
            rows = rows[partner < _partners(size[rows])]
            rows = rows[rows > start[rows] + partner]
            for piece in spans_of(np.full(len(rows), 32), _BYTES):
                chosen = rows[piece]
                yield _sets(ids[start[chosen] + partner], ids[chosen])


def _partners(size: np.ndarray) -> np.ndarray:
    """How many documents of a band of some sizes the others are paired with."""
    return np.minimum(size - 1, np.maximum(_PAIRS // size, _LEAST_PARTNERS))


def _sets(keys: np.ndarray, others: np.ndarray, sets: pa.Array | None = None):
    if sets is None:
        sets = pa.array([b""], pa.binary()).take(pa.array(np.zeros(len(keys), int)))
    return pa.table([id_column(keys), id_column(others), sets], schema=_SETS)


def _shingle_rows(
    tables: Iterable[pa.Table], sieve: Path, ngram: int
) -> Iterator[pa.Table]:
    candidates = Sieve.load(sieve)
    yield _SETS.empty_table()
    for table in tables:
        table = table.filter(pc.is_null(table["reason"]))
        ids = id_array(table["id"])
        chosen = np.flatnonzero(candidates.may_have(ids[:, 0]))
        texts = table["text"].take(chosen)
        for piece in spans_of(pc.binary_length(texts).to_numpy(), _TEXT_BYTES):
            batch = Batch(map(Document, texts[piece].to_pylist()))
            hashes, offsets = shingles(batch, ngram)
            hashes = (hashes >> np.uint64(32)).astype(np.uint32)
            sets = [
                np.unique(hashes[start:end])[:MOST_SHINGLES].tobytes()
                for start, end in zip(offsets[:-1], offsets[1:], strict=True)
            ]
            keys = ids[chosen[piece]]
            yield _sets(keys, np.zeros_like(keys), pa.array(sets, pa.binary()))


def _send(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The shingles of the first document of each pair, to the second."""
    yield _SETS.empty_table()
    for table in tables:
        keys, others, own, rows = _with_own(table)
        sizes = pc.binary_length(table["shingles"]).to_numpy()
        for piece in spans_of(sizes[own[rows]] + 32, _BYTES):
            chosen = rows[piece]
            sets = table["shingles"].take(own[chosen]).combine_chunks()
            yield _sets(others[chosen], keys[chosen], sets)


def _verify(tables: Iterable[pa.Table], jaccard: float) -> Iterator[pa.Table]:
    yield _PAIRED.empty_table()
    for table in tables:
        keys, others, own, rows = _with_own(table)
        column = table["shingles"].combine_chunks()
        sets = [np.frombuffer(value.as_buffer(), np.uint32) for value in column]
        found = np.array([similarity(sets[own[row]], sets[row]) for row in rows], float)
        alike = np.flatnonzero(found >= jaccard)
        nodes, neighbours = keys[rows[alike]], others[rows[alike]]
        yield pa.table(
            [
                id_column(np.concatenate([nodes, neighbours])),
                id_column(np.concatenate([neighbours, nodes])),
                pa.array(np.tile(found[alike], 2), pa.float64()),
            ],
            schema=_PAIRED,
        )


def _with_own(table: pa.Table) -> tuple[np.ndarray, ...]:
    """Ids, others, for each row the one with the document's own shingles; the pairs."""
    keys, others = id_array(table["key"]), id_array(table["other"])
    own = first_of_run(run_starts(keys))
    return keys, others, own, np.flatnonzero(run_starts(keys, others) & others.any(1))


def similarity(left: np.ndarray, right: np.ndarray, most: int = MOST_SHINGLES) -> float:
    """Jaccard similarity of two sets.

    Args:
        left, right: sorted and distinct.
        most: there are of a set; one of that many may be the smallest of a larger one:
            then both are compared up to where both are known (bottom-k sketches;
            Cohen and Kaplan, 2007).

    >>> similarity(np.array([1, 2, 3]), np.array([2, 3, 4]))
    0.5
    """
    cut = [known[-1] for known in (left, right) if len(known) == most]
    if cut:
        left = left[: np.searchsorted(left, min(cut), "right")]
        right = right[: np.searchsorted(right, min(cut), "right")]
    if not len(left) or not len(right):
        return 0.0
    place = np.searchsorted(right, left)
    place[place == len(right)] = 0
    common = np.count_nonzero(right[place] == left)
    return float(common / (len(left) + len(right) - common))
