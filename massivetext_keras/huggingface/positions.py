"""Learned positions for a shorter context than they were learnt for."""

from __future__ import annotations

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.saving.weights import Tensors

_POSITIONS = "embeddings/positions/embeddings"
# A table that is stored in fewer bits has rows of its own, too.
_ENDS = (_POSITIONS, f"{_POSITIONS}/codes", f"{_POSITIONS}/scales")


def shortened(
    tensors: Tensors, there: ModelConfig, wanted: ModelConfig, source: str
) -> Tensors:
    """The tensors of a model, of learned positions only the first.

    Args:
        tensors: by our names.
        there: shape of the model that they are of.
        wanted: shape of the model that they are for.
        source: where they are from, for the message.

    Raises:
        ValueError: more positions are wanted than were learnt.

    >>> import numpy as np
    >>> from massivetext_keras.configs import TransformerConfig
    >>> rows = np.arange(6.0).reshape(6, 1)
    >>> all_rows = Tensors({_POSITIONS: (6, 1)}, lambda name: rows)
    >>> there = TransformerConfig(max_length=4, position_offset=2)
    >>> some = shortened(all_rows, there, there.replace(max_length=1), "folder")
    >>> some.shapes[_POSITIONS], some[_POSITIONS].ravel().tolist()
    ((3, 1), [0.0, 1.0, 2.0])
    """
    longest, length = there.max_length, wanted.max_length
    names = {name for name in tensors if name.endswith(_ENDS)}
    learned = isinstance(wanted, TransformerConfig) and wanted.position == "learned"
    if not names or not learned or longest == length:
        return tensors
    if length > longest:
        raise ValueError(
            f"{source}: max_length={length} is more than the {longest} positions that "
            "the model has learnt"
        )
    rows = length + there.position_offset
    shapes = {
        name: (rows, *shape[1:]) if name in names else shape
        for name, shape in tensors.shapes.items()
    }
    return Tensors(
        shapes,
        lambda name: tensors[name][:rows] if name in names else tensors[name],
    )
