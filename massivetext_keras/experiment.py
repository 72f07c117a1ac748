"""A whole run as one frozen value: model, tokenizer, data, optimizer, training.

A config is compared, hashed, printed and stored as JSON. Flags of the command line are
a view of it. Unknown names and wrong types are errors that name the nearest right one.
"""

from __future__ import annotations

import dataclasses
import json

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.support.values import Config, one_of

SCHEDULES = (
    "cosine",
    "linear",
    "exponential",
    "wsd",
    "inverse_square_root",
    "constant",
)


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
