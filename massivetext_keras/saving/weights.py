"""Weights of any Keras model in and out of safetensors files."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import ml_dtypes  # noqa: F401  gives NumPy, and so safetensors, its bfloat16
import numpy as np
from safetensors import SafetensorError, safe_open

from massivetext_keras.saving.tensor_files import Kind, write_tensors

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")
_WHOLE = ("I8", "U8", "I32", "I64")  # of what stands for a matrix
_MOST_LISTED = 10
_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_POINTER = b"version https://git-lfs"
_NO_PICKLE = "only safetensors are read: a pickle can run code"

Shape = tuple[int, ...]
# The first pattern that a folder has, instead of weights that are read, and what to do.
_OTHERS = {
    "tf_model*.h5": "weights of TensorFlow: `AutoModel…from_pretrained(folder, "
    "from_tf=True).save_pretrained(folder)` of transformers 4 writes safetensors",
    "flax_model*.msgpack": "weights of Flax: `AutoModel…from_pretrained(folder, "
    "from_flax=True).save_pretrained(folder)` of transformers 4 writes safetensors",
    "pytorch_model*.bin*": "pickles, which can run code: `AutoModel…from_pretrained("
    "folder).save_pretrained(folder)` of transformers writes safetensors",
    "*.p[tk][hl]": "pickles, which can run code: save the model in safetensors",
    "*.pt": "pickles, which can run code: save the model in safetensors",
    "*.onnx": "a graph of ONNX, which has no weights by name: give the folder that it "
    "was made from",
    "*.ckpt*.index": 'a checkpoint of TensorFlow: of BERT it is read as "bert:FOLDER", '
    'of T5 as "t5:FOLDER"',
    "*.gguf": 'weights of llama.cpp: give the file, "gguf:FOLDER/FILE"',
}


class Tensors(Mapping[str, np.ndarray]):
    """Named arrays that are read when asked for; their shapes are known before.

    Args:
        shapes: of every array, by name.
        read: gives the array of a name in `shapes`.

    >>> zeros = Tensors({"a": (2,)}, lambda name: np.zeros(2))
    >>> zeros.shapes["a"], zeros["a"].tolist(), "b" in zeros
    ((2,), [0.0, 0.0], False)
    """

    def __init__(
        self, shapes: Mapping[str, Shape], read: Callable[[str], np.ndarray]
    ) -> None:
        self.shapes, self._read = dict(shapes), read

    def only(self, names: Iterable[str]) -> Tensors:
        """Those with these names."""
        return Tensors({name: self.shapes[name] for name in names}, self._read)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.shapes:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def named_weights(model: keras.layers.Layer) -> dict[str, keras.Variable]:
    """The weights of a built model or layer by path, without its own name.

    Numbers that no training step fits (seeds, counters, metrics) are not among them.

    Raises:
        ValueError: two weights have one path.

    >>> layers = [keras.Input([3]), keras.layers.Dense(2, name="d")]
    >>> sorted(named_weights(keras.Sequential(layers)))
    ['d/bias', 'd/kernel']
    """
    named: dict[str, keras.Variable] = {}
    for variable in model.weights:
        name = variable.path.removeprefix(f"{model.name}/")
        if not (keras.backend.is_float_dtype(variable.dtype) or _is_codes(name)):
            continue
        if name in named:
            raise ValueError(f"two weights of {model.name!r} have the path {name!r}")
        named[name] = variable
    return named


def arrays_of(
    model: keras.Model | Mapping[str, np.ndarray | keras.Variable],
) -> dict[str, np.ndarray]:
    """The weights of a model, or arrays by name, as arrays in memory."""
    if isinstance(model, keras.Model):
        model = named_weights(model)
    return {name: array_of(weight) for name, weight in model.items()}


def array_of(weight: Any) -> np.ndarray:
    """A variable or a tensor as an array; of one in parts on a mesh nothing is kept."""
    return np.asarray(weight.numpy() if hasattr(weight, "numpy") else weight)


def save_weights(
    model: keras.Model | Mapping[str, keras.Variable], path: str | Path
) -> Path:
    """Writes the weights of a model; a reader sees the old file or the whole new one.

    Args:
        model: any built model, or its weights by name.
        path: a folder, made if there is none, for `model.safetensors`; or a file whose
            name ends in .safetensors.

    Returns:
        The file.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path / FILE
    weights = named_weights(model) if isinstance(model, keras.Model) else model
    kinds = {name: Kind.of(weight) for name, weight in weights.items()}
    metadata = {"format": "massivetext_keras"}
    write_tensors(path, kinds, lambda name: array_of(weights[name]), metadata)
    return path


