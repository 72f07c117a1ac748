"""Connected components of a graph that is larger than memory."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext_keras.corpus.duplicates.rows import (
    ID,
    first_of_run,
    id_array,
    id_column,
    id_less,
    run_starts,
)
from massivetext_keras.corpus.engines import Engine

MOST_ROUNDS = 50  # of n nodes about log2(n)**2 / 8 are needed at worst, 3 or 4 usually

_EDGES = pa.schema({"node": ID, "neighbour": ID, "changed": pa.bool_()})

logger = logging.getLogger(__name__)


def components(
    engine: Engine,
    edges: Sequence[Path],
    work: Path,
    most_rounds: int = MOST_ROUNDS,
) -> Sequence[Path]:
    """Ties every node to the smallest id that it is connected with.

    Large-star and small-star in turns (Kiveris et al., "Connected components in
    MapReduce and beyond", 2014): each node ties its larger neighbours, then its smaller
    ones, to the smallest of all, until nothing changes. No more than the neighbours of
    one node are in memory.

    Args:
        engine: runs the stages.
        edges: parts with columns node and neighbour, each edge in both directions.
        work: folder for the stages.
        most_rounds: after which it gives up.

    Returns:
        Parts with node and neighbour; where the neighbour is the smaller one, it is
        the smallest id of the node's component. Nodes without edges do not occur.

    Raises:
        RuntimeError: not done after so many rounds.
    """
    for number in range(most_rounds):
        changed = False
        for size in ("large", "small"):
            star = functools.partial(_star, large=size == "large")
            folder = work / f"{number:02}-{size}-stars"
            columns = ["node", "neighbour"]
            edges = engine.group_by_key(edges, ["node"], star, folder, columns)
            changed = _changed(edges) or changed
        logger.debug("components: round %d, %s", number, "on" if changed else "done")
        if not changed:
            return edges
    raise RuntimeError(f"components are not connected after {most_rounds} rounds")


def _star(tables: Iterable[pa.Table], large: bool) -> Iterator[pa.Table]:
    yield _EDGES.empty_table()
    for table in tables:
        nodes, neighbours = id_array(table["node"]), id_array(table["neighbour"])
        # Sorted: the first neighbour of a node is its smallest.
        once = run_starts(nodes, neighbours)
        nodes, neighbours = nodes[once], neighbours[once]
        first = first_of_run(run_starts(nodes))
        if large:
            smallest = np.where(
                id_less(nodes, neighbours[first])[:, None], nodes, neighbours[first]
            )
            tied = id_less(nodes, neighbours)
            changed = (smallest != nodes).any(1)
            yield _edges(neighbours[tied], smallest[tied], changed[tied])
        else:
            # All neighbours are smaller here; the node itself is tied to the first.
            is_first = first == np.arange(len(first))
            ends = np.where(is_first[:, None], nodes, neighbours)
            starts = neighbours[first]
            yield _edges(ends, starts, ~is_first)
            yield _edges(starts, ends, ~is_first)


def _edges(nodes: np.ndarray, neighbours: np.ndarray, changed: np.ndarray) -> pa.Table:
    columns = [id_column(nodes), id_column(neighbours), pa.array(changed)]
    return pa.table(columns, schema=_EDGES)


def _changed(edges: Sequence[Path]) -> bool:
    return any(
        pc.any(batch.column(0)).as_py()
        for path in edges
        for batch in pq.ParquetFile(path).iter_batches(columns=["changed"])
    )
