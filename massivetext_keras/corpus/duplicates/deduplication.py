"""Which documents are dropped because others are the same, or nearly."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext_keras.corpus.duplicates.components import components
from massivetext_keras.corpus.duplicates.near_duplicates import near_duplicates
from massivetext_keras.corpus.duplicates.rows import (
    ID,
    first_of_run,
    id_array,
    id_column,
    id_less,
    run_starts,
)
from massivetext_keras.corpus.engines import Engine
from massivetext_keras.support.arguments import Positive, Share

EXACT = "deduplication.exact"
FUZZY = "deduplication.fuzzy"

_EXCERPT = 300  # characters
_PLACES = {
    "id": ID,
    "subset": pa.string(),
    "source": pa.string(),
    "position": pa.int64(),
}
_MEMBERS = pa.schema({**_PLACES, "survivor": ID})
_VERDICTS = pa.schema({**_PLACES, "reason": pa.string(), "survivor": ID})
_SIZES = pa.schema({"survivor": ID, "exact": pa.int64(), "fuzzy": pa.int64()})
_EXCERPTS = pa.schema({**_PLACES, "text": pa.string()})


class Cluster(NamedTuple):
    """Documents that say the same, for people.

    Attributes:
        survivor: id of the document that is kept, in hexadecimal.
        documents: in the cluster, with the one that is kept.
        exact, fuzzy: documents that were dropped as equal and as nearly equal.
        subset, source, position: where the one that is kept is.
        excerpt: how it begins.
    """

    survivor: str
    documents: int
    exact: int
    fuzzy: int
    subset: str
    source: str
    position: int
    excerpt: str


def find_duplicates(
    engine: Engine,
    documents: Sequence[Path],
    work: Path,
    *,
    fuzzy: bool = True,
    ngram: Positive = 13,
    jaccard: Share = 0.8,
) -> list[Path]:
    """Finds the documents that are dropped because another one says the same.

    Of equal texts the one of smallest (subset, source, position) survives. Documents
    that are nearly equal (see `near_duplicates`), or are connected through others that
    are, form a cluster, of which the text with the smallest id survives. Ids are hashes
    of texts, so that the result depends neither on the order of documents and parts nor
    on what they were found by.

    Args:
        engine: runs the stages.
        documents: parts with columns id, text, subset, source, position, bands and
            reason; those with a reason are dropped already.
        work: folder for the stages; they are taken from it if they are complete.
        fuzzy: drop near-duplicates, too; otherwise bands and texts are not read.
        ngram: words of a shingle, as the bands were made with.
        jaccard: least similarity of near-duplicates.

    Returns:
        Parts with one row for each dropped document: id, subset, source, position,
        reason ("deduplication.exact" or "deduplication.fuzzy") and survivor, the id
        that stands for it.
    """
    work = Path(work)
    members = engine.map_batches(
        documents, _places, work / "places", [*_PLACES, "reason"]
    )
    if fuzzy:
        pairs = near_duplicates(engine, documents, work, ngram=ngram, jaccard=jaccard)
        if any(pq.read_metadata(path).num_rows for path in pairs):
            stars = components(engine, pairs, work / "components")
            members += engine.map_batches(stars, _in_cluster, work / "clusters")
    return engine.group_by_key(members, ["id"], _verdicts, work / "duplicates")


def largest_clusters(
    engine: Engine,
    duplicates: Sequence[Path],
    documents: Sequence[Path],
    work: Path,
    *,
    most: int = 20,
) -> list[Cluster]:
    """The clusters with the most documents, the largest first.

    Args:
        engine: runs the stages.
        duplicates: parts that `find_duplicates` gave.
        documents: parts that it was given.
        work: folder for the stages.
        most: clusters.
    """
    work = Path(work)
    sizes = engine.group_by_key(
        duplicates, ["survivor"], _sizes, work / "sizes", ["survivor", "reason"]
    )
    ranked = (
        (-row["exact"] - row["fuzzy"], row["survivor"], row["exact"], row["fuzzy"])
        for path in sizes
        for batch in pq.ParquetFile(path).iter_batches()
        for row in batch.to_pylist()
    )
    largest = heapq.nsmallest(most, ranked)
    excerpts = functools.partial(_excerpts, ids=[one[1] for one in largest])
    columns = [*_EXCERPTS.names, "reason"]
    parts = engine.map_batches(documents, excerpts, work / "excerpts", columns)
    first: dict[bytes, dict[str, Any]] = {}
    for row in pa.concat_tables(map(pq.read_table, parts)).to_pylist():
        first[row["id"]] = min(first.get(row["id"], row), row, key=_place)
    return [
        Cluster(
            *(survivor.hex(), 1 - size, exact, fuzzy),
            *(*_place(first[survivor]), first[survivor]["text"]),
        )
        for size, survivor, exact, fuzzy in largest
    ]


def _places(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        table = table.filter(pc.is_null(table["reason"]))
        columns = [table[name] for name in _PLACES]
        yield pa.table([*columns, _no_ids(len(table))], schema=_MEMBERS)


def _in_cluster(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """A row before the places of a document, that names the survivor."""
    for table in tables:
        nodes, survivors = id_array(table["node"]), id_array(table["neighbour"])
        tied = id_less(survivors, nodes)
        count = np.count_nonzero(tied)
        yield pa.table(
            [
                id_column(nodes[tied]),
                pa.array([""] * count, pa.string()),
                pa.array([""] * count, pa.string()),
                pa.array(np.full(count, -1)),
                id_column(survivors[tied]),
            ],
            schema=_MEMBERS,
        )


def _verdicts(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        ids, survivors = id_array(table["id"]), id_array(table["survivor"])
        first = first_of_run(run_starts(ids))
        place = table["position"].to_numpy() >= 0
        near = ~place[first]
        rank = np.arange(len(first)) - first
        dropped = np.flatnonzero(place & (rank > 0))
        reasons = np.where(near & (rank == 1), FUZZY, EXACT)[dropped]
        survivors = np.where(near[:, None], survivors[first], ids)[dropped]
        columns = [table[name].take(dropped) for name in _PLACES]
        yield pa.table(
            [*columns, pa.array(reasons, pa.string()), id_column(survivors)],
            schema=_VERDICTS,
        )


def _sizes(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    yield _SIZES.empty_table()
    for table in filter(len, tables):
        survivors = id_array(table["survivor"])
        exact = pc.equal(table["reason"], EXACT).to_numpy().astype(int)
        starts = np.flatnonzero(run_starts(survivors))
        counts = (np.add.reduceat(values, starts) for values in (exact, 1 - exact))
        columns = [id_column(survivors[starts]), *map(pa.array, counts)]
        yield pa.table(columns, schema=_SIZES)


def _excerpts(tables: Iterable[pa.Table], ids: list[bytes]) -> Iterator[pa.Table]:
    wanted = pa.array(ids, ID)
    for table in tables:
        table = table.filter(
            pc.and_(pc.is_null(table["reason"]), pc.is_in(table["id"].cast(ID), wanted))
        )
        columns = [table[name] for name in _PLACES]
        texts = pc.utf8_slice_codeunits(table["text"], 0, _EXCERPT)
        yield pa.table([*columns, texts], schema=_EXCERPTS)


def _place(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["subset"], row["source"], row["position"]


def _no_ids(count: int) -> pa.Array:
    return id_column(np.zeros([count, 2], np.uint64))
