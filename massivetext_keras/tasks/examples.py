"""What is learnt from examples: a text, and what is to be said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf
from tqdm import tqdm

from massivetext_keras.data.batching.buckets import Batches
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.data.objectives.base import OBJECTIVES
from massivetext_keras.data.records import Problems, Record, read_records
from massivetext_keras.data.records.folders import class_folder_records, is_class_folder
from massivetext_keras.tasks.datasets import TextData
from massivetext_keras.tasks.inputs import are_files, rows_of

EMPTY = "an empty text"  # a note of examples that are used nevertheless
_AT_ONCE = 256  # examples between two states of a bar


class Examples(TextData):
    """Examples of one kind: read, made into batches, answered and measured.

    A subclass gives `fields`, `example` and `batches`, and for measures `predictions`
    and `scores`. An example is a tuple whose first value is the text by which examples
    are kept together when some are held out. What is asked of the task here, its
    `predictions`, `scores` and `example_batches`, a subclass of the task may override.
    """

    batch_sizes: ClassVar[Mapping[str, int]] = {"batch_size": 32}

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> Any:
        """The example that a record is.

        Args:
            fields: values by name; what is for training alone may be missing.

        Raises:
            ValueError: something is missing or wrong; the same words each time.
        """
        raise NotImplementedError(f"{cls.__name__} reads no examples")

    @classmethod
    def noted_example(
        cls, fields: Mapping[str, Any], note: Callable[[str], None]
    ) -> Any:
        """As `example`, where something is put right.

        Args:
            note: is told what was wrong; the same words each time.
        """
        return cls.example(fields)

    @classmethod
    def options_for(cls, examples: Sequence[Any]) -> dict[str, Any]:
        """Options of a task that shall learn from these, such as their labels."""
        return {}

    def batches(
        self,
        examples: Sequence[Any],
        how: Batching,
        training: bool = True,
    ) -> Batches:
        """Encodes examples.

        Args:
            examples: what `example` gives.
            how: rows or tokens of a batch, and tokens of a row.
            training: whether to weigh them for training.

        Raises:
            ValueError: there are none, or none can be learnt from.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no batches")

    def predictions(
        self, examples: Sequence[Any], progress: bool = False
    ) -> list[dict[str, Any]]:
        """The task's answer to each example, as values for JSON."""
        raise NotImplementedError(f"{type(self).__name__} has no answers to examples")

    def is_answered(self, example: Any) -> bool:
        """Whether an example has what should be said of it."""
        return example[1] is not None

    def scores(
        self, examples: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, float]:
        """How good answers are, in the measures of the task's field.

        The answers are compared with what should be said, and nothing is computed with
        the model: it is cheap enough for thousands of resamples.

        Args:
            examples: with what should be said of them.
            predictions: of `predictions`.

        Returns:
            Measures by name, the most important first.
        """
        raise NotImplementedError(f"{type(self).__name__} is not measured")

    def pictures(
        self, examples: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Pictures of the answers by name, uint8 [height, width, 3]."""
        return {}

    def check_measured(self, examples: Sequence[Any]) -> None:
        """Says, before answers are made, with which examples they cannot be compared.

        Raises:
            ValueError: with none of them.
        """

    def held_out(self, examples: Sequence[Any]) -> dict[str, float]:
        """Measures that need the model and no answers, such as the loss."""
        return {}

    def measure(
        self,
        examples: Any,
        predictions: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, float]:
        """The `scores` of answers, and what is measured with the model besides.

        Args:
            examples: with what should be said of them, or files of such.
            predictions: of `predictions` (None: they are made).

        Returns:
            Measures by name, the most important first.
        """
        examples = self.of(examples)
        self.check_measured(examples)
        if predictions is None:
            predictions = self.task.predictions(examples)
        scores = self.task.scores(examples, predictions)
        return {**scores, **self.held_out(examples)}

    @classmethod
    def read_files(
        cls,
        files: str | Path | Sequence[str | Path],
        format: str | None = None,
        columns: Mapping[str, str | int] | None = None,
        encoding: str = "utf-8",
        strict: bool = False,
    ) -> list[Any]:
        """Examples from files; what is none is counted, and said once.

        Args:
            files, format, columns, encoding: see `data.read_records`.
            strict: raise the first problem instead.

        Raises:
            FileNotFoundError: a pattern matches nothing.
            ValueError: there is no example; or, if `strict`, there is a bad one: names
                its file and line.
        """
        problems = Problems(strict)
        if format is None and "label" in cls.fields and is_class_folder(files):
            records = class_folder_records(files, encoding, problems)
        else:
            reading = cls.fields, format, columns, encoding, problems
            records = read_records(files, *reading)
        found = cls.in_records(records, problems, files)
        return [example for _, example in found]

    @classmethod
    def in_records(
        cls, records: Iterable[Record], problems: Problems, files: Any
    ) -> list[tuple[Record, Any]]:
        """The records that are examples, and these.

        Args:
            records: see `data.read_records`.
            problems: of reading them, where those of the examples are added; logged.
            files: for messages.

        Raises:
            ValueError: there is no example.
        """
        found, has = [], ""
        for record in records:
            notes: list[str] = []
            has = f"the fields are {', '.join(record.fields)}"
            try:
                found.append((record, cls.noted_example(record.fields, notes.append)))
            except ValueError as error:
                problems.add(record.where, str(error))
                continue
            for note in notes:
                problems.note(record.where, note)
        if not found:
            where = (
                files if isinstance(files, str | Path) else ",".join(map(str, files))
            )
            why = f": {problems}; {has}" if problems.count else ""
            raise ValueError(f"{where}: there is no example{why}")
        problems.log()
        return found

    @classmethod
    def of(cls, examples: Any, **reading) -> list[Any]:
        """Examples from files or from memory; [] for None.

        Args:
            examples: names of files; or examples, dicts or tuples of their fields,
                texts alone, or what holds such, see `inputs.rows_of`.
            **reading: for `read_files`.

        Raises:
            FileNotFoundError: a pattern matches nothing.
            ValueError: there is no example.
        """
        if examples is None:
            return []
        if are_files(examples):
            return cls.read_files(examples, **reading)
        rows = list(rows_of(examples))
        if all(hasattr(row, "_fields") for row in rows):
            return rows
        records = (
            Record(cls.fields_of(row), f"example {i}") for i, row in enumerate(rows)
        )
        found = cls.in_records(records, Problems(), "the examples")
        return [example for _, example in found]

    @classmethod
    def fields_of(cls, row: Any) -> dict[str, Any]:
        """The fields of an example in memory, by name.

        Args:
            row: a mapping, a tuple in the order of `fields`, or the first field alone.

        >>> Examples.fields_of({"text": "a"})
        {'text': 'a'}
        """
        if isinstance(row, Mapping):
            return dict(row)
        values = row if isinstance(row, list | tuple) else [row]
        return dict(zip(cls.fields, values, strict=False))

    def read(self, data: Any, **reading) -> list[Any]:
        return self.of(data, **reading)

    def split(self, items: Sequence[Any], share: float) -> tuple[list, list]:
        return split_examples(items, share)

    def share_of(self, items: Sequence[Any]) -> float:
        own = self.objective
        return 0.0 if own is None else OBJECTIVES[own].share_held_out

    def training(self, items: Sequence[Any], how: Batching) -> TrainingBatches:
        if how.objective is not None:
            return how.objective.training(self.task, items, how)
        batches = self.task.example_batches(items, *how.sizes)
        return batches.training(how.seed, how.start)

    def validation(self, items: Sequence[Any], how: Batching) -> tf.data.Dataset:
        if how.objective is not None:
            return how.objective.validation(self.task, items, how)
        batches = self.task.example_batches(items, *how.sizes, training=False)
        return batches.in_order()

    def example_datasets(
        self,
        train: Any,
        validation: Any = None,
        batch_size: int | None = 32,
        batch_tokens: int | None = None,
        max_length: int | None = None,
        validation_fraction: float = 0.0,
        seed: int = 0,
        start: int = 0,
    ) -> tuple[TrainingBatches, tf.data.Dataset | None]:
        """As `Task.datasets`, of examples alone.

        Args:
            train: files as `read_files` takes them, or examples.
            validation: the same, to evaluate on.
            batch_size: rows of the global batch.
            batch_tokens: tokens of a batch, padding included, instead; give
                `batch_size=None`.
            max_length: tokens of a row (None: the model's `max_length`).
            validation_fraction: share of the training examples held out, where no
                validation is given; all of one text or none of them (0: none).
            seed: of the order of the training batches.
            start: number of the first training batch.

        Raises:
            ValueError: there are no examples, or none that can be learnt from.
        """
        train, validation = self.of(train), self.of(validation)
        if not validation and validation_fraction:
            train, validation = split_examples(train, validation_fraction)
        how = Batching(batch_size, batch_tokens, max_length, seed, start)
        batches = self.training(train, how).epochs()
        return batches, self.validation(validation, how) if validation else None


def split_examples(
    examples: Sequence[Any],
    fraction: float,
    seed: int = 0,
    key: Callable[[Any], str] = lambda example: example[0],
) -> tuple[list[Any], list[Any]]:
    """Sets about a share of the examples aside, all with the same text or none of them.

    Which they are depends on the text and the seed alone.

    Args:
        examples: of a task.
        fraction: share of the texts, above 0 and below 1.
        seed: of the choice.
        key: example -> its text.

    Raises:
        ValueError: the share is out of range, or a side would be empty.

    >>> split_examples([("a", 1), ("a", 2), ("b", 1), ("c", 1)], 0.3)
    ([('a', 1), ('a', 2), ('b', 1)], [('c', 1)])
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"the share held out must be in (0, 1), got {fraction}")
    texts = sorted(set(map(key, examples)), key=lambda text: _hash(text, seed))
    aside = set(texts[: max(1, round(fraction * len(texts)))])
    if len(aside) == len(texts):
        raise ValueError(
            f"none of {len(texts)} different texts can be held out: give examples to "
            "measure on (validation)"
        )
    sides: tuple[list, list] = [], []
    for example in examples:
        sides[key(example) in aside].append(example)
    return sides


def _hash(text: str, seed: int) -> bytes:
    data = f"{seed}:{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).digest()


def in_parts(
    items: Sequence[Any], unit: str, progress: bool = False
) -> Iterator[Sequence[Any]]:
    """Some after some of the items, in their order, with a bar that counts them.

    Args:
        items: to be answered.
        unit: what one of them is called.
        progress: show the bar.

    >>> [len(some) for some in in_parts(range(300), "text")]
    [256, 44]
    """
    with tqdm(total=len(items), unit=unit, disable=not progress) as bar:
        for first in range(0, len(items), _AT_ONCE):
            some = items[first : first + _AT_ONCE]
            yield some
            bar.update(len(some))
