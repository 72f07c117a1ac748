"""Safetensors files that are written tensor by tensor, and read box by box."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  gives NumPy, and so safetensors, its bfloat16
import numpy as np
from safetensors import SafetensorError, safe_open

from massivetext_keras.support.files import replacing_file

_KINDS = {
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    "bfloat16": "BF16",
    "bool": "BOOL",
}
_ALIGNED = 8  # bytes: where the first tensor may begin
_PIECE = re.compile(r"(.*)@(\d+:\d+(?:,\d+:\d+)*)")  # name and box

Box = tuple[slice, ...]


class Kind(NamedTuple):
    """What is to be written of a tensor before the tensor is there.

    Attributes:
        dtype: of NumPy, or bfloat16.
        shape: of it.
    """

    dtype: np.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array) -> Kind:
        """Of anything with a shape and a dtype."""
        return cls(np.dtype(getattr(array.dtype, "name", array.dtype)), (*array.shape,))

    @property
    def nbytes(self) -> int:
        """Bytes of it."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def write_tensors(
    path: str | Path,
    kinds: Mapping[str, Kind],
    read: Callable[[str], np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Writes a safetensors file; never more than one tensor is in memory for it.

    Args:
        path: of the file; a reader sees the old one or the whole new one.
        kinds: of each tensor, by name; they lie in the file in this order.
        read: gives the tensor of a name, once for each, in this order.
        metadata: texts by name, for the file's head.

    Returns:
        SHA-256 of the file, in hexadecimal.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.

    >>> path = getfixture("tmp_path") / "x.safetensors"
    >>> array = np.arange(3, dtype="int32")
    >>> _ = write_tensors(path, {"a": Kind.of(array)}, {"a": array}.get)
    >>> Pieces([path]).read("a").tolist()
    [0, 1, 2]
    """
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, kind in kinds.items():
        end = start + kind.nbytes
        head[name] = {
            "dtype": _KINDS[kind.dtype.name],
            "shape": list(kind.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    digest = hashlib.sha256()
    with replacing_file(path) as draft, open(draft, "wb") as file:

        def write(data) -> None:
            file.write(data)
            digest.update(data)

        write(len(text).to_bytes(8, "little") + text)
        for name, kind in kinds.items():
            array = np.asarray(read(name), order="C")
            if Kind.of(array) != kind:
                raise ValueError(f"{name} is {Kind.of(array)}, not {kind} as was said")
            write(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def piece_name(name: str, box: Box) -> str:
    """Under which a box of a tensor is written where the rest is in other files.

    >>> piece_name("stack/kernel", (slice(0, 4), slice(8, 16)))
    'stack/kernel@0:4,8:16'
    """
    return f"{name}@" + ",".join(f"{x.start}:{x.stop}" for x in box)


class _Piece(NamedTuple):
    box: Box
    key: str
    file: safe_open


class Pieces:
    """Tensors that are in several files, whole or in boxes of which each has some.

    Args:
        paths: of the files.

    Attributes:
        kinds: of the whole tensors, by name.

    Raises:
        ValueError: a file is damaged, or some box of a tensor is in none of them.
    """

    def __init__(self, paths: Iterable[Path]):
        self._pieces: dict[str, list[_Piece]] = {}
        dtypes = {}
        for path in paths:
            try:
                file = safe_open(path, "np")
            except SafetensorError as error:
                raise ValueError(f"{path.name} is not readable: {error}") from None
            for key in file.keys():  # noqa: SIM118  the file is no Mapping
                view = file.get_slice(key)
                name, box = key, tuple(slice(0, n) for n in view.get_shape())
                if match := _PIECE.fullmatch(key):
                    name, box = match[1], _box(match[2])
                self._pieces.setdefault(name, []).append(_Piece(box, key, file))
                dtypes[name] = view.get_dtype()
        names = {written: name for name, written in _KINDS.items()}
        self.kinds = {
            name: Kind(np.dtype(names[dtypes[name]]), _covered(name, pieces))
            for name, pieces in self._pieces.items()
        }

    def read(self, name: str, box: Box | None = None) -> np.ndarray:
        """A tensor, or a box of it; what lies elsewhere is not read."""
        kind = self.kinds[name]
        if box is None:
            box = tuple(slice(0, size) for size in kind.shape)
        value = np.empty([x.stop - x.start for x in box], kind.dtype)
        for piece in self._pieces[name]:
            common = [
                slice(max(a.start, b.start), min(a.stop, b.stop))
                for a, b in zip(box, piece.box, strict=True)
            ]
            if any(x.start >= x.stop for x in common):
                continue
            if not common:
                return piece.file.get_tensor(piece.key)
            there = piece.file.get_slice(piece.key)[_within(common, piece.box)]
            value[_within(common, box)] = there
        return value


def _box(text: str) -> Box:
    return tuple(slice(*map(int, side.split(":"))) for side in text.split(","))


def _within(box: Sequence[slice], outer: Box) -> Box:
    """A box as seen from the first place of one that it is in."""
    pairs = zip(box, outer, strict=True)
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in pairs)


def _covered(name: str, pieces: Sequence[_Piece]) -> tuple[int, ...]:
    """The shape of a tensor whose boxes, each of them once, are all there."""
    boxes = [piece.box for piece in pieces]
    shape = tuple(max(x.stop for x in sides) for sides in zip(*boxes, strict=True))
    sizes = [np.prod([x.stop - x.start for x in box], dtype=int) for box in boxes]
    if sum(sizes) != np.prod(shape, dtype=int):
        raise ValueError(f"parts of {name} are missing")
    return shape
