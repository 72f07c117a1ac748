"""Every setting of the library as frozen values.

A config is a value: it is compared, hashed, printed and stored as JSON. Flags of the
command line are a view of it. Unknown names and wrong types are errors that name the
nearest right one.
"""

from __future__ import annotations

import dataclasses
import json

from massivetext_keras.layout import count, layout
from massivetext_keras.values import Config, choose, closest, nearest, one_of

__all__ = [
    "Config",
    "DataConfig",
    "ExperimentConfig",
    "FINE_TUNING",
    "OptimizerConfig",
    "SCHEDULES",
    "TokenizerConfig",
    "TrainConfig",
    "TransformerConfig",
    "choose",
    "closest",
    "nearest",
]

SCHEDULES = (
    "cosine",
    "linear",
    "exponential",
    "wsd",
    "inverse_square_root",
    "constant",
)


@dataclasses.dataclass(frozen=True)
class TransformerConfig(Config):
    """The shape of a Transformer. A family of models is a row of these fields.

    Attributes:
        stack: "decoder" (causal), "prefix" (causal but for a prefix that all tokens
            see; Dong et al., 2019), "encoder" (bidirectional) or "encoder_decoder".
        vocabulary_size: rows of the token embedding.
        num_layers: blocks; of an encoder-decoder, those of the encoder. An encoder may
            have none: what it gives are the embeddings.
        num_decoder_layers: blocks of the decoder (None: as many).
        hidden_size: width of the residual stream.
        embedding_size: width of the embeddings, projected to `hidden_size` (None: the
            same width, not projected). Lan et al., 2020.
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
        embedding_norm: normalise the sum of the embeddings.
        embedding_scale: multiply token embeddings by the root of their width.
        position: "learned", "sinusoidal", "rotary", "relative" or "none".
        position_offset: rows of learned positions before the first (RoBERTa and BART:
            2); an encoder with such rows counts real tokens only.
        rope_theta: base of the rotary wavelengths.
        rope_scaling: the rule that stretches rotary wavelengths to longer texts, as in
            a Hugging Face config (`{"rope_type": "llama3", "factor": 8.0, …}`).
        rotary_fraction: share of a head's features that are rotated.
        relative_buckets: distances told apart by relative position bias (T5).
        relative_max_distance: distance from which all share one bucket.
        segment_types: rows of the segment embedding (BERT: 2; 0: none).
        qkv_bias: bias on the query, key and value projections.
        output_bias: bias on the projection out of attention.
        feed_forward_bias: bias on the feed-forward projections.
        attention_scale: of the scores (None: 1 / sqrt(head_size); T5: 1).
        window: keys at most this many tokens back are seen (None: all).
        parallel: attention and feed-forward read the same input (GPT-NeoX).
        rezero: a gate, zero at first, on what joins the residual stream (Bachlechner
            et al., 2020).
        shared_layers: all blocks are one (ALBERT).
        num_experts: feed-forward layers to choose from (0: one, no choice). Shazeer et
            al., 2017; Jiang et al., 2024 (Mixtral).
        experts_per_token: how many a token passes through.
        expert_loss: weight of the loss that spreads tokens over experts.
        pooler: a tanh projection of the first token (BERT).
        tied_embeddings: the output layer is the token embedding's transpose.
        logit_scale: hidden states are multiplied by it before the output layer.
        logit_bias: a bias per token of the output layer.
    """

    stack: str = "decoder"
    vocabulary_size: int = 32000
    num_layers: int = 12
    num_decoder_layers: int | None = None
    hidden_size: int = 768
    embedding_size: int | None = None
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
    embedding_norm: bool = False
    embedding_scale: bool = False
    position: str = "learned"
    position_offset: int = 0
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    rotary_fraction: float = 1.0
    relative_buckets: int = 32
    relative_max_distance: int = 128
    segment_types: int = 0
    qkv_bias: bool = True
    output_bias: bool = True
    feed_forward_bias: bool = True
    attention_scale: float | None = None
    window: int | None = None
    parallel: bool = False
    rezero: bool = False
    shared_layers: bool = False
    num_experts: int = 0
    experts_per_token: int = 2
    expert_loss: float = 0.01
    pooler: bool = False
    tied_embeddings: bool = True
    logit_scale: float = 1.0
    logit_bias: bool = False

    def __post_init__(self):
        super().__post_init__()
        stacks = ("decoder", "prefix", "encoder", "encoder_decoder")
        one_of(self, "stack", stacks)
        one_of(self, "activation", ("gelu", "gelu_tanh", "relu", "silu"))
        one_of(self, "norm", ("layer_norm", "rms_norm"))
        one_of(self, "norm_position", ("pre", "post"))
        positions = ("learned", "sinusoidal", "rotary", "relative", "none")
        one_of(self, "position", positions)
        sizes = "vocabulary_size num_layers num_decoder_layers hidden_size num_heads "
        sizes += "embedding_size intermediate_size max_length num_key_value_heads "
        sizes += "head_size window experts_per_token"
        may_be_bare = self.stack == "encoder" and not self.shared_layers
        least = {"num_layers": 0} if may_be_bare else {}
        for field in sizes.split():
            value = getattr(self, field)
            if value is not None and value < least.get(field, 1):
                raise ValueError(f"{field} must be positive, got {value}")
        for field in ("position_offset", "segment_types", "num_experts"):
            if (value := getattr(self, field)) < 0:
                raise ValueError(f"{field} must be 0 or more, got {value}")
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
        if not 0.0 < self.rotary_fraction <= 1.0:
            raise ValueError(
                f"rotary_fraction must be in (0, 1], got {self.rotary_fraction}"
            )
        if self.position == "rotary" and self.rotary_size % 2:
            raise ValueError(f"rotary needs an even width, got {self.rotary_size}")
        if self.num_experts and self.experts_per_token > self.num_experts:
            raise ValueError(
                f"experts_per_token {self.experts_per_token} is more than "
                f"num_experts {self.num_experts}"
            )
        if self.parallel and self.norm_position == "post":
            raise ValueError('parallel needs norm_position="pre"')

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

    @property
    def rotary_size(self) -> int:
        """Features of a head that are rotated."""
        return int(self.width_of_head * self.rotary_fraction)

    @property
    def width_of_embedding(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    @property
    def decoder_layers(self) -> int:
        """Blocks of an encoder-decoder's decoder."""
        return self.num_decoder_layers or self.num_layers

    def parameter_count(self) -> int:
        """Weights of the model with its output layer, counted without building it.

        A head that a task adds is not among them.

        >>> TransformerConfig(vocabulary_size=50257).parameter_count()
        124439808
        """
        return count(layout(self))


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
        one_of(self, "kind", ("sentencepiece", "wordpiece", "byte_pair", "bytes"))
        one_of(self, "model_type", ("bpe", "unigram"))


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """How text becomes batches.

    Attributes:
        batch_size: rows of the global batch, over all replicas.
        batch_tokens: tokens of a batch of rows of like length, padding included,
            instead (None: `batch_size` rows).
        sequence_length: tokens in a row.
        validation_fraction: share of the text held out.
        seed: of the order of the batches.
    """

    batch_size: int = 16
    batch_tokens: int | None = None
    sequence_length: int = 256
    validation_fraction: float = 0.05
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Config):
    """An optimizer and its learning-rate schedule.

    Attributes:
        name: "adamw", "adam", "sgd", "adafactor", "lion" or "muon".
        learning_rate: the peak.
        warmup_steps: of linear growth from zero.
        schedule: "cosine", "linear", "exponential", "wsd", "inverse_square_root" or
            "constant", after the warm-up.
        final_fraction: of the peak, at the last step.
        decay_fraction: share of all steps in which "wsd" decays.
        weight_decay: on matrices; never on biases, gains or embeddings of positions.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        momentum: of "sgd" and "muon".
        epsilon: added to the root of the mean of squares.
        clip_norm: bound of the norm of all gradients together (None: none).
        layer_decay: a layer's rate is this share of that of the layer above.
        rates: pattern -> factor on the rate of variables whose path it is found in.
        ema: decay of a running mean of the weights, which evaluations and the preset
            in the end take (None: none).
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    schedule: str = "cosine"
    final_fraction: float = 0.1
    decay_fraction: float = 0.2
    weight_decay: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.95
    momentum: float = 0.9
    epsilon: float = 1e-8
    clip_norm: float | None = 1.0
    layer_decay: float = 1.0
    rates: dict = dataclasses.field(default_factory=dict)
    ema: float | None = None

    def __post_init__(self):
        super().__post_init__()
        one_of(self, "schedule", SCHEDULES)
        if not 0.0 <= (self.ema or 0.0) < 1.0:
            raise ValueError(f"ema must be in [0, 1), got {self.ema}")

    def __hash__(self):
        return hash(json.dumps(self.to_dict(), sort_keys=True))


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """How long and where a model is trained.

    Attributes:
        task: name of the task's class (None: the language model of the model's kind).
        steps: updates of the weights.
        micro_batches: parts of a batch that go through the model one after another,
            for batches that do not fit into memory; the update is the same.
        recompute: keep only what enters a block, and make the rest again in the
            backward pass: less memory, more time.
        xla: compile the whole step, or only the parts that gain by it on a CPU (None:
            the whole on a GPU).
        steps_per_execution: updates between which Keras is not asked.
        frozen: pattern of the paths of weights that stay as they are (None: none).
        precision: "auto" (bfloat16 products where the processor has them), "float32",
            "mixed_bfloat16" or "mixed_float16".
        strategy: "auto", "none", "mirrored", "multi_worker" or "tpu".
        seed: of the first weights and of dropout.
        evaluate_every: steps between evaluations.
        checkpoint_every: steps between checkpoints.
        sample_every: steps between samples of text (0: none).
    """

    task: str | None = None
    steps: int = 1000
    micro_batches: int = 1
    recompute: bool = False
    xla: bool | None = None
    steps_per_execution: int = 1
    frozen: str | None = None
    precision: str = "auto"
    strategy: str = "auto"
    seed: int = 0
    evaluate_every: int = 250
    checkpoint_every: int = 250
    sample_every: int = 250

    def __post_init__(self):
        super().__post_init__()
        for field in ("micro_batches", "steps_per_execution"):
            if (value := getattr(self, field)) < 1:
                raise ValueError(f"{field} must be positive, got {value}")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig(Config):
    """Everything that makes a run what it is; `config.json` of a run's folder."""

    model: TransformerConfig = TransformerConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()


# An encoder that has learnt a language learns a task in few small steps (Devlin et al.,
# 2019; Mosbach et al., 2021). Steps and warm-up follow from the examples.
FINE_TUNING = ExperimentConfig(
    data=DataConfig(batch_size=32, sequence_length=512, validation_fraction=0.1),
    optimizer=OptimizerConfig(
        learning_rate=5e-5,
        schedule="linear",
        final_fraction=0.0,
        weight_decay=0.01,
        beta_2=0.999,
    ),
)
