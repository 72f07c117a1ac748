"""A whole run as one frozen value: model, task, tokenizer, data, optimizer, training.

A config is compared, hashed, printed and stored as JSON. Flags of the command line are
a view of it. Unknown names, wrong types and numbers out of range are errors that name
the field, and the nearest right name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.axes import SHARD_STATES, axes_in
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.support.values import Config, one_of, setting

SCHEDULES = (
    "cosine",
    "linear",
    "exponential",
    "wsd",
    "inverse_square_root",
    "constant",
)
"""How the learning rate falls after the warm-up."""


@dataclasses.dataclass(frozen=True)
class TaskConfig(Config):
    """What is trained, and the options of its own.

    As JSON, and for `override`, the options stand beside the fields:
    `task.r_drop=1.0`. Which there are says the task; it checks them when it is made.

    Attributes:
        name: of the task's class (None: that of the preset, or the language model of
            the model's kind).
        label_smoothing: share of a label that is spread over the vocabulary in training
            (Szegedy et al., 2016), where the task's `compile` takes it.
        adapters: pattern of the products beside which adapters are trained, instead of
            all weights (None: none; Hu et al., 2022).
        adapter_rank: of the adapters.
        adversarial: norm of the worst change of a text's token vectors, as a multiple
            of their mean norm, whose loss is added (0: none; Miyato et al., 2017).
        adversarial_weight: of that loss.
        virtual: it is how far the task's answers move, and not that of the labels.
        options: of the task's constructor, by name.

    >>> TaskConfig("TextClassifier").override("r_drop=1.0").to_dict()["r_drop"]
    1.0
    """

    name: str | None = None
    label_smoothing: float = setting(0.0, least=0, below=1)
    adapters: str | None = None
    adapter_rank: int = setting(8, least=1)
    adversarial: float = setting(0.0, least=0)
    adversarial_weight: float = setting(1.0, above=0)
    virtual: bool = False
    options: dict = dataclasses.field(default_factory=dict)

    __hash__ = Config.__hash__

    def to_dict(self) -> dict[str, Any]:
        values = super().to_dict()
        return {**values.pop("options"), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]):
        return cls(**_with_options(cls, values, values.get("options", {})))

    def _check_name(self, name: str) -> None:
        """Any name may be an option."""

    def _changed(self, changes: dict[str, Any]):
        return self.replace(**_with_options(type(self), changes, self.options))


def _with_options(cls, values: Mapping[str, Any], options: Mapping[str, Any]) -> dict:
    """Values of fields as they are, all others among the options."""
    fields = {field.name for field in dataclasses.fields(cls)} - {"options"}
    given = {name: x for name, x in values.items() if name not in {*fields, "options"}}
    options = {**options, **values.get("options", {}), **given}
    return {
        **{name: x for name, x in values.items() if name in fields},
        "options": options,
    }


TOKENIZERS = ("sentencepiece", "wordpiece", "byte_pair", "words", "bytes")


@dataclasses.dataclass(frozen=True)
class TokenizerConfig(Config):
    """A tokenizer: how it is trained, or of a run the one that it had, with None for
    what is not known of it.

    Attributes:
        kind: "sentencepiece", "wordpiece", "byte_pair", "words" or "bytes"; of a run
            also that of another class of tokenizers.
        vocabulary_size: pieces, special ones included (bytes: always 259).
        model_type: "bpe" or "unigram", for "sentencepiece" (None: not known).
        split: of "words", what a word is: "words", runs of letters and digits, and
            other characters alone; or "spaces", what stands between white space.
        spelled: of "words", whether the bytes of a word follow it, for a model with
            features of characters.
        fingerprint: SHA-256 of the tokenizer, which a run sets.
    """

    kind: str = "sentencepiece"
    vocabulary_size: int = setting(8192, least=1)
    model_type: str | None = setting("bpe", choices=("bpe", "unigram"))
    split: str | None = setting("words", choices=("words", "spaces"))
    spelled: bool | None = False
    fingerprint: str | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.fingerprint is None:
            one_of(self, "kind", TOKENIZERS)


# What a model of words may be made of; see `tasks.ngram.units`.
UNITS = ("words", "spaced", "characters", "bytes")


@dataclasses.dataclass(frozen=True)
class WordVectorsConfig(Config):
    """How vectors of words are learnt.

    Attributes:
        method: skipgram or cbow (Mikolov et al., 2013), or glove (Pennington et al.,
            2014).
        size: numbers of a vector.
        window: words on each side that belong to a word; of skipgram and cbow a number
            up to it that is drawn for each word.
        loss: negative sampling, or hierarchical softmax; of skipgram and cbow.
        negatives: words that are drawn for each right one.
        sample: words whose share of the text is above it are left out at random (0:
            none).
        min_count: words that occur less often are left out.
        units: what a word is: words, of scripts without spaces a letter; spaced, what
            stands between white space; characters; bytes.
        lowercase: read all texts in lower case.
        min_ngram, max_ngram: lengths of the parts of words, in characters, that have
            vectors too (0: none; Bojanowski et al., 2017, have 3 to 6).
        buckets: rows that the parts share by their hashes.
        x_max: co-occurrences that have full weight, of glove.
        seed: of all that is drawn.

    Raises:
        ValueError: a number is out of its range, or values do not go together.
    """

    method: str = setting("skipgram", choices=("skipgram", "cbow", "glove"))
    size: int = setting(100, least=1)
    window: int = setting(5, least=1)
    loss: str = setting("negative", choices=("negative", "hierarchical"))
    negatives: int = setting(5, least=1)
    sample: float = setting(1e-3, least=0)
    min_count: int = setting(5, least=1)
    units: str = setting("words", choices=UNITS)
    lowercase: bool = False
    min_ngram: int = setting(0, least=0)
    max_ngram: int = setting(0, least=0)
    buckets: int = setting(200_000, least=1)
    x_max: float = setting(100.0, above=0)
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.min_ngram > self.max_ngram or (self.max_ngram and not self.min_ngram):
            raise ValueError(
                f"parts of words have min_ngram={self.min_ngram} to "
                f"max_ngram={self.max_ngram} characters: give such as 3 and 6"
            )
        if self.method == "glove" and (self.max_ngram or self.loss != "negative"):
            raise ValueError("glove has neither parts of words nor another loss")

    @property
    def has_parts(self) -> bool:
        """Whether parts of words have vectors."""
        return self.max_ngram > 0


@dataclasses.dataclass(frozen=True)
class AdversarialConfig(Config):
    """How a generator of texts learns against a discriminator.

    Attributes:
        method: policy_gradient (SeqGAN: Yu et al., 2017), or gumbel_softmax (after
            RelGAN: Nie et al., 2019).
        length: tokens of a text at the most, its end included.
        pretrain_epochs: passes over the texts by maximum likelihood, before all else.
        discriminator_epochs: passes over the texts beside as many samples, for the
            discriminator alone.
        rounds: updates of the generator against the discriminator.
        discriminator_steps: updates of the discriminator in each round.
        rollouts: completions of each beginning of a text, by which it is rewarded.
        rollout_momentum: share of the network that completes which stays in a round;
            the rest is the generator.
        baseline: what a token is worth is less the mean of the other texts at its
            place: the same gradient in the mean, with less noise. The paper has none.
        inverse_temperature: that relaxed samples end with; it grows from 1 on.
        batch_size: texts of an update; of the discriminator as many samples besides.
        learning_rate: of maximum likelihood.
        adversarial_rate: of the generator in the rounds.
        discriminator_rate: of the discriminator. This and the last are for hundreds of
            updates; SeqGAN's have 1e-4 and 1e-2, RelGAN's 1e-4, for tens of thousands.
        discriminator_size: numbers of a token's embedding in the discriminator.
        windows: widths of its convolutions; those wider than `length` are left out.
        filters: of each width.
        discriminator_dropout: rate on what its last layer reads.
        min_count: words that occur less often are in no vocabulary that is learnt.
        lowercase: such a vocabulary has no capitals.
        seed: of all that is drawn.

    Raises:
        ValueError: a number is out of its range, or values do not go together.
    """

    method: str = setting(
        "policy_gradient", choices=("policy_gradient", "gumbel_softmax")
    )
    length: int = setting(20, least=1)
    pretrain_epochs: int = setting(120, least=0)
    discriminator_epochs: int = setting(10, least=0)
    rounds: int = setting(100, least=0)
    discriminator_steps: int = setting(15, least=1)
    rollouts: int = setting(16, least=1)
    rollout_momentum: float = setting(0.8, least=0, below=1)
    baseline: bool = True
    inverse_temperature: float = setting(5.0, least=1)
    batch_size: int = setting(64, least=1)
    learning_rate: float = setting(1e-2, above=0)
    adversarial_rate: float = setting(3e-3, above=0)
    discriminator_rate: float = setting(1e-3, above=0)
    discriminator_size: int = setting(64, least=1)
    windows: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)
    filters: tuple[int, ...] = (100, *(200,) * 4, *(100,) * 5, 160, 160)
    discriminator_dropout: float = setting(0.25, least=0, below=1)
    min_count: int = setting(1, least=1)
    lowercase: bool = True
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if len(self.windows) != len(self.filters) or not self.windows:
            raise ValueError(
                f"{len(self.windows)} windows and {len(self.filters)} filters: there "
                "must be as many, and some"
            )
        if min(*self.windows, *self.filters) < 1 or min(self.windows) > self.length:
            raise ValueError(
                f"windows={self.windows} and filters={self.filters} must be positive, "
                f"and a window at most the length of {self.length}"
            )


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
        objective: what is learnt of a text, a name of `data.objectives` or
            "package.module:Class" (None: the task's own).
        objective_options: fields of the objective, such as {"mean_length": 3.0}.
        text: SHA-256 of what is learnt, which a run sets.
    """

    batch_size: int = setting(16, least=1)
    batch_tokens: int | None = setting(None, least=1)
    sequence_length: int = setting(256, least=1)
    validation_fraction: float = setting(0.05, least=0, below=1)
    seed: int = 0
    objective: str | None = None
    objective_options: dict = dataclasses.field(default_factory=dict)
    text: str | None = None

    __hash__ = Config.__hash__


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Config):
    """An optimizer and its learning-rate schedule.

    Attributes:
        name: "adamw", "adam", "sgd", "adafactor", "lion" or "muon".
        learning_rate: the peak (None: of examples by what is trained, see
            `training.fine_tune`; of text there has to be one).
        warmup_steps: of linear growth from zero.
        warmup_fraction: share of all steps that these are, where a number of epochs
            says how many steps there are (None: `warmup_steps`).
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
    learning_rate: float | None = setting(1e-3, above=0)
    warmup_steps: int = setting(100, least=0, instead_of=("warmup_fraction",))
    warmup_fraction: float | None = setting(None, least=0, most=1)
    schedule: str = setting("cosine", choices=SCHEDULES)
    final_fraction: float = setting(0.1, least=0, most=1)
    decay_fraction: float = setting(0.2, above=0, most=1)
    weight_decay: float = setting(0.1, least=0)
    beta_1: float = setting(0.9, least=0, below=1)
    beta_2: float = setting(0.95, least=0, below=1)
    momentum: float = setting(0.9, least=0, below=1)
    epsilon: float = setting(1e-8, least=0)
    clip_norm: float | None = setting(1.0, above=0)
    layer_decay: float = setting(1.0, above=0, most=1)
    rates: dict = dataclasses.field(default_factory=dict)
    ema: float | None = setting(None, least=0, below=1)

    __hash__ = Config.__hash__


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """How long and where a model is trained.

    Attributes:
        steps: updates of the weights.
        epochs: how often every example is seen; the steps, and when it is evaluated,
            follow from it (None: `steps`; of text there are no epochs).
        minutes: of training, after which it ends, instead of steps and epochs; the
            learning rate follows the clock (None: it ends after so many updates).
        micro_batches: parts of a batch that go through the model one after another,
            for batches that do not fit into memory; the update is the same.
        recompute: keep only what enters a block, and make the rest again in the
            backward pass: less memory, more time.
        xla: compile the whole step, or only the parts that gain by it on a CPU (None:
            the whole on a GPU).
        steps_per_execution: updates between which Keras is not asked.
        frozen: pattern of the paths of weights that stay as they are (None: none).
        round_to: the form, "int8" or "int4", in which matrices are stored when training
            is over, and as which they are read in training (None: they stay floats).
        unigram_bias: give the output layer a bias, begun at the log-probabilities of
            the tokens in the text that is learnt; for random weights.
        precision: "auto" (bfloat16 products where the processor has them), "float32",
            "mixed_bfloat16" or "mixed_float16".
        strategy: "auto", "none", "mirrored", "multi_worker" or "tpu".
        mesh: devices along axes instead of a strategy, as "data=2,tensor=2" (None: no
            mesh).
        shard_state: what replicas of a mesh split among them: "none", what the
            "optimizer" keeps, or that and the "weights".
        shard_sequence: between products, each device of the tensor axis of a mesh has
            its share of the tokens: less memory.
        logical_cpus: into how many devices TensorFlow divides the CPU, to try a mesh
            or a strategy without GPUs (None: as it is).
        seed: of the first weights and of dropout.
        keep_best: the measure by which the best weights are kept (None: the last ones
            are).
        evaluate_every: steps between evaluations.
        checkpoint_every: steps between checkpoints.
        sample_every: steps between samples of text (0: none).
        callbacks: more of them, by the name of an entry point of the group
            `massivetext_keras.callbacks` or as "package.module:Class"; one with
            arguments is an object: {"name": "keras.callbacks:EarlyStopping",
            "patience": 3}.
    """

    steps: int = setting(1000, least=0, instead_of=("epochs", "minutes"))
    epochs: float | None = setting(None, above=0, instead_of=("minutes",))
    minutes: float | None = setting(None, above=0, instead_of=("epochs",))
    micro_batches: int = setting(1, least=1)
    recompute: bool = False
    xla: bool | None = None
    steps_per_execution: int = setting(1, least=1)
    frozen: str | None = None
    round_to: str | None = setting(None, choices=("int8", "int4"))
    unigram_bias: bool = False
    precision: str = "auto"
    strategy: str = "auto"
    mesh: str | None = None
    shard_state: str = setting("none", choices=SHARD_STATES)
    shard_sequence: bool = False
    logical_cpus: int | None = setting(None, least=1)
    seed: int = 0
    keep_best: str | None = None
    evaluate_every: int = setting(250, least=1)
    checkpoint_every: int = setting(250, least=1)
    sample_every: int = setting(250, least=0)
    callbacks: tuple[str | dict, ...] = ()

    __hash__ = Config.__hash__

    def __post_init__(self):
        super().__post_init__()
        if self.mesh is None:
            for name in ("shard_state", "shard_sequence"):
                if (value := getattr(self, name)) not in ("none", False):
                    raise ValueError(
                        f"TrainConfig.{name}={value!r} is for a mesh: give one, as "
                        "mesh=data=2,tensor=2"
                    )
            return
        axes_in(self.mesh)
        if self.strategy not in ("auto", "none"):
            raise ValueError(
                f"TrainConfig.mesh={self.mesh!r} and strategy={self.strategy!r}: give "
                "one, both say where it is trained"
            )

    @property
    def devices(self) -> tuple[str, str | None, int | None]:
        """What `training.make_devices` takes.

        >>> TrainConfig(mesh="data=2").devices
        ('auto', 'data=2', None)
        """
        return self.strategy, self.mesh, self.logical_cpus

    def is_over(self, steps: int, milliseconds: int = 0) -> bool:
        """Whether a run has made its updates, or had its minutes.

        Args:
            steps: updates so far.
            milliseconds: that training took so far.

        >>> TrainConfig(steps=9).is_over(9), TrainConfig(minutes=1).is_over(9, 59_000)
        (True, False)
        """
        if self.minutes is None:
            return steps >= self.steps
        return milliseconds >= round(self.minutes * 60_000)

    def check_counts(self) -> None:
        """Refuses numbers of updates that do not go together.

        Raises:
            ValueError: names the field.
        """
        counted = ("steps", "evaluate_every")[self.minutes is not None :]
        for name in counted:
            if getattr(self, name) % self.steps_per_execution:
                raise ValueError(
                    f"{name}={getattr(self, name)} is no multiple of "
                    f"steps_per_execution={self.steps_per_execution}"
                )


@dataclasses.dataclass(frozen=True)
class PrivacyConfig(Config):
    """Whether the weights are to tell little of any one example, and how little: what
    `privacy.DPSGD` and `privacy.PrivacyBudget` take. It is for examples, not for text.

    Attributes:
        noise_multiplier: standard deviation of the noise, as a multiple of `clip_norm`
            (None: as `epsilon` asks for; without that, training is not private).
        clip_norm: bound on the norm of an example's gradient.
        delta: probability with which the bound may fail.
        epsilon: bound on what is told; training ends before it is exceeded (None:
            none).

    >>> PrivacyConfig(epsilon=8.0).is_asked_for, PrivacyConfig().is_asked_for
    (True, False)
    """

    noise_multiplier: float | None = setting(None, least=0)
    clip_norm: float = setting(1.0, above=0)
    delta: float = setting(1e-5, above=0, below=1)
    epsilon: float | None = setting(None, above=0)

    @property
    def is_asked_for(self) -> bool:
        """Whether training is private."""
        return self.noise_multiplier is not None or self.epsilon is not None


@dataclasses.dataclass(frozen=True)
class ExperimentConfig(Config):
    """Everything that makes a run what it is; `experiment.json` of a run's folder.

    What a run learns of itself is added when it starts: the task's options, the
    tokenizer, the fingerprint of the data, the steps of so many epochs.
    """

    model: ModelConfig = TransformerConfig()
    task: TaskConfig = TaskConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    privacy: PrivacyConfig = PrivacyConfig()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]):
        """As `Config.from_dict`, of older versions too."""
        return super().from_dict(cls.migrated(values))

    @staticmethod
    def migrated(values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Sections as they are now: an older version kept the task's name in `train`.

        >>> ExperimentConfig.migrated({"train": {"task": "MaskedLM", "steps": 3}})
        {'train': {'steps': 3}, 'task': {'name': 'MaskedLM'}}
        """
        train = dict(values.get("train", {}))
        if "task" not in train:
            return values
        named = {"name": train.pop("task"), **values.get("task", {})}
        return {**values, "train": train, "task": named}

    def planned(self, batches: int | None = None) -> ExperimentConfig:
        """The same with what follows from other settings: the steps of so many epochs,
        the warm-up of so many steps, a bias that is to begin at the unigrams.

        Args:
            batches: of an epoch (None: there are no epochs).

        Raises:
            ValueError: there are epochs to count, and no number of batches.

        >>> FINE_TUNING.planned(batches=50).train.steps
        150
        """
        settings, optimizer, model = self.train, self.optimizer, self.model
        if settings.unigram_bias and model.stack != "encoder":  # whose head has one
            model = model.replace(logit_bias=True)
        steps = settings.steps
        if settings.minutes is not None:
            if batches is not None:
                settings = settings.replace(evaluate_every=batches, sample_every=0)
            return self.replace(train=settings, model=model)
        if settings.epochs is not None:
            if batches is None:
                raise ValueError("train.epochs is for examples: of text give the steps")
            steps = max(1, round(settings.epochs * batches))
            settings = settings.replace(
                steps=steps,
                epochs=settings.epochs,
                evaluate_every=min(batches, steps),
                sample_every=0,
            )
        if optimizer.warmup_fraction is not None:
            share = optimizer.warmup_fraction
            optimizer = optimizer.replace(
                warmup_steps=round(share * steps), warmup_fraction=share
            )
        return self.replace(train=settings, optimizer=optimizer, model=model)

    def compile_options(self) -> dict[str, Any]:
        """What a task's `compile` takes beside its optimizer."""
        settings = self.train
        options: dict[str, Any] = {
            "micro_batches": settings.micro_batches,
            "recompute": settings.recompute,
            "jit_compile": "auto" if settings.xla is None else settings.xla,
            "steps_per_execution": settings.steps_per_execution,
        }
        if settings.mesh is not None:
            options["shard_state"] = settings.shard_state
            options["shard_sequence"] = settings.shard_sequence
        if self.data.objective == "stream":
            options["carry_rows"] = self.data.batch_size
        if self.task.label_smoothing:
            options["label_smoothing"] = self.task.label_smoothing
        if self.task.adversarial:
            options["adversarial"] = {
                "epsilon": self.task.adversarial,
                "weight": self.task.adversarial_weight,
                "virtual": self.task.virtual,
            }
        return options


FINE_TUNING = ExperimentConfig(
    data=DataConfig(batch_size=32, sequence_length=512, validation_fraction=0.1),
    optimizer=OptimizerConfig(
        learning_rate=None,
        warmup_fraction=0.1,
        schedule="linear",
        final_fraction=0.0,
        weight_decay=0.01,
        beta_2=0.999,
    ),
    train=TrainConfig(epochs=3.0),
)
"""Defaults of fine-tuning: an encoder that has learnt a language learns a task in few
small steps (Devlin et al., 2019; Mosbach et al., 2021). Steps and warm-up follow from
the examples."""
