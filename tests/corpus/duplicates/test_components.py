"""Components against a search in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.duplicates.components import components
from massivetext_keras.corpus.duplicates.rows import id_array, id_column
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.planted import SortedEngine


def found(folder, edges, engine, **how):
    """node -> smallest node of its component, of the nodes that are not that."""
    edges = np.array(edges, np.uint64).reshape(-1, 2)
    edges = np.concatenate([edges, edges[:, ::-1]])
    columns = [
        id_column(np.stack([edges[:, side] >> 3, edges[:, side] & 7], 1).astype("u8"))
        for side in (0, 1)
    ]
    path = folder / "edges.parquet"
    pq.write_table(pa.table(columns, ["node", "neighbour"]), path)
    stars = components(engine, [path], folder / "work", **how)
    table = pa.concat_tables(map(pq.read_table, stars))
    pairs = [
        (ids[:, 0] * np.uint64(8) + ids[:, 1]).tolist()
        for ids in (id_array(table["node"]), id_array(table["neighbour"]))
    ]
    return {node: root for node, root in zip(*pairs, strict=True) if root < node}


def searched(edges):
    root = {}

    def find(node):
        while root.get(node, node) != node:
            node = root[node]
        return node

    for left, right in edges:
        low, high = sorted([find(left), find(right)])
        root[high] = low
    nodes = {node for edge in edges for node in edge}
    return {node: find(node) for node in nodes if find(node) != node}


EDGES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20)).filter(lambda e: e[0] != e[1]),
    min_size=1,
    max_size=25,
)


@given(EDGES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_components_of_any_graph(tmp_path_factory, edges, plain):
    engine = PlainEngine() if plain else SortedEngine()
    assert found(tmp_path_factory.mktemp("run"), edges, engine) == searched(edges)


def test_a_long_path_takes_few_rounds(tmp_path):
    order = np.random.default_rng(0).permutation(3000)
    edges = np.stack([order[:-1], order[1:]], 1)
    assert found(tmp_path, edges, SortedEngine()) == dict.fromkeys(range(1, 3000), 0)
    assert len(list((tmp_path / "work").iterdir())) <= 2 * 12


def test_it_says_when_rounds_are_too_few(tmp_path):
    with pytest.raises(RuntimeError, match="after 1 rounds"):
        found(tmp_path, [(0, 1), (1, 2), (2, 3)], SortedEngine(), most_rounds=1)
