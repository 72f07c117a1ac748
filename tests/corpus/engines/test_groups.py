"""Rows with equal keys, brought together."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.engines import groups

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "key": pa.int64(),
        "hash": pa.binary(2),
        "bands": pa.list_(pa.uint64()),
    }
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | st.text("aé\0\uffff😀", max_size=3),
            "key": st.none() | st.integers(-2, 2),
            "hash": st.none() | st.sampled_from([b"\0\0", b"\0\x80", b"\xff\0"]),
            "bands": st.none() | st.lists(st.sampled_from([0, 2**64 - 1]), max_size=2),
        }
    ),
    max_size=30,
)


def order(row, names):
    """As rows are sorted: nulls first, strings by their bytes."""
    values = [row[name] for name in names]
    values = [one.encode() if isinstance(one, str) else one for one in values]
    return [(one is not None, one) if one is not None else (False,) for one in values]


def tables_of(rows, each):
    starts = range(0, max(len(rows), 1), each)
    return [pa.Table.from_pylist(rows[at : at + each], SCHEMA) for at in starts]


def gathered(tables, keys, tmp_path, memory, buckets):
    """The groups of all buckets, as lists of rows; checks that none is divided."""
    found = []
    path = tmp_path / "rows.arrow"
    bucket_of = functools.partial(groups.hashed, keys, buckets)
    groups.write_batches(path, groups.scatter(iter(tables), bucket_of, buckets, 200))
    for bucket in range(buckets):
        read = functools.partial(groups.read_bucket, [path], bucket, buckets)
        ends = []
        for table in groups.sorted_groups(read, keys, SCHEMA.names, memory, tmp_path):
            assert table.schema == SCHEMA
            rows = table.to_pylist()
            if rows:
                first, last = (order(rows[end], keys) for end in (0, -1))
                assert not ends or ends[-1] < first
                ends.append(last)
            found += rows
    return found


@settings(max_examples=40)
@given(
    rows=ROWS,
    keys=st.sampled_from([["key"], ["name"], ["hash", "key"]]),
    memory=st.sampled_from([10**6, 600]),
    buckets=st.integers(1, 3),
)
def test_rows_are_grouped_and_sorted(tmp_path_factory, rows, keys, memory, buckets):
    folder = tmp_path_factory.getbasetemp()
    found = gathered(tables_of(rows, 4), keys, folder, memory, buckets)
    everything = [*keys, *(name for name in SCHEMA.names if name not in keys)]
    by_row = functools.partial(order, names=everything)
    expected: dict = {}
    for row in sorted(rows, key=by_row):
        expected.setdefault(str(order(row, keys)), []).append(row)
    actual: dict = {}
    for row in found:
        actual.setdefault(str(order(row, keys)), []).append(row)
    assert actual == expected
    if buckets == 1:
        assert found == sorted(rows, key=by_row)


@pytest.mark.parametrize("long", [0, 100, 300])
def test_ranges_divide_what_is_too_large(tmp_path, long):
    """Unless rows agree in all that is looked at, as with keys of 300 bytes."""
    start = "k" * long
    rows = [{"name": f"{start}{n * 7 % 100:03}", "key": 1} for n in range(100)]
    read = functools.partial(iter, tables_of(rows, 10))
    order, size = ["name", "key", "hash", "bands"], 100 * (long + 3 + 8 + 2)
    bounds = groups._bounds(read, order, size // 4)
    ranges = groups._ranged(order, bounds, pa.concat_tables(read()))
    sizes = [many for many in np.bincount(ranges) if many]
    assert max(sizes) <= 30 if long < 256 else sizes == [100]
    names = pa.concat_tables(read())["name"].to_numpy()
    assert (np.diff(ranges[np.argsort(names)]) >= 0).all()
    found = groups.sorted_groups(read, ["name"], SCHEMA.names, size, tmp_path)
    names = pa.concat_tables(found)["name"].to_pylist()
    assert names == [f"{start}{n:03}" for n in range(100)]
    assert not list(tmp_path.iterdir())


def test_keys_without_a_plain_equality_are_refused():
    schema = pa.schema({"a": pa.float64(), "b": pa.int8()})
    groups.check_keys(schema, ["b"])
    with pytest.raises(TypeError, match="'a' is double: keys are integers"):
        groups.check_keys(schema, ["a", "b"])