def save_arrays(
    arrays: Mapping[str, np.ndarray], path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes a safetensors file; a reader sees the old file or the whole new one."""
    kinds = {name: Kind.of(array) for name, array in arrays.items()}
    write_tensors(path, kinds, arrays.__getitem__, metadata)


def read_tensors(
    path: str | Path, is_whole: Callable[[str], bool] | None = None
) -> Tensors:
    """Opens the tensors of a file or a folder; each is read when it is asked for.

    Args:
        path: a .safetensors file, or a folder with `model.safetensors`, or with
            `model.safetensors.index.json` and the shards that it names.
        is_whole: tells names of what may hold whole numbers (None: those that end in
            /codes, see `architecture.storage`).

    Returns:
        Name -> float64, float32, float16 or bfloat16 array, as it is stored.

    Raises:
        FileNotFoundError: there is no such file or folder, or a shard is missing.
        ValueError: a file is damaged, or, later, a tensor does not hold floats.
    """
    path, is_whole = Path(path), is_whole or _is_codes
    if not path.is_dir():
        return _open([path], is_whole)
    if (path / FILE).exists():
        return _open([path / FILE], is_whole)
    if (path / INDEX).exists():
        return _open_shards(path / INDEX, is_whole)
    others = sorted(p.name for p in path.glob("*.safetensors"))
    hint = f"; there is {', '.join(others)}" if others else ""
    hint = hint or other_weights(path)
    raise FileNotFoundError(f"{path}: neither {FILE} nor {INDEX} is here{hint}")


def assign(
    model: keras.Model | Mapping[str, keras.Variable],
    tensors: Mapping[str, np.ndarray],
) -> None:
    """Sets every weight of a model; if anything does not fit, none.

    Args:
        model: any built model, or its weights by name.
        tensors: an array for every name in `named_weights(model)`, of its shape.

    Raises:
        ValueError: lists what is missing, left over, or of another shape.

    >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, name="d")])
    >>> assign(model, {"d/kernel": np.array([[2.0]]), "d/bias": np.array([1.0])})
    >>> model(np.array([[3.0]])).numpy().tolist()
    [[7.0]]
    """
    named, whose = model, "model"
    if isinstance(model, keras.Model):
        named, whose = named_weights(model), f"model {model.name!r}"
    wanted = {name: tuple(variable.shape) for name, variable in named.items()}
    if isinstance(tensors, Tensors):
        found = tensors.shapes
    else:
        found = {name: np.shape(array) for name, array in tensors.items()}
    check_shapes(wanted, found, f"the weights do not fit the {whose}")
    for name, variable in named.items():
        variable.assign(tensors[name])


def check_shapes(
    wanted: Mapping[str, Shape], found: Mapping[str, Shape], problem: str
) -> None:
    """Compares names and shapes.

    Args:
        wanted: shapes by name.
        found: shapes by name.
        problem: the first line of the error.

    Raises:
        ValueError: lists what is missing, left over, or of another shape.

    >>> check_shapes({"a": (2, 3)}, {"a": (3, 2), "b": (1,)}, "no")
    Traceback (most recent call last):
    ValueError: no:
      left over: b (1,)
      wrong shape: a is (3, 2), wanted (2, 3)
    """
    lines = [f"missing: {n} {s}" for n, s in wanted.items() if n not in found]
    lines += [f"left over: {n} {s}" for n, s in found.items() if n not in wanted]
    lines += [
        f"wrong shape: {name} is {found[name]}, wanted {shape}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if lines:
        more = len(lines) - _MOST_LISTED
        tail = [f"and {more} more"] if more > 0 else []
        raise ValueError("\n  ".join([f"{problem}:", *lines[:_MOST_LISTED], *tail]))


def _open(paths: list[Path], is_whole: Callable[[str], bool]) -> Tensors:
    shapes, homes = {}, {}
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        if path.suffix in _PICKLED:
            raise ValueError(f"{path}: {_NO_PICKLE}")
        try:
            file = safe_open(path, "np")
        except (SafetensorError, OSError) as error:
            reason = str(error)
            with path.open("rb") as begun:
                if begun.read(len(_POINTER)) == _POINTER:
                    reason = "a pointer of Git LFS: `git lfs pull` fetches the file"
            raise ValueError(f"{path}: not readable safetensors ({reason})") from None
        for name in file.keys():  # noqa: SIM118  the file is no Mapping
            shapes[name] = tuple(file.get_slice(name).get_shape())
            homes[name] = path, file
    return Tensors(shapes, functools.partial(_read, homes, is_whole))


def _open_shards(index: Path, is_whole: Callable[[str], bool]) -> Tensors:
    try:
        names = json.loads(index.read_bytes())["weight_map"]
        shards = [index.parent / shard for shard in sorted(set(names.values()))]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{index}: not an index with a weight_map") from None
    for shard in shards:
        if not shard.is_file():
            raise FileNotFoundError(f"{shard}: the shard is missing; {INDEX} names it")
    tensors = _open(shards, is_whole)
    for name, shard in names.items():
        if name not in tensors:
            raise ValueError(f"{index.parent / shard}: {name} is missing")
    return tensors


def _read(
    homes: Mapping[str, tuple], is_whole: Callable[[str], bool], name: str
) -> np.ndarray:
    path, file = homes[name]
    kind = file.get_slice(name).get_dtype()
    if kind not in _FLOATS and not (is_whole(name) and kind in _WHOLE):
        raise ValueError(
            f"{path}: {name} holds {kind}, not one of {', '.join(_FLOATS)}"
        )
    return file.get_tensor(name)


def _is_codes(name: str) -> bool:
    """Whether a name is that of the whole numbers that stand for a matrix."""
    return name.endswith("/codes")


def other_weights(folder: Path) -> str:
    """What to do about weights in a form that is not read, "" if there are none."""
    for pattern, advice in _OTHERS.items():
        if found := sorted(path.name for path in folder.glob(pattern)):
            more = f" and {len(found) - 1} more" if found[1:] else ""
            return f"; there is {found[0]}{more}, {advice}"
    return ""
