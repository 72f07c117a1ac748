"""What all tasks share: configuration, tokenizer, presets, export, training step."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras import tokenizers
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.storage import Storage
from massivetext_keras.data.batching.buckets import Batches
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.data.objectives.base import Objective
from massivetext_keras.data.records import Record
from massivetext_keras.huggingface.models import save as save_huggingface
from massivetext_keras.huggingface.positions import shortened
from massivetext_keras.kerashub.models import save as save_kerashub
from massivetext_keras.layers.dense import Dense
from massivetext_keras.models.backbone import Backbone, register
from massivetext_keras.optimization.keras_seams import keep_quantize
from massivetext_keras.optimization.step import TrainingStep
from massivetext_keras.runtimes import write_export
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.saving.export import Probe
from massivetext_keras.saving.presets import write_preset
from massivetext_keras.saving.weights import Tensors
from massivetext_keras.support.values import choose, closest
from massivetext_keras.tasks import weights
from massivetext_keras.tasks.adapters import Adapters, load_task
from massivetext_keras.tasks.datasets import TextData, check_places
from massivetext_keras.tasks.examples import Examples
from massivetext_keras.tasks.keras_config import config_of, on_one_device, task_from
from massivetext_keras.tasks.preprocessor import Preprocessor
from massivetext_keras.tasks.quantization import Quantization
from massivetext_keras.tasks.served import probes, signatures
from massivetext_keras.tasks.source import Source
from massivetext_keras.tasks.strings import (
    Given,
    evaluate_arguments,
    fit_arguments,
    one_batch,
    one_batch_of_inputs,
    predict_inputs,
)
from massivetext_keras.text.documents import encode_documents

logger = logging.getLogger(__name__)

_PRECISIONS = ("dtype", "torch_dtype", "precision")
# Formats of other libraries, and what writes them.
_FOREIGN: dict[str, Callable[..., None]] = {
    "huggingface": save_huggingface,
    "kerashub": save_kerashub,
}
LIBRARIES = {"huggingface": "Hugging Face", "kerashub": "KerasHub"}
FORMATS = ("massivetext_keras", *_FOREIGN)


class Task(TrainingStep):
    """A model, its tokenizer, its loss and its data; strings in, strings out.

    A subclass says what its backbone is and what it learns from, adds what else it has
    in its constructor, gives `call` and `summed_loss`, and declares by `served` what it
    answers.

    Args:
        config: shape of the model.
        tokenizer: strings to ids; None for a task on ids alone.
        backbone: to use instead of a new one.

    Raises:
        ValueError: the config is of a stack that the task has no use for, or embeds
            fewer tokens than the tokenizer has.
    """

    backbone_class: type[Backbone] | tuple[type[Backbone], ...]  # one, or several
    data_class: type[TextData] = TextData
    fields: tuple[str, ...] = ()  # of its examples; () of one that learns from texts
    options: tuple[str, ...] = ()  # arguments of the constructor that presets keep
    writes: tuple[str, ...] = ()  # arguments of `generate` that `generation` may have
    hugging_face_heads: tuple[str, ...] = ()  # of `head_layout`; the first is read

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.fields = cls.data_class.fields
        register(cls)

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: tokenizers.Tokenizer | None = None,
        backbone: Backbone | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        by_stack = _backbones(type(self))
        if config.stack not in by_stack:
            *others, last = (
                cls.__name__
                for cls in Task.__subclasses__()
                if config.stack in _backbones(cls)
            )
            fitting = f"{', '.join(others)} or {last}" if others else last
            raise ValueError(
                f"{type(self).__name__} needs "
                f"stack={' or '.join(map(repr, by_stack))}, "
                f"not {config.stack!r}: that is for {fitting}"
            )
        if tokenizer is not None and tokenizer.vocabulary_size > config.vocabulary_size:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocabulary_size} tokens, the model "
                f"embeds {config.vocabulary_size}"
            )
        if config.reads_spelling and not getattr(tokenizer, "spelled", True):
            raise ValueError(
                "the model reads the bytes of words, and the tokenizer does not spell "
                "them: train a WordTokenizer with spelled=True, or set character_size=0"
            )
        self._allow_non_tensor_positional_args = True  # nested lists are fine
        self.config = config
        if config.reads_spelling:
            self.reads_ids_alone = "its model reads the bytes of words"
        self.tokenizer = tokenizer
        self.no_tokenizer = f"this {type(self).__name__} was made without a tokenizer"
        if backbone is None:
            backbone = by_stack[config.stack](config, dtype=self.dtype_policy)
        self.backbone = backbone
        self.adapters = Adapters(self)
        self.quantization = Quantization(self)
        keep_quantize(self)
        self.data = self.data_class(self)
        self.built = True

    @classmethod
    def from_preset(
        cls, source: str, tokenizer: tokenizers.Tokenizer | None = None, **changes
    ):
        """A task from a preset's name, a folder, or a Hugging Face folder.

        A folder may be that of another task with the same kind of backbone: what the
        task has beyond it, such as a head, then has random weights.

        Args:
            source: the name of a shape (random weights), such as `massivetext presets`
                lists or "package.module:NAME" of one from elsewhere; a folder written
                by `save_preset`; "hf:folder" with a Hugging Face model;
                "kerashub:folder" with a preset of KerasHub; "bert:folder" or
                "t5:folder" with a checkpoint of google-research, and of BERT of the
                Model Garden; or "gguf:file" of llama.cpp.
            tokenizer: for a name; its size replaces the preset's vocabulary size. For
                a folder, instead of the folder's own.
            **changes: options of the task, and fields of the config to replace, such as
                `dropout`; of learned positions a smaller `max_length` keeps the first.
                Labels that a folder's head tells keep its order; for others the head is
                new.

        Raises:
            ValueError: the name is unknown or the folder's contents do not fit; the
                message says which and names the nearest right one.
            FileNotFoundError: a file of the folder is missing.
        """
        opened = Source.open(source)
        options = {name: changes.pop(name) for name in cls.options if name in changes}
        _check_changes(cls, changes, opened.config)
        parts = opened.parts(cls, tokenizer, options)
        config = parts.config.replace(**changes)
        task = cls(config, parts.tokenizer, **parts.options)
        task.no_tokenizer = parts.no_tokenizer or task.no_tokenizer
        if parts.tensors is not None:
            tensors = shortened(parts.tensors, parts.config, config, opened.name)
            task.take_weights(tensors, opened.name, parts.storages)
        task.loaded_from(opened)
        return task

    def loaded_from(self, source: Source) -> None:
        """Is told where a task that was made is from."""

    @classmethod
    def registered_name(cls) -> str:
        """The name by which `task_class` finds the class again."""
        package, module = __name__.partition(".")[0], cls.__module__
        inside = module.partition(".")[0] in (package, "__main__")
        return cls.__name__ if inside else f"{module}:{cls.__name__}"

    @classmethod
    def accepted_options(cls) -> set[str]:
        """Options of the task, and arguments of its `generate` if it writes texts."""
        return {*cls.options, *cls.writes}

    @classmethod
    def embedded_tokens(cls, tokenizer: tokenizers.Tokenizer) -> int:
        """How many tokens a model for a tokenizer embeds."""
        return tokenizer.vocabulary_size

    @property
    def gives_probabilities(self) -> bool:
        """Whether it has `losses_of`, and so can be a student."""
        return type(self).losses_of is not Task.losses_of

    def choices(self, output: tf.Tensor, features: dict) -> tf.Tensor:
        """Logits of what `call` gives, whose last axis is what is chosen among; those
        before it are those of loss weights, and perhaps more."""
        return output

    def losses_of(
        self, output: tf.Tensor, features: dict, labels: tf.Tensor, weights: tf.Tensor
    ) -> tuple:
        """What `summed_loss` gives in training, from what `call` gave."""
        raise NotImplementedError

    def heads(self) -> dict[str, keras.layers.Layer]:
        """What a preset holds beside the backbone, by the prefix of its names: "head",
        or below it. Each of them is loaded as a whole or not at all.
        """
        return {}

    def named_weights(self) -> dict[str, keras.Variable]:
        """The weights that a preset holds: the backbone's, and the heads' by prefix."""
        return weights.of_preset(self)

    def base_weights(self) -> dict[str, keras.Variable]:
        """The backbone's weights by name, without adapters."""
        return weights.of_backbone(self)

    def take_weights(
        self,
        tensors: Tensors,
        source: str,
        storages: Mapping[str, Storage] | None = None,
    ) -> None:
        """Sets all weights; a head that is not there whole stays as it is.

        Args:
            tensors: by the names of `named_weights`; heads of other tasks, or for other
                labels, are passed over.
            source: where they are from, for messages.
            storages: of matrices that the tensors have in fewer bits, by path (None:
                those that the task has so).

        Raises:
            ValueError: lists what of the backbone is missing, left over, or of another
                shape.
        """
        if storages is None:
            storages = self.quantization.storages()
        weights.take(self, tensors, source, storages)

    def save_preset(self, folder: str | Path, format: str = FORMATS[0]) -> None:
        """Writes config, weights and tokenizer, for `from_preset` to read.

        Each file replaces its predecessor at once and the config, which holds the
        hashes of the others, comes last; other files of the folder stay. What adapters
        add is part of the weights. On a mesh of several workers all call this, and the
        first writes.

        Args:
            folder: made if missing.
            format: "massivetext_keras"; or "huggingface" for transformers, and for
                "hf:folder" here; or "kerashub" for KerasHub, and "kerashub:folder".

        Raises:
            ValueError: the format is unknown, or no family of Hugging Face or KerasHub
                holds such a model or its tokenizer.
        """
        choose("format", format, dict.fromkeys(FORMATS))
        named = self.adapters.merged_weights()
        storages = self.adapters.merged_storages()
        if weights.helped_chief(self, named):
            return
        if format in _FOREIGN:
            how = {"options": self.huggingface_options()}
            if format == "huggingface":
                how["storages"] = storages
            else:
                named = self.quantization.in_floats(named)
            _FOREIGN[format](folder, self.config, named, self.tokenizer, **how)
            return
        write_preset(
            folder,
            self.registered_name(),
            self.config,
            named,
            self.tokenizer,
            self.chosen(),
            storages,
        )

    def quantize(
        self,
        mode: str = "int8",
        texts: str | Sequence[Any] | None = None,
        group_size: int = 32,
        method: str = "best",
    ) -> dict[str, Storage]:
        """Stores kernels and embeddings in fewer bits; see `Quantization.apply`.

        Args:
            mode: "int8", "int4", "float16" or "bfloat16".
            texts: to calibrate "int4" on.
            group_size: numbers that share a scale, of "int4".
            method: "nearest", "gptq", "awq" or "best", with texts.
        """
        return self.quantization.apply(mode, texts, group_size, method)

    def dequantize(self) -> None:
        """Gives kernels and embeddings back as float32; see `Quantization.undo`."""
        self.quantization.undo()

    def export(
        self,
        path: str | Path,
        overwrite: bool = False,
        xla: bool = True,
        streaming: bool = False,
        format: str = "savedmodel",
        weight_type: str | None = None,
    ):
        """Writes what other programs run, such as a SavedModel of strings.

        A SavedModel has the task's `signatures`; `serving_default` is the main one and
        takes strings alone. Other formats are for onnxruntime, llama.cpp and LiteRT.
        The export is loaded again and compared with this model before it takes its
        place. On a mesh of several workers all call this, and the first writes.

        Args:
            path: of the folder, for "gguf" of the file.
            overwrite: replace what is there.
            xla: compile the main signature where the task writes texts: faster after
                the first call of each size, but TensorFlow Serving refuses it unless
                started with `--xla_cpu_compilation_enabled=true`.
            streaming: add signatures that write many texts token by token.
            format: "savedmodel", "onnx", "gguf" or "litert", or any of
                `runtimes.EXPORTS`.
            weight_type: how numbers are stored: "float32" or "int8" of "onnx" and
                "litert"; "float32", "float16", "q8_0" or "q4_0" of "gguf" (None: as
                the format does by itself).

        Raises:
            ValueError: the format is unknown, has no such option or cannot hold the
                task; there is no tokenizer, or the task does not write so.
            FileExistsError: the folder is not empty and `overwrite` is false.
            RuntimeError: the loaded export does not give what this model gives; nothing
                was written then.
        """
        task = self if self.mesh is None else on_one_device(self)
        if weights.leaves_writing(self):
            return
        own = {"xla": xla, "streaming": streaming, "weight_type": weight_type}
        usual = {"xla": True, "streaming": False, "weight_type": None}
        given = {name: own[name] for name in own if own[name] != usual[name]}
        task.check_export(format, given)
        with task.adapters.merged():
            write_export(task, format, path, overwrite, **given)

    def portable_head(self) -> Head:
        """What the task makes of hidden states, for formats without TensorFlow.

        Raises:
            ValueError: nobody has said.
        """
        raise ValueError(
            f"a {type(self).__name__} has no portable_head: give it one, or "
            'format="savedmodel" holds it'
        )

    def signatures(self, xla: bool = True) -> dict[str, Callable]:
        """Graphs of an export by name, of what the task declares by `served`; see
        `export` for `xla`."""
        return signatures(self, xla)

    def check_export(self, format: str, options: Mapping[str, Any]) -> None:
        """Refuses an export that would not keep to what the task keeps to.

        Raises:
            ValueError: says what it would not keep.
        """

    def held_by_export(self) -> list[Any]:
        """What a SavedModel has to keep beside the task's own weights and tokenizer."""
        return []

    def streaming(self, xla: bool = True):
        """Signatures of an export that write many texts token by token.

        Raises:
            ValueError: the task does not write so.
        """
        raise ValueError(
            f"streaming: a {type(self).__name__} does not write token by token"
        )

    def probes(self) -> list[Probe]:
        """Questions to an export, with this model's own answers."""
        return probes(self)

    def add_adapters(
        self,
        pattern: str = "attention",
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        train_heads: bool = True,
    ) -> list[str]:
        """Puts low-rank adapters beside products and freezes the rest; see
        `Adapters.add`."""
        return self.adapters.add(pattern, rank, alpha, dropout, train_heads)

    def adapted(self) -> dict[str, Dense]:
        """The products with an adapter, by path."""
        return self.adapters.layers()

    def merge_adapters(self) -> None:
        """Adds adapters to their kernels; see `Adapters.merge`."""
        self.adapters.merge()

    def unmerge_adapters(self) -> None:
        """Undoes `merge_adapters`; see `Adapters.unmerge`."""
        self.adapters.unmerge()

    def remove_adapters(self) -> None:
        """Takes adapters away; see `Adapters.remove`."""
        self.adapters.remove()

    def save_adapters(self, folder: str | Path) -> None:
        """Writes what adapters have learnt, alone; see `Adapters.save`."""
        self.adapters.save(folder)

    def load_adapters(self, folder: str | Path) -> None:
        """Takes what `save_adapters` or PEFT wrote; see `Adapters.load`."""
        self.adapters.load(folder)

    @classmethod
    def from_adapters(cls, source: str, folder: str | Path, **changes):
        """`from_preset` with the options that adapters were trained with, and these.

        Args:
            source: of the base, as `from_preset` takes it.
            folder: of `save_adapters`, or of PEFT.
            **changes: for `from_preset`.

        Raises:
            FileNotFoundError, ValueError: as `from_preset` and `load_adapters`.
        """
        return load_task(cls, source, folder, changes)

    def make_train_function(self, force: bool = False):
        """As that of `TrainingStep`; adapters that are merged are not trained."""
        if self.adapters.are_merged():
            raise ValueError("the adapters are merged: unmerge_adapters, then train")
        return super().make_train_function(force)

    def datasets(
        self,
        train: Any,
        validation: Any = None,
        batch_size: int | None = None,
        *others: Any,
        batch_tokens: int | None = None,
        sequence_length: int | None = None,
        validation_fraction: float | None = None,
        seed: int = 0,
        start: int = 0,
        progress: bool = True,
        format: str | None = None,
        columns: Mapping[str, str | int] | None = None,
        encoding: str = "utf-8",
        max_length: int | None = None,
        objective: str | Objective | None = None,
        **options: Any,
    ) -> tuple[TrainingBatches, tf.data.Dataset | None]:
        """Batches for `fit`, `evaluate` and `predict`.

        Args:
            train: files, folders and patterns; or what they would hold: examples, dicts
                or tuples of their fields, a frame, a mapping of columns, an Arrow
                table, a tf.data.Dataset; of tasks that learn from text alone, texts.
            validation: the same, to evaluate on.
            batch_size: rows of the global batch (None: 32, or 16 of text alone).
            batch_tokens: tokens of a batch of rows of like lengths, padding included,
                instead.
            sequence_length: tokens of a row at the most (None: the model's
                `max_length`, or what shards have). `max_length` is the same.
            validation_fraction: share of `train` held out where no validation is given
                (None: 0.05 of text alone, else nothing).
            seed: of the order of the training batches, and of masks.
            start: number of the first training batch.
            progress: show a bar.
            format, columns, encoding: of files, see `data.read_records`; two files of
                parallel texts are `format="parallel"`.
            objective: what is learnt of a text: a name of `data.OBJECTIVES`, or
                "package.module:Class" (None: the task's own).
            **options: of the objective, such as `mask_rate` of "masked", or of the
                task: `class_weights` (`TextClassifier`).

        Returns:
            Training batches, an epoch in a new order at each iteration, see
            `data.TrainingBatches`; and the validation batches (None if none), every
            example once and in order.

        Raises:
            FileNotFoundError: a pattern matches nothing.
            TypeError: an argument is unknown, or given without its name.
            ValueError: there are no examples, or none that can be learnt from.
        """
        check_places(validation, batch_size, others)
        if not isinstance(objective, Objective):
            chosen, options = self.data.divided(objective, options)
            if objective or chosen:
                objective = self.data.objective_named(objective, chosen)
        if None not in (sequence_length, max_length):
            raise TypeError("sequence_length and max_length are the same: give one")
        sizes = {"batch_size": batch_size, "batch_tokens": batch_tokens}
        if batch_tokens is not None:
            sizes["batch_size"] = None
        elif batch_size is None:
            sizes |= self.data.batch_sizes
        length = sequence_length if max_length is None else max_length
        named = "sequence_length" if max_length is None else "max_length"
        self.within_context(named, length)
        how = Batching(
            **sizes,
            length=length,
            seed=seed,
            start=start,
            progress=progress,
            options=options,
            objective=objective,
        )
        reading = {"format": format, "columns": columns, "encoding": encoding}
        return self.data.datasets(train, validation, validation_fraction, how, reading)

    def fit_data(self, x, y=None, batch_size=None, **others):
        """What `fit` takes; texts go in as they are, see `TextData.encode`.

        Args:
            x: `datasets`' batches; features; or texts: an array, a list, a frame, a
                tf.data.Dataset of them or of (text, label); or dicts of fields.
            y: labels; of texts their names or numbers.
            batch_size: rows of a batch, where x is in none.
            **others: of Keras. `class_weight`, number or name of a label -> weight, is
                for a `TextClassifier` with one label.
        """
        return fit_arguments(self, x, y, batch_size, **others)

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """As `keras.Model.evaluate`, of all that `fit` takes."""
        args, kwargs = evaluate_arguments(self, x, y, batch_size, *args, **kwargs)
        return super().evaluate(*args, **kwargs)

    def predict(self, x, batch_size=None, *args, **kwargs):
        """As `keras.Model.predict`, of all that `fit` takes; a row for each text."""
        x, batch_size = predict_inputs(self, x, batch_size)
        return super().predict(x, batch_size, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, *args, **kwargs):
        """As `keras.Model.train_on_batch`, of all that `fit` takes as one batch."""
        given = one_batch(self, Given(x, y, sample_weight), training=True)
        return super().train_on_batch(*given, *args, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, *args, **kwargs):
        """As `keras.Model.test_on_batch`, of all that `fit` takes as one batch."""
        given = one_batch(self, Given(x, y, sample_weight), training=False)
        return super().test_on_batch(*given, *args, **kwargs)

    def predict_on_batch(self, x):
        """As `keras.Model.predict_on_batch`, of all that `predict` takes."""
        return super().predict_on_batch(one_batch_of_inputs(self, x))

    def preprocessor(self, sequence_length: int | None = None) -> Preprocessor:
        """A layer from texts to this task's features: see `TextData.preprocessor`."""
        return self.data.preprocessor(sequence_length)

    @property
    def example_text(self) -> str:
        """A text that it can be asked."""
        return "a text"

    @classmethod
    def _examples_class(cls) -> type[Examples]:
        if not issubclass(cls.data_class, Examples):
            raise TypeError(
                f"a {cls.__name__} learns from texts, and not from examples"
            )
        return cls.data_class

    def _examples(self) -> Examples:
        self._examples_class()
        return self.data  # type: ignore[return-value]  # is of that class

    # What `data` does, an `Examples` or a `TextData`; a subclass may override it.

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> Any:
        """See `Examples.example`."""
        return cls._examples_class().example(fields)

    @classmethod
    def options_for(cls, examples: Sequence[Any]) -> dict[str, Any]:
        """See `Examples.options_for`."""
        return cls._examples_class().options_for(examples)

    @classmethod
    def read_examples(cls, files: Any, *how, **reading) -> list[Any]:
        """See `Examples.read_files`."""
        return cls._examples_class().read_files(files, *how, **reading)

    @classmethod
    def examples_of(cls, examples: Any, **reading) -> list[Any]:
        """See `Examples.of`."""
        return cls._examples_class().of(examples, **reading)

    @classmethod
    def examples_in(cls, records: Iterable[Record], *about) -> list[tuple]:
        """See `Examples.in_records`."""
        return cls._examples_class().in_records(records, *about)

    def is_answered(self, example: Any) -> bool:
        """See `Examples.is_answered`."""
        return self._examples().is_answered(example)

    def example_batches(
        self,
        examples: Sequence[Any],
        batch_size: int | None = 32,
        batch_tokens: int | None = None,
        max_length: int | None = None,
        training: bool = True,
    ) -> Batches:
        """Examples as rows, and the batches that they make; see `Examples.batches`.

        Args:
            examples: of the task.
            batch_size: rows of a batch.
            batch_tokens: tokens of a batch, instead; give `batch_size=None`.
            max_length: tokens of a row (None: the model's `max_length`).
            training: whether to weigh them for training.

        Raises:
            ValueError: there are none, or none can be learnt from.
        """
        how = Batching(batch_size, batch_tokens, max_length)
        return self._examples().batches(examples, how, training)

    def example_datasets(self, train: Any, *how, **more) -> tuple:
        """See `Examples.example_datasets`."""
        return self._examples().example_datasets(train, *how, **more)

    def training_data(self, items: Sequence[Any], how: Batching) -> TrainingBatches:
        """See `TextData.training`."""
        return self.data.training(items, how)

    def validation_data(self, items: Sequence[Any], how: Batching) -> tf.data.Dataset:
        """See `TextData.validation`."""
        return self.data.validation(items, how)

    def predictions(self, examples: Sequence[Any], progress: bool = False) -> list:
        """See `Examples.predictions`."""
        return self._examples().predictions(examples, progress)

    def scores(self, examples: Sequence, predictions: Sequence) -> dict[str, float]:
        """See `Examples.scores`."""
        return self._examples().scores(examples, predictions)

    def measure(self, examples: Any, predictions=None) -> dict[str, float]:
        """See `Examples.measure`."""
        return self._examples().measure(examples, predictions)

    def token_row(
        self, texts: Sequence[str], progress: bool, add_bos: bool | None = None
    ) -> np.ndarray:
        """Texts as one row of ids, int32 [tokens], for `data.training_batches` and its
        like.

        Args:
            texts: documents.
            progress: show a bar.
            add_bos: see `data.encode_documents`.
        """
        tokenizer = self.need_tokenizer()
        return encode_documents(tokenizer, texts, progress, add_bos)

    def within_context(self, name: str, length: int | None) -> int:
        """A length that the caller chose, or the model's longest if it chose none.

        Raises:
            ValueError: it is more than the model's context; the message has its name.
        """
        context = self.config.max_length
        length = length or context
        if length > context:
            raise ValueError(
                f"{name} {length} is more than the model's context of {context} tokens"
            )
        return length

    def need_tokenizer(self) -> tokenizers.Tokenizer:
        """The tokenizer.

        Raises:
            ValueError: there is none; the message says why.
        """
        if self.tokenizer is None:
            raise ValueError(self.no_tokenizer)
        return self.tokenizer

    def chosen(self) -> dict:
        """The task's options and their values."""
        return {name: getattr(self, name) for name in self.options}

    def as_chosen(self, name: str, value: Any) -> Any:
        """What `chosen` has of an option for which its constructor takes a value."""
        return value

    def huggingface_options(self) -> dict:
        """The same as a folder of Hugging Face takes them."""
        return self.chosen()

    def training_settings(self) -> dict[str, Any]:
        """What of the task decides what training makes of it, as values for JSON."""
        numbers = [i for i, w in enumerate(self.weights) if not w.trainable]
        frozen = hashlib.sha256(str(numbers).encode()).hexdigest()[:8]
        adapters = {
            path: [adapter.rank, adapter.alpha, adapter.dropout.rate]
            for path, adapter in self.adapters.parts().items()
        }
        return {
            **self.chosen(),
            "label_smoothing": getattr(self, "label_smoothing", 0.0),
            "frozen": f"{len(numbers)} weights ({frozen})",
            "adapters (rank, alpha, dropout)": adapters,
        }

    def get_config(self):
        kept = {k: v for k, v in super().get_config().items() if k != "trainable"}
        return {**kept, **config_of(self)}

    @classmethod
    def from_config(cls, values):
        return task_from(cls, values)


def _backbones(cls: type[Task]) -> dict[str, type[Backbone]]:
    """The classes of backbones that a task can have, by stack."""
    classes = cls.backbone_class
    classes = classes if isinstance(classes, tuple) else (classes,)
    return {stack: one for one in classes for stack in one.stacks}


def _check_changes(
    cls: type[Task], changes: Mapping[str, Any], config: ModelConfig
) -> None:
    """Refuses what is neither an option of the task nor a field of the config."""
    for name in changes:
        if name in _PRECISIONS:
            raise ValueError(
                f"{name} is none of a preset: call training.set_precision("
                "'mixed_bfloat16') before; weights stay in float32"
            )
        known = name in config.__dataclass_fields__
        if not known and (near := closest(name, cls.options)):
            raise ValueError(
                f"{cls.__name__} has no option {name!r}: did you mean {near!r}?"
            )
