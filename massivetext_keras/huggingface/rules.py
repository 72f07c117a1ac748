"""How tensors of theirs become one of ours, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from massivetext_keras.saving.weights import Shape


class Rule(NamedTuple):
    """Tensors of theirs which, side by side along the last axis, are one of ours.

    Attributes:
        parts: their names, in order, and their shapes.
        shape: of our variable.
        transposed: theirs are [..., out, in], as in torch's `Linear`; ours are
            [..., in, out].
        view: shape to give to the joined array before `axes` are permuted.
        axes: the order of the axes of `view`; none: it stays as it is.
        flat: shapes to give to the parts before all else; none: they stay as they are.
    """

    parts: dict[str, Shape]
    shape: Shape
    transposed: bool = False
    view: Shape = ()
    axes: tuple[int, ...] = ()
    flat: tuple[Shape, ...] = ()

    def join(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Our variable from their tensors.

        >>> rule = Rule({"q": (1, 2), "k": (1, 2)}, (2, 2), transposed=True)
        >>> rule.join({"q": np.array([[1, 2]]), "k": np.array([[3, 4]])}).tolist()
        [[1, 3], [2, 4]]
        """
        flat = zip(self.parts, self._flat, strict=True)
        arrays = [self._turn(tensors[name].reshape(shape)) for name, shape in flat]
        array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
        if self.axes:
            array = array.reshape(self.view).transpose(self.axes)
        return array.reshape(self.shape)

    def split(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Their tensors from our variable, the inverse of `join`.

        >>> rule = Rule({"q": (1, 2), "k": (1, 2)}, (2, 2), transposed=True)
        >>> {k: v.tolist() for k, v in rule.split(np.array([[1, 3], [2, 4]])).items()}
        {'q': [[1, 2]], 'k': [[3, 4]]}
        """
        if self.axes:
            array = array.reshape([self.view[axis] for axis in self.axes])
            array = array.transpose(np.argsort(self.axes))
        shapes = [turned(s) if self.transposed else s for s in self._flat]
        ends = np.cumsum([shape[-1] for shape in shapes])
        arrays = np.split(array.reshape(*shapes[0][:-1], -1), ends[:-1], axis=-1)
        return {
            name: np.ascontiguousarray(self._turn(array)).reshape(shape)
            for (name, shape), array in zip(self.parts.items(), arrays, strict=True)
        }

    @property
    def _flat(self) -> tuple[Shape, ...]:
        return self.flat or tuple(self.parts.values())

    def with_inputs(self, inputs: int) -> Rule:
        """The same rule for matrices whose outputs read so many numbers each, such as
        the scales of their rows.

        >>> Rule({"q": (1, 2), "k": (1, 2)}, (2, 2), transposed=True).with_inputs(5)[:2]
        ({'q': (1, 5), 'k': (1, 5)}, (5, 2))
        """
        parts = {name: (*shape[:-1], inputs) for name, shape in self.parts.items()}
        shape = (*self.shape[:-1], inputs)
        if self.transposed:
            shape = turned((*turned(self.shape)[:-1], inputs))
        view = (inputs, *self.view[1:]) if self.view else ()
        return self._replace(parts=parts, shape=shape, view=view)

    def _turn(self, array: np.ndarray) -> np.ndarray:
        return array.swapaxes(-1, -2) if self.transposed else array


# Names of our variables -> how each comes from theirs.
Table = dict[str, Rule]


def turned(shape: Shape) -> Shape:
    """A shape with its last two axes exchanged.

    >>> turned((2, 3, 5))
    (2, 5, 3)
    """
    return (*shape[:-2], shape[-1], shape[-2])
