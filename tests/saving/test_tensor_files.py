"""Safetensors files tensor by tensor, and tensors out of boxes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.saving.tensor_files import (
    Kind,
    Pieces,
    piece_name,
    write_tensors,
)

ARRAYS = {
    "matrix": np.arange(6, dtype="float32").reshape(2, 3),
    "scalar": np.array(7, "int64"),
    "nothing": np.zeros([0, 4], "float16"),
    "seed": np.array([1, 2**32 - 1], "uint32"),
    "short": np.array([1.5, -2.0], ml_dtypes.bfloat16),
    "mask": np.array([True, False, True]),
    "columns": np.arange(6.0).reshape(2, 3).T,  # not contiguous
}


def written(path: Path, arrays: dict[str, np.ndarray], **options) -> str:
    kinds = {name: Kind.of(array) for name, array in arrays.items()}
    return write_tensors(path, kinds, arrays.__getitem__, **options)


def test_the_library_reads_what_is_written(tmp_path):
    path = tmp_path / "x.safetensors"
    digest = written(path, ARRAYS, metadata={"format": "ours"})
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = safetensors.numpy.load_file(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"format": "ours"}


def test_what_the_library_writes_is_read(tmp_path):
    path = tmp_path / "x.safetensors"
    arrays = {name: np.array(x, order="C") for name, x in ARRAYS.items()}
    safetensors.numpy.save_file(arrays, path)
    pieces = Pieces([path])
    for name, array in ARRAYS.items():
        assert pieces.kinds[name] == Kind.of(array)
        np.testing.assert_array_equal(pieces.read(name), array)


def test_one_tensor_is_asked_for_at_a_time(tmp_path):
    asked = []

    def read(name: str) -> np.ndarray:
        asked.append(name)
        return ARRAYS[name]

    kinds = {name: Kind.of(array) for name, array in ARRAYS.items()}
    write_tensors(tmp_path / "x", kinds, read)
    assert asked == list(ARRAYS)


def test_another_shape_than_was_said_leaves_no_file(tmp_path):
    kinds = {"a": Kind(np.dtype("float32"), (3,))}
    with pytest.raises(ValueError, match=r"a is Kind.*\(2,\).*, not Kind.*\(3,\)"):
        write_tensors(tmp_path / "x", kinds, lambda name: np.zeros(2, "float32"))
    assert not list(tmp_path.iterdir())


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    data=st.data(),
)
def test_any_box_is_read_from_any_cut(tmp_path_factory, shape, data):
    array = np.arange(np.prod(shape), dtype="int32").reshape(shape)
    cuts = [sorted(data.draw(st.sets(st.integers(0, n)))) for n in shape]
    edges = [sorted({0, *sides, size}) for sides, size in zip(cuts, shape, strict=True)]
    sides = [[slice(a, b) for a, b in zip(own, own[1:], strict=False)] for own in edges]
    grid = np.stack(np.meshgrid(*[range(len(x)) for x in sides], indexing="ij"), -1)
    boxes = [
        tuple(own[i] for own, i in zip(sides, place, strict=True))
        for place in grid.reshape(-1, len(shape))
    ]
    files = [{}, {}]
    for i, box in enumerate(boxes):
        files[i % 2][piece_name("a/b", box)] = array[box]
    folder = tmp_path_factory.mktemp("cut")
    for i, file in enumerate(files):
        written(folder / str(i), file)
    pieces = Pieces([folder / "0", folder / "1"])
    assert pieces.kinds == {"a/b": Kind.of(array)}
    np.testing.assert_array_equal(pieces.read("a/b"), array)
    starts = [data.draw(st.integers(0, n - 1)) for n in shape]
    stops = [
        data.draw(st.integers(start + 1, n))
        for start, n in zip(starts, shape, strict=True)
    ]
    box = tuple(map(slice, starts, stops))
    np.testing.assert_array_equal(pieces.read("a/b", box), array[box])


def test_a_box_that_is_in_no_file_is_missed(tmp_path):
    array = np.zeros([4, 2], "float32")
    boxes = [(slice(0, 1), slice(0, 2)), (slice(2, 4), slice(0, 2))]
    written(tmp_path / "x", {piece_name("a", box): array[box] for box in boxes})
    with pytest.raises(ValueError, match="parts of a are missing"):
        Pieces([tmp_path / "x"])


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"no")
    with pytest.raises(ValueError, match="x is not readable"):
        Pieces([tmp_path / "x"])
