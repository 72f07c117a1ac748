"""What a task learns from, and how it becomes batches; texts alone here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras import corpus
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.data.objectives.base import OBJECTIVES, Objective, make_objective
from massivetext_keras.data.shards.reader import open_shards
from massivetext_keras.support.values import choose, nearest
from massivetext_keras.tasks.inputs import are_files, texts_of
from massivetext_keras.tasks.preprocessor import Preprocessor


class TextData:
    """What a task learns from: data of all kinds to texts, and texts to batches.

    A task names a subclass as `data_class` and holds one as `data`. The subclass names
    its `objective`, or gives `training` and `validation`; if its items are not texts
    alone, `read` and `split` too; and `encode` if texts in memory are all that it
    learns.

    Args:
        task: whose tokenizer, config and options are used.
    """

    # Of an example, in the order of the columns of a table; () for texts alone.
    fields: ClassVar[tuple[str, ...]] = ()
    # Where nobody says them.
    batch_sizes: ClassVar[Mapping[str, int]] = {"batch_size": 16}
    # Of `data.objectives`; None: labels of the task's own.
    objective: ClassVar[str | None] = None
    # Of `datasets`, beside the fields of the objective.
    options: ClassVar[tuple[str, ...]] = ()
    # Whether `encode` says all that is to be learnt of strings.
    encodes_strings: ClassVar[bool] = False

    def __init__(self, task: Any):
        self.task = task

    @classmethod
    def reads_texts(cls) -> bool:
        """Whether texts alone are learnt from where no other objective is named."""
        own = cls.objective
        return own is not None and OBJECTIVES[own].reads == "texts"

    def datasets(
        self,
        train: Any,
        validation: Any,
        share: float | None,
        how: Batching,
        reading: Mapping[str, Any],
    ) -> tuple[TrainingBatches, tf.data.Dataset | None]:
        """What `Task.datasets` gives.

        Args:
            train, validation: as `Task.datasets` takes them.
            share: of `train` to hold out if there is no validation (None: the usual).
            how: the sizes of batches.
            reading: how files are read.
        """
        reader = self
        if how.objective is not None and how.objective.reads == "texts":
            reader = self.texts
        found = reader.read(train, **reading)
        held_out = [] if validation is None else reader.read(validation, **reading)
        share = reader.share_of(found) if share is None else share
        if not held_out and share:
            found, held_out = reader.split(found, share)
        batches = self.task.training_data(found, how).epochs()
        return batches, self.task.validation_data(held_out, how) if held_out else None

    @property
    def texts(self) -> TextData:
        """What reads texts, whatever else is learnt from."""
        return TextData(self.task)

    @property
    def own_objective(self) -> str | None:
        """Name of the objective where nobody says another."""
        return self.objective

    def objective_named(
        self, name: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Objective | None:
        """An objective, if the task can learn from it.

        Args:
            name: of `data.OBJECTIVES`, or "package.module:Class" (None: the task's
                own).
            options: its fields.

        Returns:
            None for a task that learns labels of its own.

        Raises:
            ValueError: the name or an option is unknown, an option out of range, or the
                task learns from other batches.
            TypeError: an option is of another type.
        """
        own, task = self.own_objective, type(self.task).__name__
        if (wanted := name or own) is None:
            return None
        found = make_objective(wanted, options)
        kind = None if own is None else OBJECTIVES[own].batches
        if found.batches != kind:
            fitting = [k for k, v in OBJECTIVES.items() if v.batches == kind]
            kinds = f"these are: {', '.join(fitting)}" if own else "it has labels"
            raise ValueError(f"{task} does not learn from objective {name!r}: {kinds}")
        found.check(self.task)
        return found

    def divided(
        self, objective: str | None, options: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options of `datasets`: those of an objective, and those of the task.

        Raises:
            TypeError: one is of neither.
        """
        name = objective or self.own_objective
        cls = Objective if name is None else choose("objective", name, OBJECTIVES)
        fields = tuple(getattr(cls, "__dataclass_fields__", ()))
        for option in options:
            if option not in (*fields, *self.options):
                known = ("batch_size", "batch_tokens", "sequence_length", "seed")
                known += ("start", "validation_fraction", *fields, *self.options)
                hint, task = nearest(option, known), type(self.task).__name__
                raise TypeError(f"{task}.datasets has no {option!r}: {hint}")
        chosen = {k: v for k, v in options.items() if k in fields}
        return chosen, {k: v for k, v in options.items() if k not in fields}

    def read(self, data: Any, *, format=None, columns=None, encoding="utf-8") -> list:
        """Texts, or what else is learnt from, of files or from memory.

        Raises:
            FileNotFoundError: a pattern matches nothing.
            TypeError: how files are read is said, and they are no files of examples.
            ValueError: there is nothing to learn from.
        """
        name = type(self.task).__name__
        if (format, columns, encoding) != (None, None, "utf-8"):
            raise TypeError(
                f"{name} learns from text: format=, columns= and encoding= are of "
                "files of examples"
            )
        if are_files(data) and open_shards(data):
            raise ValueError(f"{data} are shards; a {name} takes text")
        return texts_of(data)

    def share_of(self, items: Sequence[Any]) -> float:
        """The share of the items that is held out where nobody says another."""
        own = self.own_objective
        cls = Objective if own is None else OBJECTIVES[own]
        return cls.share_held_out

    def split(self, items: Sequence[Any], share: float) -> tuple[list, list]:
        """What is learnt, and what is held out."""
        return corpus.split_documents(items, share)

    def training(self, items: Sequence[Any], how: Batching) -> TrainingBatches:
        """Batches of what `read` gives, to learn from."""
        return self._objective(how).training(self.task, items, how)

    def validation(self, items: Sequence[Any], how: Batching) -> tf.data.Dataset:
        """Batches of what `read` gives, once and in order."""
        return self._objective(how).validation(self.task, items, how)

    def _objective(self, how: Batching) -> Objective:
        found = how.objective or self.objective_named()
        if found is None:
            raise NotImplementedError(f"{type(self.task).__name__} has no datasets")
        return found

    def preprocessor(
        self, sequence_length: int | None = None, **settings: Any
    ) -> Preprocessor:
        """A layer from texts to the task's features; see `tasks.Preprocessor`.

        Args:
            sequence_length: tokens of every row (None: as many as a batch needs).
            **settings: more arguments of the layer, such as its `prefix`.

        Raises:
            ValueError: there is no tokenizer, or the rows are longer than the model's
                context.
        """
        config = self.task.config
        self.task.within_context("sequence_length", sequence_length)
        return Preprocessor(
            self.task.need_tokenizer(),
            config.stack,
            sequence_length,
            config.max_length,
            segmented=config.stack == "encoder" and config.segment_types > 1,
            name="preprocessor",
            **settings,
        )

    @functools.cached_property
    def features_of(self) -> Preprocessor:
        """The layer that `fit`, `evaluate` and `predict` read texts with."""
        return self.preprocessor()

    def encode(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        """Texts, and what is to be said of them, as a batch, inside a graph.

        Args:
            x: string [batch], or two of such, see `Preprocessor`.
            y: labels, as the task takes them.
            sample_weight: float [batch].
        """
        features = self.features_of(x)
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)

    def inputs_of(self, items: Sequence[Any]) -> Any:
        """What the task is asked by items of `read`, as `Preprocessor` takes texts."""
        if not items or isinstance(items[0], str):
            return list(items)
        second = [getattr(item, "second", None) for item in items]
        first = [item[0] for item in items]
        return (first, second) if None not in second else first

    def texts_and_labels(self, x: Any, y: Any = None) -> tuple[Any, Any]:
        """Texts and labels of a batch, which may be columns of one mapping."""
        named = self.fields[1] if self.fields else None
        if y is None and isinstance(x, Mapping) and named in x:
            y = x[named]
            x = {name: x[name] for name in self.fields if name in x and name != named}
        return x, y

    def as_strings(self, labels: Any) -> Any:
        """Labels in memory, of rows, as `encode` takes them."""
        return labels

    def class_weights(self, weights: Mapping) -> np.ndarray:
        """Keras's `class_weight` as float32 [classes].

        Raises:
            ValueError: the task has no classes.
        """
        raise ValueError(
            f"class_weight= is for classes, and a {type(self.task).__name__} has none "
            "of rows: give sample_weight"
        )


def check_places(validation: Any, batch_size: Any, others: tuple) -> None:
    """Refuses what `datasets` took by place once.

    Raises:
        TypeError: says how it is to be given.
    """
    if isinstance(validation, Number) or others:
        numbers = [validation, batch_size, *others]
        numbers = [x for x in numbers if isinstance(x, Number)]
        named = zip(("batch_size", "sequence_length"), numbers, strict=False)
        said = ", ".join(f"{name}={value}" for name, value in named)
        raise TypeError(
            f"datasets(train, validation, …): give what follows by name: {said or '…'}"
        )
