"""What all tasks share: configuration, tokenizer, presets, export, training step."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras import tokenizers
from massivetext_keras.architecture import shapes as presets
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.generation import read_options
from massivetext_keras.huggingface.models import heads_in
from massivetext_keras.huggingface.models import load as load_huggingface
from massivetext_keras.huggingface.models import save as save_huggingface
from massivetext_keras.huggingface.positions import shortened
from massivetext_keras.models.backbone import Backbone, cannot_quantize, register
from massivetext_keras.optimization.step import TrainingStep
from massivetext_keras.saving.export import Probe, compare, quiet, write_saved_model
from massivetext_keras.saving.presets import read_preset, write_preset
from massivetext_keras.saving.weights import Tensors, assign, named_weights
from massivetext_keras.support.files import check_free
from massivetext_keras.support.values import choose, closest
from massivetext_keras.tasks.adapters import Adapting
from massivetext_keras.tasks.datasets import Datasets
from massivetext_keras.tasks.keras_config import config_of, task_from
from massivetext_keras.tasks.served import probes, signatures
from massivetext_keras.tasks.source import HUGGING_FACE, located, unknown_source
from massivetext_keras.text.documents import encode_documents

logger = logging.getLogger(__name__)

HEAD = "head/"
_PRECISIONS = ("dtype", "torch_dtype", "precision")
FORMATS = ("massivetext_keras", "huggingface")


class Task(Adapting, Datasets, TrainingStep):
    """A model, its tokenizer and its loss; strings in, strings out.

    A subclass says what its backbone is, adds what else it has in its constructor, and
    gives `call`, `summed_loss`, `signatures` and `probes`.

    Args:
        config: shape of the model.
        tokenizer: strings to ids; None for a task on ids alone.
        backbone: to use instead of a new one.

    Raises:
        ValueError: the config is of a stack that the task has no use for, or embeds
            fewer tokens than the tokenizer has.
    """

    backbone_class: type[Backbone]
    options: tuple[str, ...] = ()  # arguments of the constructor that presets keep
    hugging_face_heads: tuple[str, ...] = ()  # of `head_layout`; the first is read
    example_text: str = "a text"  # that it can be asked

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls)

    def __init__(
        self,
        config: TransformerConfig,
        tokenizer: tokenizers.Tokenizer | None = None,
        backbone: Backbone | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        stacks = self.backbone_class.stacks
        if config.stack not in stacks:
            *others, last = (
                cls.__name__
                for cls in Task.__subclasses__()
                if config.stack in cls.backbone_class.stacks
            )
            fitting = f"{', '.join(others)} or {last}" if others else last
            raise ValueError(
                f"{type(self).__name__} needs stack={' or '.join(map(repr, stacks))}, "
                f"not {config.stack!r}: that is for {fitting}"
            )
        if tokenizer is not None and tokenizer.vocabulary_size > config.vocabulary_size:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocabulary_size} tokens, the model "
                f"embeds {config.vocabulary_size}"
            )
        self._allow_non_tensor_positional_args = True  # nested lists are fine
        self.config = config
        self.tokenizer = tokenizer
        self.no_tokenizer = f"this {type(self).__name__} was made without a tokenizer"
        if backbone is None:
            backbone = self.backbone_class(config, dtype=self.dtype_policy)
        self.backbone = backbone
        self.built = True

    @classmethod
    def from_preset(
        cls, source: str, tokenizer: tokenizers.Tokenizer | None = None, **changes
    ):
        """A task from a preset's name, a folder, or a Hugging Face folder.

        A folder may be that of another task with the same kind of backbone: what the
        task has beyond it, such as a head, then has random weights.

        Args:
            source: a name in `presets.PRESETS` (random weights), a folder written by
                `save_preset`, or "hf:folder" with a Hugging Face model.
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
        source = located(source)
        options = {name: changes.pop(name) for name in cls.options if name in changes}
        for name in changes:
            if name in _PRECISIONS:
                raise ValueError(
                    f"{name} is none of a preset: call training.set_precision("
                    "'mixed_bfloat16') before; weights stay in float32"
                )
            known = name in TransformerConfig.__dataclass_fields__
            if not known and (near := closest(name, cls.options)):
                raise ValueError(
                    f"{cls.__name__} has no option {name!r}: did you mean {near!r}?"
                )
        if source in presets.PRESETS:
            if tokenizer is not None:
                changes.setdefault("vocabulary_size", cls.embedded_tokens(tokenizer))
            config = presets.preset(source).replace(**changes)
            return cls(config, tokenizer, **options)
        if source.startswith(HUGGING_FACE):
            return cls._from_hugging_face(
                source.removeprefix(HUGGING_FACE), tokenizer, options, changes
            )
        if not Path(source).is_dir():
            raise unknown_source(source)
        header, tensors = read_preset(source)
        if tokenizer is None and header["tokenizer"]:
            tokenizer = tokenizers.load(source)
            if tokenizer.fingerprint != header["tokenizer"]:
                raise ValueError(f"{source}: the tokenizer is not the preset's own")
        if header["task"] == cls.__name__:
            written = header.get("options", {})
            tensors = _with_labels(written, options, tensors)
            options = {**written, **options}
        there = TransformerConfig.from_dict(header["model"])
        config = there.replace(**changes)
        task = cls(config, tokenizer, **options)
        tensors = shortened(tensors, there, config, source)
        task.take_weights(tensors, source)
        return task

    @classmethod
    def _from_hugging_face(cls, folder, tokenizer, options, changes):
        there = heads_in(folder) if cls.hugging_face_heads else ()
        head = next((head for head in cls.hugging_face_heads if head in there), None)
        config, tensors = load_huggingface(folder, head)
        written = read_options(
            folder,
            head,
            cls.accepted_options(),
            config.stack == "encoder_decoder",
            options.get("prefix"),
            tensors.shapes.get("head/classes/bias", (None,))[0],
        )
        if tokenizer is not None:  # they are ids of the folder's own
            written.pop("end_ids", None)
        tensors = _with_labels(written, options, tensors)
        options = {k: v for k, v in written.items() if k in cls.options} | options
        problem = None
        if tokenizer is None:
            try:
                tokenizer = tokenizers.from_huggingface(folder)
            except (ValueError, FileNotFoundError) as error:
                problem = f"{folder}: the model works on ids only: {error}"
                logger.warning(problem)
        wanted = config.replace(**changes)
        tensors = shortened(tensors, config, wanted, folder)
        task = cls(wanted, tokenizer, **options)
        if problem:
            task.no_tokenizer = problem
        task.take_weights(tensors, folder)
        return task

    @classmethod
    def accepted_options(cls) -> set[str]:
        """Options of the task, and arguments of its `generate` if it writes texts."""
        generate = getattr(cls, "generate", None)
        writes = inspect.signature(generate).parameters if generate else ()
        return {*cls.options, *writes}

    @classmethod
    def embedded_tokens(cls, tokenizer: tokenizers.Tokenizer) -> int:
        """How many tokens a model for a tokenizer embeds."""
        return tokenizer.vocabulary_size

    def heads(self) -> dict[str, keras.layers.Layer]:
        """What a preset holds beside the backbone, by the prefix of its names: "head",
        or below it. Each of them is loaded as a whole or not at all.
        """
        return {}

    def named_weights(self) -> dict[str, keras.Variable]:
        """The weights that a preset holds: the backbone's, and the heads' by prefix."""
        named = self.base_weights()
        for prefix in self.heads():
            named |= self._head_weights(prefix)
        return named

    def take_weights(self, tensors: Tensors, source: str) -> None:
        """Sets all weights; a head that is not there whole stays as it is.

        Args:
            tensors: by the names of `named_weights`; heads of other tasks, or for other
                labels, are passed over.
            source: where they are from, for messages.

        Raises:
            ValueError: lists what of the backbone is missing, left over, or of another
                shape.
        """
        wanted = self.base_weights()
        for prefix in self.heads():
            weights = self._head_weights(prefix)
            shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
            if all(tensors.shapes.get(name) == shapes[name] for name in shapes):
                wanted |= weights
            else:
                logger.warning(
                    f"{source} has no {prefix!r} for this {type(self).__name__}: its "
                    "weights are random, to be trained"
                )
        names = [n for n in tensors if n in wanted or not n.startswith(HEAD)]
        assign(wanted, tensors.only(names))

    def _head_weights(self, prefix: str) -> dict[str, keras.Variable]:
        named = named_weights(self.heads()[prefix])
        return {f"{prefix}/{name}": weight for name, weight in named.items()}

    def save_preset(self, folder: str | Path, format: str = FORMATS[0]) -> None:
        """Writes config, weights and tokenizer, for `from_preset` to read.

        Each file replaces its predecessor at once and the config, which holds the
        hashes of the others, comes last; other files of the folder stay. What adapters
        add is part of the weights.

        Args:
            folder: made if missing.
            format: "massivetext_keras", or "huggingface" for transformers, and for
                "hf:folder" here.

        Raises:
            ValueError: the format is unknown, or no family of Hugging Face holds such a
                model or its tokenizer.
        """
        choose("format", format, dict.fromkeys(FORMATS))
        if format == "huggingface":
            save_huggingface(
                folder,
                self.config,
                self.whole_weights(),
                self.tokenizer,
                options=self.huggingface_options(),
            )
            return
        write_preset(
            folder,
            type(self).__name__,
            self.config,
            self.whole_weights(),
            self.tokenizer,
            self.chosen(),
        )

    def quantize(self, mode=None, *_, **__):
        """Refuses, as `Backbone.quantize` does."""
        raise cannot_quantize(self, mode)

    def export(self, path: str | Path, overwrite: bool = False, xla: bool = True):
        """Writes a SavedModel that takes strings and gives strings.

        It has the task's `signatures`; `serving_default` is the main one and takes
        strings alone. The export is loaded again and compared with this model before it
        takes its place. Where a task writes texts, `xla` compiles the main signature:
        faster after the first call of each size, but TensorFlow Serving refuses it
        unless started with `--xla_cpu_compilation_enabled=true`.

        Raises:
            ValueError: there is no tokenizer.
            FileExistsError: the folder is not empty and `overwrite` is false.
            RuntimeError: the loaded export does not give what this model gives; nothing
                was written then.
        """
        check_free(path, overwrite)  # before anything is computed
        with self.adapters_merged():
            self._export(path, overwrite, xla)

    def _export(self, path: str | Path, overwrite: bool, xla: bool) -> None:
        module = tf.Module(name=self.name)  # what the signatures use, nothing else
        module.tokenizer = self.need_tokenizer()
        module.weights = [weight.value for weight in self.named_weights().values()]
        metadata = {
            "format": "massivetext_keras export",
            "task": type(self).__name__,
            "options": self.chosen(),
            "model": self.config.to_dict(),
            "tokenizer": module.tokenizer.fingerprint,
            "xla": xla,
            "example": self.example_text,
        }
        with quiet("massivetext_keras"):  # warnings are of our own questions
            probes = self.probes()
        write_saved_model(
            path,
            module,
            self.signatures(xla),
            metadata,
            lambda signatures: compare(signatures, probes),
            overwrite,
        )

    def signatures(self, xla: bool = True) -> dict[str, Callable]:
        """Graphs of an export by name, of what the task declares by `served`; see
        `export` for `xla`."""
        return signatures(self, xla)

    def probes(self) -> list[Probe]:
        """Questions to an export, with this model's own answers."""
        return probes(self)

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

    def huggingface_options(self) -> dict:
        """The same as a folder of Hugging Face takes them."""
        return self.chosen()

    def training_settings(self) -> dict[str, Any]:
        """What of the task decides what training makes of it, as values for JSON."""
        numbers = [i for i, w in enumerate(self.weights) if not w.trainable]
        frozen = hashlib.sha256(str(numbers).encode()).hexdigest()[:8]
        adapters = {
            path: [dense.adapter.rank, dense.adapter.alpha, dense.adapter.dropout.rate]
            for path, dense in self.adapted().items()
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


def _with_labels(
    written: Mapping[str, Any], options: dict[str, Any], tensors: Tensors
) -> Tensors:
    """The tensors, without a head that is for other labels than those in `options`; the
    same labels are put in the order in which the head tells them."""
    labels, there = options.get("labels"), written.get("labels")
    if labels is None or there is None:
        return tensors
    if sorted(labels) == sorted(there):
        options["labels"] = there
        return tensors
    return tensors.only(name for name in tensors if not name.startswith(HEAD))
