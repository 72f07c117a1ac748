"""A family of models at Hugging Face: its config and its names beside ours."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import Sizes, head_layout, layout
from massivetext_keras.huggingface.rules import Rule, Table, turned
from massivetext_keras.saving.weights import Shape

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
}
_WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gain": "weight",
    "offset": "bias",
    "embeddings": "weight",
    "table": "weight",
}
# Fields whose None is their null.
_NULLABLE = {f.name for f in dataclasses.fields(TransformerConfig) if "None" in f.type}
# What no prefix is put before: the model inside does not have it.
_OUTSIDE = ("head/", "output/", "logit_bias")
INTERLEAVED = "/attention/qkv"
# Changes no number but in training.
_TRAINING = ("dropout", "attention_dropout", "expert_loss")

# Our layer, with {i} for the block -> theirs, or several that lie side by side.
Names = Mapping[str, str | tuple[str, ...]]


class Head(NamedTuple):
    """A head that a file may hold.

    Attributes:
        architecture: the class of transformers that has it.
        names: see `Names`.
        activation: the one that it has whatever the encoder's (None: the encoder's).
    """

    architecture: str
    names: Names
    activation: str | None = None


class Family(NamedTuple):
    """One `model_type`: a row of configuration and a table of names.

    Attributes:
        base: what all its models are, and what `config.json` may leave out.
        fields: our fields -> theirs; several of theirs must be equal.
        names: our layers -> theirs, without prefix.
        architecture: the class of transformers without a head of `heads`.
        prefix: of their names inside a model with a head or an output layer.
        heads: by name, as in `head_layout`. Without one, such a family has no prefix.
        only: values of theirs that would change the model if they were others.
        extra_fields: their values -> more fields of ours.
        extra_values: our config -> more values of theirs.
        extra_names: our config -> more of `names`, where they depend on it.
        optional: fields that are decided by what the file holds.
        renames: patterns of names that some files have, and what they are here.
        other_names: of layers that some files keep in another way.
        buffers: a pattern of names that are no weights.
        transposed: kernels are [out, in].
        interleaved: queries, keys and values of one head lie side by side.
        packed: whether codes of a quantised matrix lie side by side in int32; else each
            has a byte.
    """

    base: TransformerConfig
    fields: Mapping[str, str | tuple[str, ...]]
    names: Names
    architecture: str
    prefix: str = ""
    heads: Mapping[str, Head] = {}
    only: Mapping[str, Any] = {}
    extra_fields: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda values: {}
    extra_values: Callable[[TransformerConfig], dict[str, Any]] = lambda config: {}
    extra_names: Callable[[TransformerConfig], Names] = lambda config: {}
    optional: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    other_names: Names = {}
    buffers: str = ""
    transposed: bool = True
    interleaved: bool = False
    packed: bool = True

    def read(self, values: Mapping[str, Any]) -> TransformerConfig:
        """Our config from the values of a `config.json`.

        Raises:
            ValueError: one would give other numbers.
            TypeError: one has the wrong type.
        """
        require(values, self.only)
        fields = {}
        for ours, theirs in self.fields.items():
            name, *copies = (theirs,) if isinstance(theirs, str) else theirs
            for copy in copies:
                default = getattr(self.base, ours)
                require(values, {copy: value_of(values, name, default)})
            value = values.get(name)
            if value is not None and ours == "activation":
                value = known(name, value, ACTIVATIONS)
            # null is ours where we have one, else absence
            if value is not None or (name in values and ours in _NULLABLE):
                fields[ours] = value
        return canonical(self.base.replace(**fields | self.extra_fields(values)))

    def write(self, config: TransformerConfig) -> dict[str, Any]:
        """The values of a `config.json` from our config."""
        spoken = config.replace(
            num_key_value_heads=config.key_value_heads,
            num_decoder_layers=config.decoder_layers,
            head_size=config.width_of_head,
            attention_dropout=config.attention_dropout_rate,
        )
        values: dict[str, Any] = {}
        for ours, theirs in self.fields.items():
            value = getattr(spoken, ours)
            if ours == "activation":
                value = theirs_of(value)
            names = (theirs,) if isinstance(theirs, str) else theirs
            values |= dict.fromkeys(names, value)
        return values | self.extra_values(config)

    def differences(self, config: TransformerConfig) -> list[str]:
        """What of a config the family cannot hold; empty: it can.

        Fields that matter in training alone are not looked at.
        """
        ignored = {*self.optional, *_TRAINING}
        try:
            held = self.read(self.write(config)).to_dict()
        except (ValueError, TypeError) as error:
            return [str(error)]
        wanted = canonical(config).to_dict()
        return [
            f"{name}={held[name]!r} instead of {wanted[name]!r}"
            for name in wanted
            if name not in ignored and held[name] != wanted[name]
        ]

    def table(
        self,
        config: TransformerConfig,
        prefix: str,
        head: str | None = None,
        found: Container[str] = (),
        classes: int = 2,
    ) -> Table:
        """The table of names of a model.

        Args:
            config: the shape of the model.
            prefix: of their names.
            head: one of `heads` to be in it.
            found: names in a file; they decide between `names` and `other_names`.
            classes: of a head that tells classes.

        Raises:
            ValueError: the family has no place for a weight.
        """
        names = {**self.names, **self.extra_names(config)}
        weights = layout(config)
        if head is not None:
            names = {**names, **self.heads[head].names}
            weights |= head_layout(config, head, classes)
        table = {}
        for path, sizes in weights.items():
            rule = self._rule(names, config, prefix, path, sizes)
            if self.other_names and not all(name in found for name in rule.parts):
                others = {**names, **self.other_names}
                other = self._rule(others, config, prefix, path, sizes)
                if all(name in found for name in other.parts):
                    rule = other
            table[path] = rule
        return table

    def _rule(
        self,
        names: Names,
        config: TransformerConfig,
        prefix: str,
        path: str,
        sizes: Sizes,
    ) -> Rule:
        layer, weight, theirs, is_layer, block = place_of(names, path)
        prefix = "" if path.startswith(_OUTSIDE) else prefix
        suffix = f".{_WEIGHTS[weight]}" if is_layer else ""
        transposed = self.transposed and weight == "kernel"

        shape, own = shapes_of(sizes, len(theirs))
        view: Shape = ()
        axes: tuple[int, ...] = ()
        experts = 1
        if "{e}" in theirs[0]:  # a tensor per expert
            own = [part[1:] for part in own]
            experts, *rows, columns = shape
            view, axes = (*rows, experts, columns), (1, 0, 2)
        if self.interleaved and layer.endswith(INTERLEAVED):
            view, axes = by_heads(shape, config.num_heads)
        if path == "logit_bias":  # theirs has an axis for the batch
            own = [(1, *part) for part in own]
        parts = {}
        for e in range(experts):
            for name, part in zip(theirs, own, strict=True):
                name = name.format(i=block, e=e)
                parts[f"{prefix}{name}{suffix}"] = turned(part) if transposed else part
        return Rule(parts, shape, transposed, view, axes)


class Place(NamedTuple):
    """Where a weight of ours stands.

    Attributes:
        layer, weight: the two parts of its path.
        theirs: their names of it, several where they lie side by side.
        is_layer: whether these are of the layer, and not of the weight itself.
        block: the number of its block, None outside of all.
    """

    layer: str
    weight: str
    theirs: tuple[str, ...]
    is_layer: bool
    block: str | None


def place_of(names: Names, path: str) -> Place:
    """The names of a weight, or those of its layer.

    Raises:
        ValueError: there are none.

    >>> place_of({"stack/block_{i}/up": "h.{i}.fc"}, "stack/block_2/up/bias")[2:]
    (('h.{i}.fc',), True, '2')
    """
    layer, _, weight = path.rpartition("/")
    keys = [re.sub(r"(?<=block_)\d+", "{i}", key) for key in (path, layer)]
    key = next((key for key in keys if key in names), None)
    if key is None:
        raise ValueError(f"there is no place for {path}")
    named = names[key]
    theirs = (named,) if isinstance(named, str) else named
    block = re.search(r"(?<=block_)\d+", path)
    return Place(layer, weight, theirs, key != keys[0], block and block[0])


def shapes_of(sizes: Sizes, count: int) -> tuple[Shape, list[Shape]]:
    """The shape of a weight of ours, and of each of the tensors that it is elsewhere.

    Args:
        sizes: of ours.
        count: of theirs: one, or as many as the last axis has parts.

    >>> shapes_of((7, (4, 2, 2)), 3)
    ((7, 8), [(7, 4), (7, 2), (7, 2)])
    """
    *rows, columns = sizes
    shape = (*rows, sum(columns))
    return shape, [(*rows, x) for x in (columns if count > 1 else shape[-1:])]


def by_heads(shape: Shape, heads: int) -> tuple[Shape, tuple[int, ...]]:
    """The view and the axes of a `Rule` of queries, keys and values that lie together
    head by head.

    >>> by_heads((8, 24), 2)
    ((8, 2, 3, 4), (0, 2, 1, 3))
    """
    *rows, columns = shape
    n = len(rows)
    view = (*rows, heads, 3, columns // heads // 3)
    return view, (*range(n), n + 1, n, n + 2)


def blocks(ours: str, theirs: str, layers: Names) -> dict[str, str | tuple[str, ...]]:
    """The names of all blocks of a stack.

    >>> blocks("stack", "h.{i}", {"attention/output": "attn.c_proj"})
    {'stack/block_{i}/attention/output': 'h.{i}.attn.c_proj'}
    """

    def name(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return f"{theirs}.{value}"
        return tuple(f"{theirs}.{part}" for part in value)

    return {f"{ours}/block_{{i}}/{key}": name(layers[key]) for key in layers}


def canonical(config: TransformerConfig) -> TransformerConfig:
    """The same config, with None for what None means."""
    same = {
        "num_key_value_heads": config.num_heads,
        "num_decoder_layers": config.num_layers,
        "head_size": config.hidden_size / config.num_heads,
        "attention_dropout": config.dropout,
    }
    return config.replace(
        **{name: None for name in same if getattr(config, name) == same[name]}
    )


def theirs_of(activation: str) -> str:
    """Their name of one of our activations."""
    return next(name for name, ours in ACTIVATIONS.items() if ours == activation)


def value_of(values: Mapping[str, Any], name: str, default: Any) -> Any:
    """A value of a config; null and absence are the default."""
    value = values.get(name)
    return default if value is None else value


def number(values: Mapping[str, Any], name: str, default: float) -> float:
    """As `value_of`, of a number.

    Raises:
        ValueError: it is none.
    """
    value = value_of(values, name, default)
    if type(value) not in (int, float):
        raise unsupported(name, value, "a number")
    return value


def known(name: str, value: Any, table: Mapping[str, Any]) -> Any:
    """Looks up what a config asks for.

    Raises:
        ValueError: it is not in the table.

    >>> known("hidden_act", "mish", {"relu": "relu", "silu": "silu"})
    Traceback (most recent call last):
    ValueError: hidden_act="mish" is not supported; known: "relu", "silu"
    """
    if isinstance(value, str) and value in table:
        return table[value]
    raise unsupported(name, value, *sorted(table))


def require(values: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    """Refuses values that would change the model; absence is fine.

    Raises:
        ValueError: a value is another one than in `only`.
    """
    for name, wanted in only.items():
        if value_of(values, name, wanted) != wanted:
            raise unsupported(name, values[name], wanted)


def unsupported(name: str, value: Any, *options: Any) -> ValueError:
    """The error that names a field, its value and the values that are known."""
    listed = ", ".join(map(json.dumps, options))
    return ValueError(f"{name}={json.dumps(value)} is not supported; known: {listed}")
