"""From files, lists, arrays, frames or datasets to batches: the same for every task."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras import corpus
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.data.objectives.base import (
    OBJECTIVES,
    Objective,
    make_objective,
)
from massivetext_keras.data.shards.reader import open_shards
from massivetext_keras.support.values import choose, nearest
from massivetext_keras.tasks.inputs import are_files, rows_of, texts_of
from massivetext_keras.tasks.preprocessor import Preprocessor
from massivetext_keras.tasks.strings import (
    Given,
    are_records,
    are_texts,
    check_rows,
    dataset_of,
    opened,
    split,
    weighed,
    without_missing,
)


class Datasets:
    """A mixin for tasks: `datasets`, over what a task says of its examples.

    A task names its `objective`; or it gives `training_data` and `validation_data`,
    and, if its examples are not texts alone, `read_data` and `split_data`.
    """

    # Where nobody says them.
    batches_of: Mapping[str, int] = {"batch_size": 32}
    objective: str | None = None  # of `data.objectives`; None: labels of the task's own
    dataset_options: tuple[str, ...] = ()  # beside those of the objective
    # Whether `encode_texts` says all that is to be learnt of strings.
    fits_strings = False

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
            batch_size: rows of the global batch (None: 32, or 16 of a `CausalLM`).
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
        _check_places(validation, batch_size, others)
        if not isinstance(objective, Objective):
            chosen, options = _divided(self, objective, options)
            if objective or chosen:
                objective = self.objective_named(objective, chosen)
        if None not in (sequence_length, max_length):
            raise TypeError("sequence_length and max_length are the same: give one")
        sizes = {"batch_size": batch_size, "batch_tokens": batch_tokens}
        if batch_tokens is not None:
            sizes["batch_size"] = None
        elif batch_size is None:
            sizes |= self.batches_of
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
        return self.make_datasets(train, validation, validation_fraction, how, reading)

    def make_datasets(
        self,
        train: Any,
        validation: Any,
        share: float | None,
        how: Batching,
        reading: Mapping[str, Any],
    ) -> tuple[TrainingBatches, tf.data.Dataset | None]:
        """What `datasets` gives.

        Args:
            train, validation: as `datasets` takes them.
            share: of `train` to hold out if there is no validation (None: the task's).
            how: the sizes of batches.
            reading: how files are read.
        """
        read, split, usual = self.read_data, self.split_data, self.share_of
        if how.objective is not None and how.objective.reads == "texts":
            read, split, usual = self.read_texts, self.split_texts, self.share_of_texts
        items = read(train, **reading)
        held_out = [] if validation is None else read(validation, **reading)
        share = usual(items) if share is None else share
        if not held_out and share:
            items, held_out = split(items, share)
        batches = self.training_data(items, how).epochs()
        return batches, self.validation_data(held_out, how) if held_out else None

    def fit_data(self, x, y=None, batch_size=None, **named):
        """What `fit` takes; texts go in as they are, see `encode_texts`.

        Args:
            x: `datasets`' batches; features; or texts: an array, a list, a frame, a
                tf.data.Dataset of them or of (text, label); or dicts of fields.
            y: labels; of texts their names or numbers.
            batch_size: rows of a batch, where x is in none.
            **named: of Keras. `class_weight`, number or name of a label -> weight, is
                for a `TextClassifier` with one label.
        """
        x = opened(x)
        given = Given(x, y, named.pop("sample_weight", None))
        share = named.pop("validation_split", 0.0)
        held_out = named.pop("validation_data", None)
        if isinstance(held_out, list) and not are_texts(held_out):
            held_out = tuple(held_out)  # of arrays, as Keras has it
        if share and held_out is None:
            given, held_out = split(given, share)
            held_out = tuple(held_out)
        if are_texts(x):
            shuffle = bool(named.get("shuffle", True))
            given = Given(self._batches_of_texts(given, batch_size, True, shuffle))
        if held_out is not None and not isinstance(held_out, tuple):
            held_out = opened(held_out)
        there = Given(*held_out) if isinstance(held_out, tuple) else Given(held_out)
        if are_texts(there.x):
            rows = named.get("validation_batch_size") or batch_size
            held_out = self._batches_of_texts(there, rows, False)
        if (weights := named.pop("class_weight", None)) is not None:
            given = weighed(given, self.table_of_weights(weights), self.as_labels)
        rows = None if isinstance(given.x, tf.data.Dataset) else batch_size
        named |= {"validation_data": held_out, "sample_weight": given.sample_weight}
        return given.x, {"y": given.y, "batch_size": rows, **named}

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """As `keras.Model.evaluate`, of all that `fit` takes."""
        x = opened(x)
        if are_texts(x):
            given = Given(x, y, kwargs.pop("sample_weight", None))
            x, y = self._batches_of_texts(given, batch_size, False), None
            batch_size = None
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def predict(self, x, batch_size=None, *args, **kwargs):
        """As `keras.Model.predict`, of all that `fit` takes; a row for each text."""
        x = opened(x)
        if are_texts(x):
            if are_records(x):
                x = self.asked(self.read_data(list(rows_of(x))))
            features = functools.partial(_features_alone, self)
            x, batch_size = dataset_of(Given(x), features, batch_size, False), None
        return super().predict(x, batch_size, *args, **kwargs)

    def _batches_of_texts(
        self,
        given: Given,
        batch_size: int | None,
        training: bool,
        shuffle: bool = False,
    ) -> tf.data.Dataset:
        check_rows(given)
        columns = isinstance(given.x, Mapping) and given.y is None
        if self.fits_strings and not are_records(given.x) and not columns:
            given = without_missing(given)
            if given.y is not None and not isinstance(given.x, tf.data.Dataset):
                given = given._replace(y=self.readable_labels(given.y))
            return dataset_of(given, self.encode_texts, batch_size, shuffle)
        if given.sample_weight is not None:
            raise ValueError("sample_weight goes with arrays of texts, x and y")
        rows = list(rows_of(given.x))
        if given.y is not None:
            rows = list(zip(rows, rows_of(given.y), strict=True))
        sizes = {"batch_size": None, **self.batches_of}
        if batch_size is not None:
            sizes = {"batch_size": batch_size}
        how = Batching(**sizes, progress=False)
        items = self.read_data(rows)
        if training:
            return self.training_data(items, how).epochs()
        return self.validation_data(items, how)

    def preprocessor(self, sequence_length: int | None = None) -> Preprocessor:
        """A layer from texts to this task's features; see `tasks.Preprocessor`.

        Args:
            sequence_length: tokens of every row (None: as many as a batch needs).

        Raises:
            ValueError: there is no tokenizer, or the rows are longer than the model's
                context.
        """
        config = self.config
        self.within_context("sequence_length", sequence_length)
        return Preprocessor(
            self.need_tokenizer(),
            config.stack,
            sequence_length,
            config.max_length,
            segmented=config.stack == "encoder" and config.segment_types > 1,
            prefix=getattr(self, "prefix", ""),
            start_id=getattr(self, "start_id", 0),
            lowercase=getattr(self, "lowercase", False),
            name="preprocessor",
        )

    @functools.cached_property
    def text_features(self) -> Preprocessor:
        """The layer that `fit`, `evaluate` and `predict` read texts with."""
        return self.preprocessor()

    def readable_labels(self, labels: Any) -> Any:
        """Labels in memory, of rows, as `encode_texts` takes them."""
        return labels

    def encode_texts(self, x, y=None, sample_weight=None) -> tuple:
        """Texts, and what is to be said of them, as a batch, inside a graph.

        Args:
            x: string [batch], or two of such, see `Preprocessor`.
            y: labels, as the task takes them.
            sample_weight: float [batch].
        """
        features = self.text_features(x)
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)

    def parted(self, x, y) -> tuple:
        """Texts and labels of a batch, which may be columns of one mapping."""
        named = self.fields[1]
        if y is None and isinstance(x, Mapping) and named in x:
            y = x[named]
            x = {name: x[name] for name in self.fields if name in x and name != named}
        return x, y

    def asked(self, items: Sequence[Any]) -> Any:
        """The texts of examples, as `Preprocessor` takes them."""
        if not items or isinstance(items[0], str):
            return list(items)
        second = [getattr(item, "second", None) for item in items]
        first = [item[0] for item in items]
        return (first, second) if None not in second else first

    def table_of_weights(self, class_weight: Mapping) -> np.ndarray:
        """Weights by the number of a class, float32 [classes], of Keras's argument.

        Raises:
            ValueError: the task has no classes.
        """
        raise ValueError(
            f"class_weight= is for classes, and a {type(self).__name__} has none of "
            "rows: give sample_weight"
        )

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
        own = self.own_objective
        if name is None and own is None:
            return None
        found = make_objective(name or own, options)
        kind = None if own is None else OBJECTIVES[own].batches
        if found.batches != kind:
            fitting = [k for k, v in OBJECTIVES.items() if v.batches == kind]
            kinds = f"these are: {', '.join(fitting)}" if own else "it has labels"
            raise ValueError(
                f"{type(self).__name__} does not learn from objective {name!r}: {kinds}"
            )
        found.check(self)
        return found

    def read_data(self, data: Any, **reading) -> list:
        """Texts, or what else a task learns from."""
        return self.read_texts(data, **reading)

    def read_texts(
        self, data: Any, format=None, columns=None, encoding="utf-8"
    ) -> list:
        """Texts of files, or of what holds some."""
        if (format, columns, encoding) != (None, None, "utf-8"):
            raise TypeError(
                f"{type(self).__name__} learns from text: format=, columns= and "
                "encoding= are of files of examples"
            )
        if are_files(data) and open_shards(data):
            raise ValueError(f"{data} are shards; a {type(self).__name__} takes text")
        return texts_of(data)

    def share_of(self, items: Sequence[Any]) -> float:
        """The share of examples that is held out where nobody says another."""
        own = self.objective
        return 0.0 if own is None else OBJECTIVES[own].share_held_out

    def share_of_texts(self, items: Sequence[str]) -> float:
        """The same of texts."""
        return Objective.share_held_out

    def split_data(self, items: Sequence[Any], share: float) -> tuple[list, list]:
        """What is learnt, and what is held out."""
        return self.split_texts(items, share)

    def split_texts(self, items: Sequence[str], share: float) -> tuple[list, list]:
        """The same of texts: equal ones are on one side."""
        return corpus.split_documents(items, share)

    def training_data(self, items: Sequence[Any], how: Batching) -> TrainingBatches:
        """Batches of what `read_data` gives, to learn from."""
        return self._objective_of(how).training(self, items, how)

    def validation_data(self, items: Sequence[Any], how: Batching) -> tf.data.Dataset:
        """Batches of what `read_data` gives, once and in order."""
        return self._objective_of(how).validation(self, items, how)

    def _objective_of(self, how: Batching) -> Objective:
        found = how.objective or self.objective_named()
        if found is None:
            raise NotImplementedError(f"{type(self).__name__} has no datasets")
        return found


def _features_alone(task: Datasets, x, *_) -> tuple:
    if isinstance(x, Mapping) and hasattr(task, "fields"):
        x, _ = task.parted(x, None)
    return (task.text_features(x),)


def _check_places(validation, batch_size, others: tuple) -> None:
    """Refuses what `datasets` took by place once."""
    if isinstance(validation, Number) or others:
        numbers = [validation, batch_size, *others]
        numbers = [x for x in numbers if isinstance(x, Number)]
        named = zip(("batch_size", "sequence_length"), numbers, strict=False)
        said = ", ".join(f"{name}={value}" for name, value in named)
        raise TypeError(
            f"datasets(train, validation, …): give what follows by name: {said or '…'}"
        )


def _divided(
    task: Datasets, objective: str | None, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the objective, and those of the task.

    Raises:
        TypeError: one is of neither.
    """
    name = objective or task.own_objective
    cls = Objective if name is None else choose("objective", name, OBJECTIVES)
    fields = tuple(getattr(cls, "__dataclass_fields__", ()))
    for option in options:
        if option not in (*fields, *task.dataset_options):
            known = ("batch_size", "batch_tokens", "sequence_length", "seed", "start")
            known += ("validation_fraction", *fields, *task.dataset_options)
            hint = nearest(option, known)
            raise TypeError(f"{type(task).__name__}.datasets has no {option!r}: {hint}")
    chosen = {k: v for k, v in options.items() if k in fields}
    return chosen, {k: v for k, v in options.items() if k not in fields}
