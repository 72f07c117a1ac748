"""A backbone of KerasHub: its config and its names of layers beside ours."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import Sizes
from massivetext_keras.huggingface.families.family import (
    INTERLEAVED,
    Family,
    Names,
    by_heads,
    place_of,
    shapes_of,
)
from massivetext_keras.huggingface.rules import Rule, turned
from massivetext_keras.saving.weights import Shape

# Which of the variables of a layer a weight is: they are numbered as they are made.
_VARIABLES = {
    "kernel": 0,
    "bias": 1,
    "gain": 0,
    "offset": 1,
    "embeddings": 0,
    "table": 0,
}
# Products whose columns, or whose rows, have an axis for the heads of attention.
_INTO_HEADS = ("query_dense", "key_dense", "value_dense", "qkv_dense")
_OUT_OF_HEADS = "output_dense"
# Fields of every layer of Keras, which change no number.
_OF_KERAS = {"name", "trainable", "dtype"}

MASKED_LM = {
    "head/transform": "masked_lm_head._intermediate_dense",
    "head/norm": "masked_lm_head._intermediate_layer_norm",
    "head/bias": "masked_lm_head.vars.0",
}
DENSE_CLASSIFICATION = {"head/transform": "dense", "head/classes": "dense_1"}


class Backbone(Family):
    """One class of backbones: a row of configuration and a table of names.

    The names are paths of layers in `model.weights.h5`, or of a head in
    `task.weights.h5`, with dots: Keras calls a layer by its class there, and counts
    those of one class. "transformer_encoder{i}" is that of block i, "{j}" that of block
    i of the second of two stacks of one class. A name with ".vars." is that of a
    variable. `architecture` is what the names of classes begin with, such as "Bert";
    that of a head is the task's, such as "MaskedLM".
    """

    __slots__ = ()

    def read(self, values: Mapping[str, Any]) -> TransformerConfig:
        """Our config from the config of a backbone.

        Raises:
            ValueError: a field is unknown, or would give other numbers.
            TypeError: one has the wrong type.
        """
        known = {*self.write(self.base), *self.only, *_OF_KERAS}
        for name, value in values.items():
            if name not in known and value is not None:
                raise ValueError(
                    f"{name}={value!r} is no field that is known of a "
                    f"{self.architecture}Backbone"
                )
        return super().read(values)

    def write(self, config: TransformerConfig) -> dict[str, Any]:
        """The config of a backbone from ours."""
        return {**super().write(config), **self.only}

    def tables(
        self,
        config: TransformerConfig,
        head: str | None = None,
        classes: int = 2,
        found: Container[str] = (),
    ) -> tuple[dict[str, Rule], dict[str, Rule]]:
        """The tables of names of a backbone, and of a head.

        Raises:
            ValueError: the family has no place for a weight.
        """
        table = self.table(config, "layers", head, found, classes)
        outside = {path: table[path] for path in table if path.startswith("head/")}
        return {k: v for k, v in table.items() if k not in outside}, outside

    def _rule(
        self,
        names: Names,
        config: TransformerConfig,
        prefix: str,
        path: str,
        sizes: Sizes,
    ) -> Rule:
        layer, weight, theirs, is_layer, block = place_of(names, path)
        number = int(block or 0)
        places = {"i": _counted(number), "j": _counted(number + config.num_layers)}
        suffix = f".vars.{_VARIABLES[weight]}" if is_layer else ""

        shape, own = shapes_of(sizes, len(theirs))
        transposed = ".vars." in theirs[0] and weight == "embeddings"
        parts, flat = {}, []
        for name, part in zip(theirs, own, strict=True):
            flat.append(turned(part) if transposed else part)
            variable = f"{prefix}.{name.format(**places)}{suffix}".replace(".", "/")
            parts[variable] = self._by_heads(name, weight, flat[-1], config)
        view: Shape = ()
        axes: tuple[int, ...] = ()
        if self.interleaved and layer.endswith(INTERLEAVED):
            view, axes = by_heads(shape, config.num_heads)
        return Rule(parts, shape, transposed, view, axes, tuple(flat))

    def _by_heads(
        self, name: str, weight: str, flat: Shape, config: TransformerConfig
    ) -> Shape:
        """The shape of a variable, which may have an axis for heads."""
        if "attention_layer." not in name or weight not in ("kernel", "bias"):
            return flat
        *rows, columns = flat
        if name.endswith(_INTO_HEADS):
            width = config.width_of_head * (3 if self.interleaved else 1)
            return (*rows, columns // width, width)
        # where queries, keys and values lie side by side, the output has no such axis
        if name.endswith(_OUT_OF_HEADS) and weight == "kernel" and not self.interleaved:
            return (config.num_heads, config.width_of_head, columns)
        return flat


def _counted(number: int) -> str:
    """What Keras puts behind the name of a class for one of its layers.

    >>> _counted(0), _counted(2)
    ('', '_2')
    """
    return f"_{number}" if number else ""
