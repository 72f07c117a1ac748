"""Every setting of the library as frozen values.

A config is a value: it is compared, hashed, printed and stored as JSON. Flags of the
command line are a view of it. Unknown names and wrong types are errors that name the
nearest right one.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from typing import Any


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """The end of an error message: the closest known name, or all of them.

    >>> nearest("gtp_mini", ["gpt_mini", "gpt2_small"])
    "did you mean 'gpt_mini'?"
    >>> nearest("zzz", ["b", "a"])
    'known: a, b'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def choose(what: str, name: str, table: typing.Mapping[str, Any]) -> Any:
    """Looks a name up in a table.

    Raises:
        ValueError: the name is unknown; the message names the nearest one.
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}: {nearest(name, table)}")
    return table[name]


class Config:
    """What all configs share: checked construction, JSON, replacement by path."""

    def __post_init__(self):
        for name, hint in typing.get_type_hints(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, list):
                value = tuple(value)
            if _accepts(hint, float) and type(value) is int:
                value = float(value)
            if not _accepts(hint, type(value)):
                wanted = getattr(hint, "__name__", str(hint))
                raise TypeError(
                    f"{type(self).__name__}.{name} must be {wanted}, "
                    f"got {value!r} ({type(value).__name__})"
                )
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: typing.Mapping[str, Any]):
        """The inverse of `to_dict`; missing names keep their defaults.

        Raises:
            ValueError: a name is unknown.
            TypeError: a value has the wrong type.
        """
        hints, arguments = typing.get_type_hints(cls), {}
        for name, value in values.items():
            hint = choose(f"field of {cls.__name__}", name, hints)
            nested = isinstance(hint, type) and issubclass(hint, Config)
            is_values = isinstance(value, typing.Mapping)
            arguments[name] = hint.from_dict(value) if nested and is_values else value
        return cls(**arguments)

    def replace(self, **changes: Any):
        """A copy with some fields changed."""
        choices = {field.name: field for field in dataclasses.fields(self)}
        for name in changes:
            choose(f"field of {type(self).__name__}", name, choices)
        return dataclasses.replace(self, **changes)

    def override(self, *assignments: str):
        """A copy changed by `"path.to.field=value"`, the value read as JSON if it is.

        Several are made together: only what they end in must be valid.

        >>> ExperimentConfig().override("optimizer.learning_rate=1e-3").optimizer
        OptimizerConfig(name='adamw', learning_rate=0.001, ...
        """
        changes: dict[str, Any] = {}
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise ValueError(f"{assignment!r} is not of the form field=value")
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                value = text
            *sections, name = path.strip().split(".")
            config, place = self, changes
            for section in sections:
                config._check_name(section)
                config = getattr(config, section)
                if not isinstance(config, Config):
                    raise ValueError(f"{section!r} has no fields of its own")
                place = place.setdefault(section, {})
            config._check_name(name)
            place[name] = value
        return self._changed(changes)

    def _check_name(self, name: str) -> None:
        choices = {field.name: field for field in dataclasses.fields(self)}
        choose(f"field of {type(self).__name__}", name, choices)

    def _changed(self, changes: dict[str, Any]):
        values = {}
        for name, value in changes.items():
            inner = getattr(self, name)
            nested = isinstance(inner, Config) and isinstance(value, dict)
            values[name] = inner._changed(value) if nested else value
        return dataclasses.replace(self, **values)


def _accepts(hint: Any, kind: type) -> bool:
    """Whether a value of type `kind` fits the annotation `hint`."""
    if hint is Any:
        return True
    options = typing.get_args(hint) if typing.get_origin(hint) else ()
    if typing.get_origin(hint) in (tuple, dict):
        return kind is typing.get_origin(hint)
    if options:
        return any(_accepts(option, kind) for option in options)
    return kind is hint or (
        isinstance(hint, type) and issubclass(hint, Config) and issubclass(kind, hint)
    )


def _one_of(config: Config, field: str, choices: tuple[str, ...]) -> None:
    value = getattr(config, field)
    if value not in choices:
        raise ValueError(
            f"{type(config).__name__}.{field}={value!r}: {nearest(value, choices)}"
        )


@dataclasses.dataclass(frozen=True)
class TransformerConfig(Config):
    """The shape of a Transformer. A family of models is a row of these fields.

    Attributes:
        stack: "decoder" (causal), "encoder" (bidirectional) or "encoder_decoder".
        vocabulary_size: rows of the token embedding.
        num_layers: blocks.
        hidden_size: width of the residual stream.
        num_heads: query heads.
        num_key_value_heads: heads of keys and values, a divisor of `num_heads`
            (None: as many; 1: multi-query). Ainslie et al., 2023.
        head_size: width of one head (None: `hidden_size // num_heads`).
        intermediate_size: width inside the feed-forward layer.
        max_length: longest sequence, in tokens.
        dropout: rate on embeddings and on what joins the residual stream.
        attention_dropout: rate on attention weights (None: `dropout`).
        activation: "gelu" (exact), "gelu_tanh", "relu" or "silu".
        gated: multiply the activation by a second projection (Shazeer, 2020).
        norm: "layer_norm" or "rms_norm".
        norm_position: "pre" (with one more norm at the end) or "post".
        norm_epsilon: added to the variance.
        position: "learned", "sinusoidal", "rotary", "relative" or "none".
        rope_theta: base of the rotary wavelengths.
        rope_scaling: the rule that stretches rotary wavelengths to longer texts, as in
            a Hugging Face config (`{"rope_type": "llama3", "factor": 8.0, …}`).
        relative_buckets: distances told apart by relative position bias (T5).
        relative_max_distance: distance from which all share one bucket.
        qkv_bias: bias on the query, key and value projections.
        output_bias: bias on the projection out of attention.
        feed_forward_bias: bias on the feed-forward projections.
        tied_embeddings: the output layer is the token embedding's transpose.
        window: keys at most this many tokens back are seen (None: all).
    """

    stack: str = "decoder"
    vocabulary_size: int = 32000
    num_layers: int = 12
    hidden_size: int = 768
    num_heads: int = 12
    num_key_value_heads: int | None = None
    head_size: int | None = None
    intermediate_size: int = 3072
    max_length: int = 1024
    dropout: float = 0.0
    attention_dropout: float | None = None
    activation: str = "gelu_tanh"
    gated: bool = False
    norm: str = "layer_norm"
    norm_position: str = "pre"
    norm_epsilon: float = 1e-5
    position: str = "learned"
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    relative_buckets: int = 32
    relative_max_distance: int = 128
    qkv_bias: bool = True
    output_bias: bool = True
    feed_forward_bias: bool = True
    tied_embeddings: bool = True
    window: int | None = None

    def __post_init__(self):
        super().__post_init__()
        _one_of(self, "stack", ("decoder", "encoder", "encoder_decoder"))
        _one_of(self, "activation", ("gelu", "gelu_tanh", "relu", "silu"))
        _one_of(self, "norm", ("layer_norm", "rms_norm"))
        _one_of(self, "norm_position", ("pre", "post"))
        positions = ("learned", "sinusoidal", "rotary", "relative", "none")
        _one_of(self, "position", positions)
        sizes = "vocabulary_size num_layers hidden_size num_heads intermediate_size "
        sizes += "max_length num_key_value_heads head_size window"
        for field in sizes.split():
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"{field} must be positive, got {value}")
        for field in ("dropout", "attention_dropout"):
            if not 0.0 <= (getattr(self, field) or 0.0) < 1.0:
                raise ValueError(
                    f"{field} must be in [0, 1), got {getattr(self, field)}"
                )
        if self.head_size is None and self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads "
                f"{self.num_heads}; give head_size to choose the width of a head"
            )
        if self.num_heads % self.key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of "
                f"num_key_value_heads {self.key_value_heads}"
            )
        if self.position == "rotary" and self.width_of_head % 2:
            raise ValueError(f"rotary needs an even head, got {self.width_of_head}")

    def __hash__(self):
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and values."""
        return self.num_key_value_heads or self.num_heads

    @property
    def width_of_head(self) -> int:
        """Width of one head."""
        return self.head_size or self.hidden_size // self.num_heads

    @property
    def attention_dropout_rate(self) -> float:
        """Dropout rate on attention weights."""
        rate = self.attention_dropout
        return self.dropout if rate is None else rate

    def parameter_count(self) -> int:
        """Weights of the model with its output layer, counted without building it.

        >>> TransformerConfig(vocabulary_size=50257).parameter_count()
        124439808
        """
        if self.stack == "encoder_decoder":
            raise ValueError("parameter_count does not know encoder-decoders")
        d, f = self.hidden_size, self.intermediate_size
        queries = self.num_heads * self.width_of_head
        keys_values = 2 * self.key_value_heads * self.width_of_head
        norm = d * (2 if self.norm == "layer_norm" else 1)
        attention = d * (queries + keys_values) + queries * d
        attention += self.qkv_bias * (queries + keys_values) + self.output_bias * d
        feed_forward = (3 if self.gated else 2) * d * f
        feed_forward += self.feed_forward_bias * ((2 if self.gated else 1) * f + d)
        block = attention + feed_forward + 2 * norm
        embeddings = self.vocabulary_size * d * (1 if self.tied_embeddings else 2)
        if self.position == "learned":
            embeddings += self.max_length * d
        if self.position == "relative":
            embeddings += self.relative_buckets * self.num_heads
        final_norm = norm if self.norm_position == "pre" else 0
        return embeddings + self.num_layers * block + final_norm


@dataclasses.dataclass(frozen=True)
class TokenizerConfig(Config):
    """How a tokenizer is trained: its kind and the size of its vocabulary.

    Attributes:
        kind: "sentencepiece", "wordpiece", "byte_pair" or "bytes".
        vocabulary_size: pieces, special ones included (bytes: always 259).
        model_type: "bpe" or "unigram", for "sentencepiece".
    """

    kind: str = "sentencepiece"
    vocabulary_size: int = 8192
    model_type: str = "bpe"

    def __post_init__(self):
        super().__post_init__()
        _one_of(self, "kind", ("sentencepiece", "wordpiece", "byte_pair", "bytes"))
        _one_of(self, "model_type", ("bpe", "unigram"))


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """How text becomes batches.

    Attributes:
        batch_size: rows of the global batch, over all replicas.
        sequence_length: tokens in a row.
        validation_fraction: share of the text held out.
        seed: of the order of the batches.
    """

    batch_size: int = 16
    sequence_length: int = 256
    validation_fraction: float = 0.05
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Config):
    """An optimizer and its learning-rate schedule.

    Attributes:
        name: "adamw".
        learning_rate: the peak.
        warmup_steps: of linear growth from zero.
        schedule: "cosine", "linear" or "constant", after the warm-up.
        final_fraction: of the peak, at the last step.
        weight_decay: on matrices; never on biases, gains or embeddings of positions.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root of the mean of squares.
        clip_norm: bound of the norm of all gradients together (None: none).
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    schedule: str = "cosine"
    final_fraction: float = 0.1
    weight_decay: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.95
    epsilon: float = 1e-8
    clip_norm: float | None = 1.0

    def __post_init__(self):
        super().__post_init__()
        _one_of(self, "schedule", ("cosine", "linear", "constant"))


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """How long and where a model is trained.

    Attributes:
        steps: updates of the weights.
        precision: "auto" (bfloat16 products where the processor has them), "float32",
            "mixed_bfloat16" or "mixed_float16".
        strategy: "auto", "none", "mirrored", "multi_worker" or "tpu".
        seed: of the first weights and of dropout.
        evaluate_every: steps between evaluations.
        checkpoint_every: steps between checkpoints.
        sample_every: steps between samples of text (0: none).
    """

    steps: int = 1000
    precision: str = "auto"
    strategy: str = "auto"
    seed: int = 0
    evaluate_every: int = 250
    checkpoint_every: int = 250
    sample_every: int = 250


@dataclasses.dataclass(frozen=True)
class ExperimentConfig(Config):
    """Everything that makes a run what it is; `config.json` of a run's folder."""

    model: TransformerConfig = TransformerConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
