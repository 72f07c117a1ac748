"""In how many bits the matrices of a model are stored, as one frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from massivetext_keras.support.values import Config, setting

# Names by which a model is asked for in fewer bits.
FORMS = ("int8", "int4", "float16", "bfloat16")
# A matrix with fewer rows or columns than this stays as it is: it would save nothing.
FEWEST = 16


class Part(NamedTuple):
    """An array of what is stored in place of a matrix."""

    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Storage(Config):
    """How the matrices of a model are stored.

    A matrix is stored as rows of what each output reads: a kernel [inputs, outputs] by
    its columns, a table of embeddings by its rows. Rows are independent of each other.

    Attributes:
        form: "int8", a code of 8 bits for each number and a scale for each row; "int4",
            codes of 4 bits, two in a byte, and a scale for each group of a row;
            "float16" or "bfloat16", the numbers themselves, rounded.
        group_size: numbers of a row that share a scale, of "int4": at most so many, in
            groups of one size.
        scaled_inputs: whether there is a factor for each input of the matrix, of
            "int4" (Lin et al., 2024).
        wide_scales: whether scales are float32, of "int4": those of models from
            elsewhere may have more digits than float16.

    >>> Storage("int4", group_size=32).parts((64, 100))["codes"]
    Part(shape=(64, 4, 13), dtype='uint8')
    """

    form: str = setting("int8", choices=FORMS)
    group_size: int = setting(32, least=2, most=1024)
    scaled_inputs: bool = False
    wide_scales: bool = False

    def groups(self, inputs: int) -> tuple[int, int]:
        """How many groups a row of "int4" has, and the even number of codes of each.

        >>> Storage("int4", group_size=32).groups(172)
        (6, 30)
        """
        count = -(-inputs // self.group_size)
        return count, 2 * -(-inputs // (2 * count))

    def parts(self, shape: Sequence[int]) -> dict[str, Part]:
        """The arrays that are stored in place of a matrix, by name.

        Args:
            shape: [..., rows, inputs].
        """
        *outer, inputs = shape
        if self.form == "int8":
            return {
                "codes": Part((*shape,), "int8"),
                "scales": Part((*outer,), "float32"),
            }
        if self.form != "int4":
            return {"codes": Part((*shape,), self.form)}
        (count, size), wide = self.groups(inputs), self.wide_scales
        parts = {
            "codes": Part((*outer, count, size // 2), "uint8"),
            "scales": Part((*outer, count), "float32" if wide else "float16"),
        }
        if self.scaled_inputs:
            parts["factors"] = Part((*outer[:-1], inputs), "float16")
        return parts


def stored_shapes(
    shapes: Mapping[str, Sequence[int]], storages: Mapping[str, Storage]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of a model of which some matrices are stored otherwise.

    Args:
        shapes: of all weights by path, kernels as [inputs, outputs].
        storages: of matrices by path.

    >>> shapes = {"a/kernel": (32, 48), "c/bias": (48,)}
    >>> stored_shapes(shapes, {"a/kernel": Storage()})
    {'a/kernel/codes': (48, 32), 'a/kernel/scales': (48,), 'c/bias': (48,)}
    """
    found: dict[str, tuple[int, ...]] = {}
    for path, shape in shapes.items():
        if path not in storages:
            found[path] = tuple(shape)
            continue
        parts = storages[path].parts(by_rows(path, shape))
        found |= {f"{path}/{name}": part.shape for name, part in parts.items()}
    return found


def by_rows(path: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a matrix by rows of what an output reads.

    >>> by_rows("qkv/kernel", (4, 6)), by_rows("tokens/embeddings", (9, 4))
    ((6, 4), (9, 4))
    """
    *outer, first, last = shape
    if path.endswith("embeddings"):
        return (*shape,)
    return (*outer, last, first)


def header_of(storages: Mapping[str, Storage]) -> dict[str, Any] | None:
    """What a preset says of the matrices that are stored otherwise, as JSON values.

    Matrices of one storage stand together.
    """
    if not storages:
        return None
    groups: dict[Storage, list[str]] = {}
    for path, storage in storages.items():
        groups.setdefault(storage, []).append(path)
    return {"storages": [{**s.to_dict(), "weights": w} for s, w in groups.items()]}


def read_header(header: Mapping[str, Any] | None) -> dict[str, Storage]:
    """The inverse of `header_of`.

    >>> storages = {"a/kernel": Storage(), "b/kernel": Storage("int4", 64)}
    >>> read_header(header_of(storages)) == storages
    True
    """
    found: dict[str, Storage] = {}
    for group in (header or {}).get("storages", ()):
        values = dict(group)
        paths = values.pop("weights")
        found |= dict.fromkeys(paths, Storage.from_dict(values))
    return found
