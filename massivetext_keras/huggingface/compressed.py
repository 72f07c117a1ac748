"""Matrices in whole numbers as `compressed-tensors` writes them, in and out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from massivetext_keras.architecture.storage import FEWEST, Storage
from massivetext_keras.huggingface.rules import Rule, Table
from massivetext_keras.huggingface.schemes import Group, Scheme, scheme_of
from massivetext_keras.kernels.stored import decode, packed, unpacked
from massivetext_keras.saving.weights import Shape, Tensors

logger = logging.getLogger(__name__)

_WEIGHT, _PACKED, _SHAPE = ".weight", ".weight_packed", ".weight_shape"
_SCALE, _ZERO = ".weight_scale", ".weight_zero_point"
_WORD = 32  # bits
_MOST_GROUPED = 1024  # numbers that share a scale, of ours
_WHOLE = ("int8", "int4")  # forms of codes
_OUTPUT = "output/embeddings"  # an output layer of its own


def is_whole(name: str) -> bool:
    """Whether a tensor may hold whole numbers, by its name."""
    return name.endswith((_WEIGHT, _PACKED, _SHAPE, _ZERO))


class Matrix(NamedTuple):
    """A matrix of a folder in whole numbers.

    Attributes:
        layer: its name.
        shape: (outputs, inputs).
        scheme: how it is written.
        tensors: of the folder, by their names.
        where: the folder, for messages.
    """

    layer: str
    shape: Shape
    scheme: Scheme
    tensors: Mapping[str, np.ndarray]
    where: str

    def codes(self) -> np.ndarray:
        """int8 [outputs, inputs].

        Raises:
            ValueError: they are no codes of so many bits.
        """
        bits, most = self.scheme.bits, 1 << self.scheme.bits - 1
        name = self.layer + (_PACKED if self.scheme.packed else _WEIGHT)
        found = self.tensors[name]
        if found.dtype.name != ("int32" if self.scheme.packed else "int8"):
            raise ValueError(
                f"{self.where}: {name} holds {found.dtype}, no codes of {bits} bits"
            )
        if self.scheme.packed:
            return from_words(found, bits)[:, : self.shape[1]]
        if found.size and not -most <= found.min() <= found.max() < most:
            raise ValueError(f"{self.where}: {name} has codes of more than {bits} bits")
        return found

    def scales(self) -> np.ndarray:
        """float32 [outputs, scales of a row]."""
        outputs, inputs = self.shape
        scales = self.tensors[self.layer + _SCALE].astype("float32")
        scales = scales.reshape(-1, scales.shape[-1] if scales.ndim > 1 else 1)
        return np.broadcast_to(scales, (outputs, self.scheme.groups(inputs)))

    def floats(self) -> np.ndarray:
        """float32 [outputs, inputs], what it means."""
        codes, scales = self.codes().astype("float32"), self.scales()
        size = self.scheme.group_size or self.shape[1]
        return codes * np.repeat(scales, size, axis=1)[:, : self.shape[1]]

    def storage(self) -> Storage | None:
        """How it can be stored here, None in floats alone."""
        inputs, size = self.shape[1], self.scheme.group_size
        if self.scheme.bits == 8:
            return Storage("int8") if self.scheme.groups(inputs) == 1 else None
        size = min(size or inputs, inputs)
        if size % 2 or inputs % size or size > _MOST_GROUPED:
            return None
        return Storage("int4", size)


def in_floats(
    tensors: Tensors, groups: Iterable[Group], where: str
) -> tuple[Tensors, dict[str, Matrix]]:
    """Tensors of a folder, with matrices as the floats that they mean.

    Args:
        tensors: as they are in its files.
        groups: as `config.json` has them.
        where: the folder, for messages.

    Returns:
        The tensors as they would be without `quantization_config`, each read when it is
        asked for; and what is in whole numbers of them, by name.

    Raises:
        ValueError: a matrix is not what the groups say.
    """
    groups, matrices = tuple(groups), {}
    shapes = dict(tensors.shapes) if groups else {}
    for name in [name for name in shapes if name.endswith(_SCALE)]:
        layer = name.removesuffix(_SCALE)
        matrix = _matrix(tensors, groups, layer, where)
        for ending in (_WEIGHT, _PACKED, _SHAPE, _SCALE, _ZERO):
            shapes.pop(layer + ending, None)
        matrices[layer + _WEIGHT] = matrix
        shapes[layer + _WEIGHT] = matrix.shape
    if not matrices:
        return tensors, {}

    def read(name: str) -> np.ndarray:
        found = matrices[name].floats() if name in matrices else tensors[name]
        if found.dtype.kind in "iu":
            raise ValueError(f"{where}: {name} holds {found.dtype}, and has no scale")
        return found

    return Tensors(shapes, read), matrices


def _matrix(
    tensors: Tensors, groups: tuple[Group, ...], layer: str, folder: str
) -> Matrix:
    """The matrix of a layer, when its tensors have been looked at."""
    where = f"{folder}: {layer}"
    scheme, shapes = scheme_of(groups, layer), tensors.shapes
    if scheme is None:
        raise ValueError(
            f"{where} has a weight_scale, and is in no group of config.json"
        )
    needed = (_PACKED, _SHAPE) if scheme.packed else (_WEIGHT,)
    if missing := [x for x in needed if layer + x not in shapes]:
        raise ValueError(f"{where} has no {missing[0][1:]} beside its weight_scale")
    shape = shapes.get(layer + _WEIGHT, ())
    if scheme.packed:
        shape = tuple(map(int, tensors[layer + _SHAPE]))
    if len(shape) != 2:
        raise ValueError(f"{where}: its weight is {shape}, not [outputs, inputs]")
    outputs, inputs = shape
    words = (outputs, -(-inputs * scheme.bits // _WORD))
    if scheme.packed and shapes[layer + _PACKED] != words:
        raise ValueError(
            f"{where}: weight_packed is {shapes[layer + _PACKED]}, wanted {words} for "
            f"{scheme.bits} bits"
        )
    found, wanted = shapes[layer + _SCALE], (outputs, scheme.groups(inputs))
    if found not in (wanted, wanted[:1], (1,), (1, 1), ()) or (
        len(found) < 2 and wanted[1] > 1
    ):
        raise ValueError(f"{where}: weight_scale is {found}, wanted {wanted}")
    if layer + _ZERO in shapes and tensors[layer + _ZERO].any():
        raise ValueError(
            f"{where}: weight_zero_point is not zero, and is not supported"
        )
    return Matrix(layer, shape, scheme, tensors, folder)


def storages_of(
    table: Table, matrices: Mapping[str, Matrix], where: str
) -> dict[str, Storage]:
    """How matrices of ours are stored that come from such of a folder, by path.

    What has no such form here is left out, and said in the log.

    Args:
        table: see `rules`.
        matrices: by name, of `in_floats`.
        where: the folder, for the log.
    """
    found, left = {}, []
    for path, rule in table.items():
        parts = [matrices[name] for name in rule.parts if name in matrices]
        if not parts:
            continue
        storages = {part.storage() for part in parts}
        storage = storages.pop()
        whole = len(parts) == len(rule.parts) and not storages
        if storage is None or not whole or not _may_store(path, rule):
            left.append(path)
            continue
        if storage.form == "int4":
            scales = np.concatenate([part.scales().ravel() for part in parts])
            with np.errstate(over="ignore"):
                narrow = scales.astype("float16")
            storage = storage.replace(wide_scales=not np.array_equal(narrow, scales))
        found[path] = storage
    if left:
        logger.warning(
            "%s: %d matrices are read as the floats that they mean, since there is no "
            "such form for them: %s",
            where,
            len(left),
            ", ".join(left[:3]) + ", …" * (len(left) > 3),
        )
    return found


def read_part(
    name: str, rule: Rule, storage: Storage, matrices: Mapping[str, Matrix]
) -> np.ndarray:
    """An array of those that are stored in place of a matrix, the codes as they are.

    Args:
        name: of `storage.parts`.
        rule: of the matrix.
        storage: of `storages_of`.
        matrices: by name.
    """
    if name == "scales":
        scales = {part: matrices[part].scales() for part in rule.parts}
        count = next(iter(scales.values())).shape[1]
        array = _by_rows(rule.with_inputs(count), scales)
        if storage.form == "int8":
            return array[..., 0]
        return array if storage.wide_scales else array.astype("float16")
    codes = _by_rows(rule, {part: matrices[part].codes() for part in rule.parts})
    if storage.form == "int8":
        return codes
    count, size = storage.groups(codes.shape[-1])
    groups = codes.reshape(*codes.shape[:-1], count, size)
    return packed(groups.astype("float32")).numpy()


def split(
    table: Table,
    arrays: Mapping[str, np.ndarray],
    storages: Mapping[str, Storage],
    packed: bool = True,
) -> tuple[dict[str, np.ndarray], dict[str, Scheme]]:
    """Tensors of theirs from ours, whole numbers where the format has a place for them.

    Args:
        table: see `rules`.
        arrays: by path; of what is in `storages` its parts, by path and name.
        storages: of matrices that are stored in fewer bits, by path.
        packed: whether codes lie side by side in int32.

    Returns:
        The tensors, and how the matrices of layers are written, by name of the layer.
    """
    schemes = _schemes(table, storages, packed)
    tensors: dict[str, np.ndarray] = {}
    of_layers: dict[str, Scheme] = {}
    for path, rule in table.items():
        if path not in storages:
            tensors |= rule.split(arrays[path])
            continue
        storage, inputs = storages[path], _inputs(path, rule)
        parts = {k: arrays[f"{path}/{k}"] for k in storage.parts((1, 1))}
        if path in schemes:
            tensors |= _whole(path, rule, schemes[path], parts, inputs)
            layers = [name.removesuffix(_WEIGHT) for name in rule.parts]
            of_layers |= dict.fromkeys(layers, schemes[path])
            continue
        rows = parts["codes"]
        if storage.form in _WHOLE:
            rows = decode(storage, parts, inputs).numpy()
        tensors |= _split_rows(path, rule, rows)
    return tensors, of_layers


def to_words(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes of 8 or 4 bits in int32, the first in the lowest bits, zeros at the end.

    Args:
        codes: int8 [outputs, inputs].
        bits: of a code.

    >>> to_words(np.array([[-8, 7, 0]], "int8"), 4).tolist()
    [[2288]]
    """
    found = (codes.astype("int16") + (1 << bits - 1)).astype("uint8")
    missing = -found.shape[1] % (_WORD // bits)
    found = np.pad(found, [(0, 0), (0, missing)])
    if bits == 4:
        found = found[:, ::2] | found[:, 1::2] << 4
    return np.ascontiguousarray(found).view("<i4").astype("int32")


def from_words(words: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of `to_words`, with what fills the last word.

    >>> from_words(np.array([[2288]], "int32"), 4).tolist()
    [[-8, 7, 0, -8, -8, -8, -8, -8]]
    """
    found = np.ascontiguousarray(words, "<i4").view("uint8")
    if bits == 4:
        found = np.stack([found & 15, found >> 4], axis=-1).reshape(len(words), -1)
    return (found.astype("int16") - (1 << bits - 1)).astype("int8")


def _schemes(
    table: Table, storages: Mapping[str, Storage], packed: bool
) -> dict[str, Scheme]:
    """How matrices of ours are written, by path; the others are in floats."""
    found = {}
    for path, storage in storages.items():
        rule = table[path]
        # What is not so is no Linear of torch, or none without more factors.
        if not (rule.transposed or path == _OUTPUT) or storage.scaled_inputs:
            continue
        if storage.form == "int8":
            found[path] = Scheme(8, None, packed)
        elif storage.form == "int4":
            inputs = _inputs(path, rule)
            count, size = storage.groups(inputs)
            if count * size == inputs:
                found[path] = Scheme(4, size, packed)
    # transformers reads experts all in one way, and none in floats beside what is not.
    experts = [path for path, rule in table.items() if len(rule.shape) > 2]
    if experts and (len({*found.values()}) > 1 or not found.keys() >= {*experts}):
        return {}
    return found


def _whole(
    path: str, rule: Rule, scheme: Scheme, parts: Mapping[str, np.ndarray], inputs: int
) -> dict[str, np.ndarray]:
    """Tensors of theirs from what is stored in place of a matrix."""
    codes, scales = parts["codes"], parts["scales"]
    if scheme.bits == 8:
        scales = scales[..., None]
    else:
        codes = unpacked(codes).numpy().astype("int8")
        codes = codes.reshape(*codes.shape[:-2], inputs)
    found = {}
    for name, array in _split_rows(path, rule, codes).items():
        layer = name.removesuffix(_WEIGHT)
        if scheme.packed:
            found[layer + _PACKED] = to_words(array, scheme.bits)
            found[layer + _SHAPE] = np.array(array.shape, "int64")
        else:
            found[name] = array
    narrow = rule.with_inputs(scales.shape[-1])
    for name, array in _split_rows(path, narrow, scales).items():
        found[name.removesuffix(_WEIGHT) + _SCALE] = array.astype("float32")
    return found


def _split_rows(path: str, rule: Rule, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors of theirs from an array of ours by rows of what an output reads."""
    return rule.split(rows.swapaxes(-1, -2) if _is_kernel(path) else rows)


def _by_rows(rule: Rule, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The inverse of `_split_rows`, of what `_may_store`."""
    array = rule.join(arrays)
    return np.ascontiguousarray(array.swapaxes(-1, -2) if rule.transposed else array)


def _inputs(path: str, rule: Rule) -> int:
    """What an output reads of a matrix of ours."""
    return rule.shape[-2 if _is_kernel(path) else -1]


def _is_kernel(path: str) -> bool:
    return path.endswith("/kernel")


def _may_store(path: str, rule: Rule) -> bool:
    """Whether a matrix of ours may be stored in fewer bits."""
    is_matrix = rule.transposed or path.endswith("/embeddings")
    is_router = path.endswith("/router/kernel")
    return is_matrix and not is_router and min(rule.shape[-2:]) >= FEWEST
