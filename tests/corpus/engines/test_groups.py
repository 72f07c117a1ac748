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
    found, seen = [], set()
    everything = [*keys, *(name for name in SCHEMA.names if name not in keys)]
    by_row = functools.partial(order, names=everything)
    path = tmp_path / "rows.arrow"
    bucket_of = functools.partial(groups.hashed, keys, buckets)
    groups.write_batches(path, groups.scatter(iter(tables), bucket_of, buckets, 200))
    for bucket in range(buckets):
        read = functools.partial(groups.read_bucket, [path], bucket, buckets)
        for table in groups.sorted_groups(read, keys, SCHEMA.names, memory, tmp_path):
            assert table.schema == SCHEMA
            rows = table.to_pylist()
            assert rows == sorted(rows, key=by_row)
            here = {str(order(row, keys)) for row in rows}
            assert not here & seen
            seen |= here
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
    if buckets == 1 and memory == 10**6:
        assert found == sorted(rows, key=by_row)


def test_a_bucket_that_is_too_large_is_divided_again(tmp_path):
    """By another hash than the one that filled it, and groups stay whole."""
    table = pa.table({"key": np.arange(8000) // 2, "row": np.arange(8000)})
    bucket = groups.hashed(["key"], 4, table)
    one = table.filter(bucket == 1)
    again = groups.hashed(["key"], 4, one, again=True)
    assert set(again) == {0, 1, 2, 3}
    assert (np.bincount(again) > len(one) / 5).all()
    found = list(
        groups.sorted_groups(
            lambda: iter([one]), ["key"], ["key", "row"], one.nbytes, tmp_path
        )
    )
    assert len(found) >= 12  # of a sixth of the memory at most, in the mean half of it
    for part in found:
        rows = part["row"].to_pylist()
        assert rows == sorted(rows)
        assert rows[1::2] == [row + 1 for row in rows[::2]]
    assert pa.concat_tables(found).sort_by("row").equals(one)
    assert not list(tmp_path.iterdir())


def test_keys_without_a_plain_equality_are_refused():
    schema = pa.schema({"a": pa.float64(), "b": pa.int8()})
    groups.check_keys(schema, ["b"])
    with pytest.raises(TypeError, match="'a' is double: keys are integers"):
        groups.check_keys(schema, ["a", "b"])
