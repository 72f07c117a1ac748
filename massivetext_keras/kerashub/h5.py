"""Weights of Keras 3 in and out of its HDF5 files, without Keras' own layers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from massivetext_keras.saving.weights import Shape, Tensors
from massivetext_keras.support.files import read_json, replacing_file

MODEL = "model.weights.h5"
TASK = "task.weights.h5"
INDEX = "model.weights.json"
_LAYERS = "layers/"
_BFLOAT16 = "bfloat16"


def read_h5(file: Path) -> Tensors:
    """Opens the variables of a file of `save_weights`, or of the shards of an index.

    Args:
        file: ending in .h5, or the `model.weights.json` that names shards.

    Returns:
        "layers/…/vars/0" -> array; what is not of a layer, such as an optimizer's, is
        passed over.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or, later, a variable does not hold floats.

    >>> path = getfixture("tmp_path") / "x.weights.h5"
    >>> write_h5(path, {"layers/dense/vars/0": np.ones([2, 3], np.float32)})
    >>> read_h5(path).shapes
    {'layers/dense/vars/0': (2, 3)}
    """
    shapes: dict[str, Shape] = {}
    homes: dict[str, Path] = {}
    for path in _shards(file) if file.suffix == ".json" else [file]:
        if not path.is_file():
            by = "" if path == file else f"; {file.name} names it"
            raise FileNotFoundError(f"{path}: no such file{by}")
        try:
            with h5py.File(path, "r") as opened:
                opened.visititems(functools.partial(_list, shapes))
        except OSError as error:
            raise ValueError(f"{path}: not readable HDF5 ({error})") from None
        homes |= {name: path for name in shapes if name not in homes}
    return Tensors(shapes, lambda name: _read(homes[name], name))


def write_h5(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file that `load_weights` reads; others see the old one or the new one.

    Args:
        path: of the file.
        arrays: float32, by names as `read_h5` gives them.
    """
    with replacing_file(path) as draft, h5py.File(draft, "w") as opened:
        for name, array in arrays.items():
            opened[name] = np.asarray(array, np.float32)


def _shards(index: Path) -> list[Path]:
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ValueError(f"{index}: not an index with a weight_map")
    names = {str(name) for value in files.values() for name in np.ravel(value)}
    return [index.parent / name for name in sorted(names)]


def _list(shapes: dict[str, Shape], name: str, found) -> None:
    if isinstance(found, h5py.Dataset) and name.startswith(_LAYERS):
        shapes[name] = tuple(found.shape)


def _read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path, "r") as opened:
        variable = opened[name]
        if variable.is_virtual or variable.external:
            raise ValueError(f"{path}: {name} lies in another file, which is not read")
        if variable.attrs.get("dtype") == _BFLOAT16:
            return variable[()].view(ml_dtypes.bfloat16)
        if variable.dtype.kind != "f":
            raise ValueError(f"{path}: {name} holds {variable.dtype}, not floats")
        return variable[()]
