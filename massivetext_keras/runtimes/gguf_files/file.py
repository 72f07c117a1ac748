"""Files of GGUF: a header of values and tensors of several types, in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from massivetext_keras.saving.weights import Tensors
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import expanded

EXTRA = "gguf"
# Our name of a type of numbers -> that of ggml.
WEIGHT_TYPES = {"float32": "F32", "float16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
_BLOCK = 32  # numbers that share a scale
_MAGIC = b"GGUF"


def write_file(
    file: Path,
    architecture: str,
    values: Mapping[str, Any],
    tensors: Iterator[tuple[str, np.ndarray]],
    weight_type: str,
) -> None:
    """Writes a file of GGUF.

    Args:
        file: to write.
        architecture: its `general.architecture`.
        values: of the header, by their whole keys.
        tensors: by name, float32 [out, in] or [n], each made when it is its turn.
        weight_type: one of `WEIGHT_TYPES`, of matrices; what has one axis, and
            positions, are float32, and a matrix whose rows are not blocks of 32 numbers
            is float16 where others are of 8 or 4 bits.
    """
    gguf = need("gguf", EXTRA)
    kinds = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(None, architecture)
    for key, value in values.items():
        _adder(writer, value)(key, value)
    file_types = gguf.LlamaFileType
    name = WEIGHT_TYPES[weight_type]
    of_file = "ALL_F32" if name == "F32" else f"MOSTLY_{name}"
    writer.add_file_type(file_types[of_file])
    for name, array in tensors:
        kind = kinds[_type_of(name, array, weight_type)]
        data = gguf.quants.quantize(np.ascontiguousarray(array, np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file(path=file)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _type_of(name: str, array: np.ndarray, weight_type: str) -> str:
    if array.ndim < 2 or name.startswith("position"):
        return "F32"
    if weight_type.startswith("q") and array.shape[-1] % _BLOCK:
        return "F16"
    return WEIGHT_TYPES[weight_type]


def _adder(writer: Any, value: Any) -> Callable[[str, Any], None]:
    """What adds a value of its type."""
    adders = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    return adders[type(value)]


class File:
    """A file of GGUF; tensors are read when they are asked for.

    Args:
        path: of it.

    Attributes:
        values: of its header, by their keys.
        tensors: float32 arrays by name, whatever they are stored as.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is none of GGUF, or of a version that is not read.
    """

    def __init__(self, path: str | Path):
        self.path = expanded(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: no such file")
        with self.path.open("rb") as begun:
            if begun.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{self.path}: not a file of GGUF")
        gguf = need("gguf", EXTRA)
        try:
            reader = gguf.GGUFReader(self.path)
        except (ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path}: not readable GGUF ({error})") from None
        self.values = {
            name: _shortest(field.contents())
            for name, field in reader.fields.items()
            if not name.startswith("GGUF.")
        }
        stored = {tensor.name: tensor for tensor in reader.tensors}
        shapes = {
            name: tuple(int(size) for size in reversed(tensor.shape.tolist()))
            for name, tensor in stored.items()
        }

        def read(name: str) -> np.ndarray:
            tensor = stored[name]
            array = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            return array.astype(np.float32).reshape(shapes[name])

        self.tensors = Tensors(shapes, read)

    def section(self, name: str) -> dict[str, Any]:
        """The values whose keys begin with a name and a dot, by the rest of the key."""
        start = f"{name}."
        return {
            key.removeprefix(start): value
            for key, value in self.values.items()
            if key.startswith(start)
        }


def _shortest(value: Any) -> Any:
    """A float32 as the shortest decimal number that is rounded to it; all else as is.

    >>> _shortest(float(np.float32(1e-5))), _shortest("a")
    (1e-05, 'a')
    """
    return float(str(np.float32(value))) if isinstance(value, float) else value
