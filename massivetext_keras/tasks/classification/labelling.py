"""What can be said of a text: one label, several labels, or a number."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras import evaluation
from massivetext_keras.data.records import Problems
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.support.values import choose, nearest
from massivetext_keras.tasks.classification.label_columns import (
    are_numerals,
    read_column,
    says_nothing,
)
from massivetext_keras.tasks.classification.label_numbers import (
    are_one_hot,
    column,
    finite,
    multi_hot,
    named,
    numbers_of_classes,
    whole,
)
from massivetext_keras.tasks.classification.labels import (
    HINT,
    SEPARATOR,
    WHOLE,
    Classification,
    Label,
    from_multi_hot,
    label_of,
    name_of,
    names_of,
)
from massivetext_keras.tasks.inputs import rows_of
from massivetext_keras.text.examples import LabeledText

logger = logging.getLogger(__name__)

_SHOWN = 30  # characters of a text, for people to find it; and labels, to choose from
_NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"  # in a graph


class Labelling:
    """One kind of answer: its targets, loss, scores and measures.

    Args:
        labels: that there are, in the order of the logits.
        threshold: probability from which one of several labels is given.

    Raises:
        ValueError: there are too few labels, one is there twice, or the threshold is
            out of range.
    """

    least = 1  # labels that there must be
    tally: str  # what `fit` logs beside the loss
    size: int  # of the logits
    scored_by: str  # what makes scores of logits: "softmax", "sigmoid", "identity"

    def __init__(self, labels: Sequence[str], threshold: float):
        self.labels, self.threshold = tuple(map(name_of, labels)), threshold
        self.index = {label: i for i, label in enumerate(self.labels)}
        self.size = len(self.labels)
        self.numerals = not self.labels or are_numerals(self.labels)
        self.spellings: dict[Any, str] = dict(
            zip(read_column(self.labels), self.labels, strict=True)
        )
        if len(self.labels) < self.least:
            raise ValueError(
                f"there must be {self.least} labels or more, got {list(labels)}: set "
                "labels, or problem='regression'"
            )
        for i, label in enumerate(self.labels):
            if self.index[label] != i:
                raise ValueError(f"labels: {label!r} is there twice")
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"threshold must be in (0, 1), got {threshold}")

    def check_weights(self, wanted: str | Mapping[str, float] | None) -> None:
        """Refuses weights of classes that `weights` could not use.

        Raises:
            ValueError: a name is unknown, or there can be none here.
        """
        if wanted is not None:
            raise ValueError("class_weights are for problem='single_label'")

    def weights(
        self, targets: np.ndarray, wanted: str | Mapping[str, float] | None
    ) -> np.ndarray:
        """Loss weights of examples, float32 [n].

        Args:
            targets: of the examples.
            wanted: label -> weight, others have 1; "balanced": all labels have the same
                sum of weights, and the mean of all is 1; None: 1.
        """
        return np.ones(len(targets), np.float32)

    def read(self, label: Any) -> Any:
        """What an example's label says: a name, names, or a number.

        Raises:
            ValueError: nothing of that kind; the same words each time.
        """
        raise NotImplementedError

    def target(self, label: Any) -> Any:
        """What is learnt of what `read` gives.

        Raises:
            ValueError: it cannot be learnt; the same words each time.
        """
        raise NotImplementedError

    def targets(self, examples: Sequence[LabeledText]) -> tuple[list, np.ndarray]:
        """The examples that can be learnt from, and [examples, …] what is learnt.

        Raises:
            ValueError: there is none.
        """
        kept, targets = self._usable(examples, lambda x: self.target(self.read(x)))
        return kept, np.stack(targets)

    def judged(
        self,
        examples: Sequence[LabeledText],
        predictions: Sequence[Mapping[str, Any]],
    ) -> tuple[list, list]:
        """What `read` gives of the examples that have a label, and their predictions.

        Raises:
            ValueError: there is none, or not as many predictions.
        """
        pairs = list(zip(examples, predictions, strict=True))
        kept, true = self._usable(pairs, self.read, of=lambda pair: pair[0])
        return true, [prediction for _, prediction in kept]

    def warn_of_unknown(self, examples: Sequence[LabeledText]) -> None:
        """Says how many examples have labels that no answer can be."""
        given = [x.label for x in examples if x.label != () and self.reads(x.label)]
        strange = [label for label in given if not self.knows(label)]
        if strange:
            logger.warning(
                "%s of %s examples have labels that the task has not learnt, such as "
                "%r: they count as wrong",
                f"{len(strange):,}",
                f"{len(given):,}",
                strange[0],
            )

    def _usable(self, items, function, of=lambda item: item):
        problems, kept, values = Problems(), [], []
        for item in items:
            text, label, _ = of(item)
            try:
                values.append(function(label))
                kept.append(item)
            except ValueError as error:
                problems.add(repr(label or text[:_SHOWN]), str(error))
        problems.log()
        if not kept:
            why = f": {problems}" if problems.count else ""
            raise ValueError(f"no example has a label to use{why or HINT}")
        return kept, values

    def knows(self, label: Any) -> bool:
        """Whether an answer can be what an example says."""
        return True

    def lacks(self, label: Label) -> bool:
        """Whether there is no label; a word for a missing number may be a class."""
        if not says_nothing(label) or label in self.index:
            return False
        return self.numerals or not isinstance(label, str) or not label

    def reads(self, label: Label) -> bool:
        """Whether `read` finds something that an answer can be compared with."""
        try:
            self.read(label)
        except ValueError:
            return False
        return True

    def spelled(self, name: str) -> str:
        """A name as the labels have it, where numbers are written otherwise.

        >>> SingleLabel(["0", "1"], 0.5).spelled("1.0")
        '1'
        """
        if name in self.index:
            return name
        return self.spellings.get(read_column([name])[0], name)

    def joined_names(self, rows: Any) -> Any:
        """Labels in memory as a string, or a number, for each row, None where one is
        missing; those that are all numbers stay what they are.

        Args:
            rows: a name, or several, of each.

        Raises:
            ValueError: a label cannot be learnt, or its name is unknown; names its row
                and the nearest one.

        >>> MultiLabel(["a", "b"], 0.5).joined_names([("a", "b"), "a", (), None])
        ['a|b', 'a', '', None]
        """
        values = list(rows_of(rows))
        if not any(isinstance(x, str) for x in tf.nest.flatten(values)):
            return rows
        labels = []
        for i, value in enumerate(values):
            one = isinstance(value, list | tuple) and len(value) == 1
            try:
                labels.append(label_of(value[0] if one else value))
            except ValueError as error:
                raise ValueError(f"row {i}: {error}") from None
        return [self._joined(i, label) for i, label in enumerate(read_column(labels))]

    def _joined(self, row: int, label: Label) -> str | float | None:
        if self.lacks(label):
            return None
        try:
            said = self.read(label)
        except ValueError as error:
            raise ValueError(f"row {row}: label {label!r}: {error}") from None
        if isinstance(said, float):
            return said
        for name in () if self.knows(said) else names_of(said):
            if name not in self.index:
                hint = nearest(name, self.labels)
                raise ValueError(f"row {row}: label {name!r}: {hint}")
        return SEPARATOR.join(names_of(said))

    @functools.cached_property
    def _numbers(self) -> tf.lookup.StaticHashTable:
        """Name of a label, also as others spell it, -> its number, -1 of others, inside
        a graph."""
        named = {f"{x}.0": y for x, y in self.spellings.items() if _is_whole(x)}
        known = {x: self.index[y] for x, y in (named | self.spellings).items() if x}
        known |= self.index
        with tf.init_scope():
            names, numbers = tf.constant([*known]), tf.constant([*known.values()])
            pairs = tf.lookup.KeyValueTensorInitializer(names, numbers)
            return tf.lookup.StaticHashTable(pairs, -1)

    def numbers_of(self, names: tf.Tensor) -> tf.Tensor:
        """Names of labels, string [n], to their numbers, int32 [n], inside a graph; one
        that is unknown fails, and is named."""
        numbers = self._numbers.lookup(names)
        why = (
            f"is none of {self.size} classes; known: {', '.join(self.labels[:_SHOWN])}"
        )
        with tf.control_dependencies([named(names, numbers >= 0, why)]):
            return tf.identity(numbers)

    def encode(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels as people give them to `fit`, names or numbers of them, to targets
        [batch, …], inside a graph. Whole numbers are names where all labels are."""
        return self.as_labels(labels)

    def as_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Numbers of any type, to targets [batch, …].

        Raises:
            ValueError: they have another shape.
        """
        raise NotImplementedError

    def losses(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Float32 [batch, size] and [batch, …] -> [batch]."""
        raise NotImplementedError

    def divergence(self, logits: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
        """How far apart two answers to the same texts are.

        The mean of the Kullback-Leibler divergences from one to the other and back;
        half the squared difference of numbers.

        Args:
            logits: float32 [batch, size].
            others: the same, of another pass.

        Returns:
            float32 [batch].
        """
        # The logarithms of the normalizers cancel, for differences sum to zero.
        apart = self.scores(logits, 1.0) - self.scores(others, 1.0)
        return 0.5 * tf.reduce_sum(apart * (logits - others), axis=-1)

    def tallies(self, logits: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor):
        """Float32 [2]: how many decisions were right, and of how many."""
        raise NotImplementedError

    def scores(self, logits: tf.Tensor, temperature: float) -> tf.Tensor:
        """Float32 logits [batch, size] -> probabilities, or numbers."""
        raise NotImplementedError

    def names(self, scores: tf.Tensor) -> tf.Tensor:
        """Float32 [batch, size] -> string [batch], in the graph."""
        raise NotImplementedError

    def answer(self, scores: np.ndarray) -> Classification | float:
        """What is said of one text; float32 [size]."""
        raise NotImplementedError

    def measures(
        self, true: Sequence[Any], predictions: Sequence[Mapping[str, Any]]
    ) -> dict[str, float]:
        """How good answers are; both from `judged`."""
        raise NotImplementedError


class SingleLabel(Labelling):
    """Exactly one of the labels, by a softmax."""

    least = 2
    tally = "accuracy"
    scored_by = "softmax"

    def read(self, label):
        if self.lacks(label):
            raise ValueError("no label")
        name = SEPARATOR.join(label) if isinstance(label, tuple) else name_of(label)
        return self.spelled(name)

    def target(self, label):
        if label not in self.index:
            raise ValueError("a label that the task has not learnt")
        return np.int32(self.index[label])

    def knows(self, label):
        return self.read(label) in self.index

    def losses(self, logits, targets):
        return token_losses(logits, targets)

    def tallies(self, logits, targets, weights):
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        right = tf.cast(best == targets, tf.float32)
        return tf.stack([tf.reduce_sum(right * weights), tf.reduce_sum(weights)])

    def scores(self, logits, temperature):
        return tf.nn.softmax(logits / temperature)

    def names(self, scores):
        return tf.gather(tf.constant(self.labels), tf.argmax(scores, axis=-1))

    def answer(self, scores):
        best = int(scores.argmax())
        every = dict(zip(self.labels, scores.tolist(), strict=True))
        return Classification(self.labels[best], float(scores[best]), every)

    def measures(self, true, predictions):
        given = [one["label"] for one in predictions]
        values = evaluation.label_measures(true, given)
        right = [a == b for a, b in zip(true, given, strict=True)]
        sure = [one["score"] for one in predictions]
        error = evaluation.expected_calibration_error(sure, right)
        return _beside_means(values, {"expected_calibration_error": error})

    def check_weights(self, wanted):
        if isinstance(wanted, str):
            choose("class_weights", wanted, {"balanced": 0})
        for label in wanted if isinstance(wanted, Mapping) else ():
            choose("label in class_weights", label, self.index)

    def weights(self, targets, wanted):
        table = self.table(wanted if isinstance(wanted, Mapping) else {})
        if wanted == "balanced":
            counts = np.bincount(targets, minlength=self.size)
            table = len(targets) / np.maximum(counts, 1) / np.count_nonzero(counts)
        return table[targets].astype(np.float32)

    def table(self, weights: Mapping[str, float]) -> np.ndarray:
        """Weights by the number of a label, float32 [labels]; others have 1."""
        return np.float32([weights.get(label, 1.0) for label in self.labels])

    def encode(self, labels):
        numbers = labels.dtype != tf.string and not are_one_hot(labels, self.size)
        if numbers and all(map(_is_whole, self.spellings)):  # they are names
            labels = tf.strings.as_string(whole(labels))
        if labels.dtype == tf.string:
            labels = self.numbers_of(column(labels, "the name of a class"))
        return self.as_labels(labels)

    def as_labels(self, labels):
        return numbers_of_classes(labels, self.size)


class MultiLabel(Labelling):
    """Any of the labels, each by a sigmoid; also none."""

    tally = "f1"
    scored_by = "sigmoid"

    def read(self, label):
        if label in ((), ""):
            return ()
        if self.lacks(label):
            raise ValueError("no label")
        return tuple(map(self.spelled, from_multi_hot(names_of(label), self.labels)))

    def lacks(self, label):
        return label not in ((), "") and super().lacks(label)

    def target(self, label):
        if label and not any(name in self.index for name in label):
            raise ValueError("only labels that the task has not learnt")
        return np.float32([name in label for name in self.labels])

    def knows(self, label):
        return all(name in self.index for name in self.read(label))

    def encode(self, labels):
        if labels.dtype != tf.string:
            return self.as_labels(labels)
        names = tf.strings.split(column(labels, "names of classes"), SEPARATOR)
        names = tf.ragged.boolean_mask(names, names != "")
        places = tf.ragged.map_flat_values(self.numbers_of, names).to_tensor(-1)
        return tf.minimum(tf.reduce_sum(tf.one_hot(places, self.size), axis=1), 1.0)

    def as_labels(self, labels):
        return multi_hot(labels, self.size)

    def losses(self, logits, targets):
        losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(losses, axis=-1)

    def divergence(self, logits, others):
        return super().divergence(logits, others) / self.size  # a mean, as the loss is

    def tallies(self, logits, targets, weights):
        given = tf.cast(self.scores(logits, 1.0) >= self.threshold, tf.float32)
        weights = tf.expand_dims(weights, 1)
        # F1 is twice what is right, of all that is given and all that is true
        right = tf.reduce_sum(given * targets * weights)
        return tf.stack([2.0 * right, tf.reduce_sum((given + targets) * weights)])

    def scores(self, logits, temperature):
        return tf.sigmoid(logits / temperature)

    def names(self, scores):
        labels = tf.tile(tf.constant(self.labels)[None], [tf.shape(scores)[0], 1])
        given = tf.ragged.boolean_mask(labels, scores >= self.threshold)
        return tf.strings.reduce_join(given, axis=-1, separator=SEPARATOR)

    def answer(self, scores):
        given = scores >= self.threshold
        names = tuple(
            n for n, is_given in zip(self.labels, given, strict=True) if is_given
        )
        sure = float(np.where(given, scores, 1.0 - scores).min())
        return Classification(
            names, sure, dict(zip(self.labels, scores.tolist(), strict=True))
        )

    def measures(self, true, predictions):
        given = [tuple(one["label"]) for one in predictions]
        values = evaluation.label_measures(true, given)
        scores = np.array([[p["scores"][n] for n in self.labels] for p in predictions])
        there = np.array([[name in names for name in self.labels] for names in true])
        sure = np.maximum(scores, 1.0 - scores).ravel()
        right = ((scores >= 0.5) == there).ravel()
        error = evaluation.expected_calibration_error(sure, right)
        return _beside_means(values, {"expected_calibration_error": error})


class Regression(Labelling):
    """A number, learnt by its squared error."""

    least = 0
    tally = "mean_squared_error"
    scored_by = "identity"

    def __init__(self, labels, threshold):
        super().__init__((), threshold)
        self.size = 1

    def read(self, label):
        if self.lacks(label):
            raise ValueError("no number")
        if isinstance(label, str) and "," in label:
            (label,) = read_column([label])
        try:
            number = float(label)
        except (TypeError, ValueError):
            raise ValueError("a label that is no number") from None
        if not math.isfinite(number):
            raise ValueError("a number that is not finite")
        return number

    def target(self, label):
        return np.float32(label)

    def as_labels(self, labels):
        return finite(labels)

    def encode(self, labels):
        if labels.dtype == tf.string:
            labels = column(labels, "a number")
            right = tf.strings.regex_full_match(labels, _NUMBER)
            labels = tf.strings.to_number(named(labels, right, "is no number"))
        return self.as_labels(labels)

    def losses(self, logits, targets):
        return tf.square(logits[:, 0] - targets)

    def tallies(self, logits, targets, weights):
        errors = tf.reduce_sum(self.losses(logits, targets) * weights)
        return tf.stack([errors, tf.reduce_sum(weights)])

    def scores(self, logits, temperature):
        return logits

    def names(self, scores):
        return tf.strings.as_string(scores[:, 0])

    def answer(self, scores):
        return float(scores[0])

    def measures(self, true, predictions):
        given = [one["label"] for one in predictions]
        return evaluation.number_measures(true, given)


LABELLINGS: dict[str, type[Labelling]] = {
    "single_label": SingleLabel,
    "multi_label": MultiLabel,
    "regression": Regression,
}


def _is_whole(name: str | None) -> bool:
    return name is not None and WHOLE.fullmatch(name) is not None


def _beside_means(values: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    """More measures, before those of each label."""
    means = {name: value for name, value in values.items() if "/" not in name}
    return {**means, **more, **values}
