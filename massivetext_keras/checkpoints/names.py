"""A table of names whose dots stand for the lines between names of TensorFlow."""

from __future__ import annotations

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import Sizes
from massivetext_keras.huggingface.families.family import (
    Family,
    Names,
    place_of,
    shapes_of,
)
from massivetext_keras.huggingface.rules import Rule, turned
from massivetext_keras.saving.weights import Shape

# At the end of a name in a table: what is stored has its axes the other way round.
TURNED = ".T"
_SUFFIXES = {
    "kernel": "/kernel",
    "bias": "/bias",
    "gain": "/gamma",
    "offset": "/beta",
    "embeddings": "/embeddings",
}
# The layers of Keras that have an axis for heads.
_INTO_HEADS = tuple(f"self_attention.{part}" for part in ("query", "key", "value"))
_OUT_OF_HEADS = "self_attention.attention_output"


class Variables(Family):
    """A family by the names of its variables: a layer's, to which Keras's name of the
    weight is added, or, in a table that has the weight's own path, the whole name."""

    __slots__ = ()

    def _rule(
        self,
        names: Names,
        config: TransformerConfig,
        prefix: str,
        path: str,
        sizes: Sizes,
    ) -> Rule:
        _, weight, theirs, is_layer, block = place_of(names, path)
        suffix = _SUFFIXES[weight] if is_layer else ""
        shape, own = shapes_of(sizes, len(theirs))
        transposed = theirs[0].endswith(TURNED)
        parts, flat = {}, []
        for name, part in zip(theirs, own, strict=True):
            flat.append(turned(part) if transposed else part)
            variable = name.removesuffix(TURNED).format(i=block).replace(".", "/")
            parts[variable + suffix] = _by_heads(name, weight, flat[-1], config)
        return Rule(parts, shape, transposed, flat=tuple(flat))


def _by_heads(name: str, weight: str, flat: Shape, config: TransformerConfig) -> Shape:
    """The shape of a variable, which may have an axis for heads."""
    *rows, columns = flat
    if name.endswith(_INTO_HEADS):
        return (*rows, config.num_heads, columns // config.num_heads)
    if name.endswith(_OUT_OF_HEADS) and weight == "kernel":
        return (config.num_heads, rows[0] // config.num_heads, columns)
    return flat
