"""Texts given to `fit`, `evaluate` and `predict`, as Keras users have them."""

from __future__ import annotations

import functools
import itertools
import logging
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.tasks.inputs import is_frame, rows_of
from massivetext_keras.text.framing import utf8

logger = logging.getLogger(__name__)

_ROWS = 32  # of a batch, Keras's own


class Given(NamedTuple):
    """What is given to `fit`: rows, what is to be said of them, and their weights."""

    x: Any
    y: Any = None
    sample_weight: Any = None


def fit_arguments(task, x, y, batch_size, **named) -> tuple[Any, dict[str, Any]]:
    """Arguments of `keras.Model.fit`, texts in them made batches of features.

    Args:
        task: that learns.
        x, y, batch_size, **named: as `Task.fit` takes them.
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
        given = Given(_batches(task, given, batch_size, True, shuffle))
    if held_out is not None and not isinstance(held_out, tuple):
        held_out = opened(held_out)
    there = Given(*held_out) if isinstance(held_out, tuple) else Given(held_out)
    if are_texts(there.x):
        rows = named.get("validation_batch_size") or batch_size
        held_out = _batches(task, there, rows, False)
    if (weights := named.pop("class_weight", None)) is not None:
        given = weighed(given, task.data.class_weights(weights), task.as_labels)
    rows = None if isinstance(given.x, tf.data.Dataset) else batch_size
    named |= {"validation_data": held_out, "sample_weight": given.sample_weight}
    return given.x, {"y": given.y, "batch_size": rows, **named}


def evaluate_arguments(task, x, y, batch_size, *args, **kwargs) -> tuple[tuple, dict]:
    """Arguments of `keras.Model.evaluate`, by place and by name; as `fit_arguments`."""
    x = opened(x)
    if are_texts(x):
        given = Given(x, y, kwargs.pop("sample_weight", None))
        x, y, batch_size = _batches(task, given, batch_size, False), None, None
    return (x, y, batch_size, *args), kwargs


def predict_inputs(task, x, batch_size: int | None) -> tuple[Any, int | None]:
    """What `keras.Model.predict` takes first; a row for each text."""
    x = opened(x)
    if not are_texts(x):
        return x, batch_size
    if are_records(x):
        x = task.data.inputs_of(task.data.read(list(rows_of(x))))

    def features(x, *_) -> tuple:
        return (task.data.features_of(task.data.texts_and_labels(x)[0]),)

    return dataset_of(Given(x), features, batch_size, False), None


def one_batch(task, given: Given, training: bool) -> Given:
    """What `keras.Model.train_on_batch` and `test_on_batch` take, made of texts.

    Args:
        task: that learns, or is measured.
        given: rows of one batch, as `Task.fit` takes them.
        training: whether it learns.
    """
    given = given._replace(x=opened(given.x))
    if not are_texts(given.x):
        return given
    return Given(*next(iter(_batches(task, given, _count(given.x), training))))


def one_batch_of_inputs(task, x) -> Any:
    """What `keras.Model.predict_on_batch` takes, made of texts."""
    x = opened(x)
    if not are_texts(x):
        return x
    batches, _ = predict_inputs(task, x, _count(x))
    return next(iter(batches))[0]


def _batches(
    task, given: Given, batch_size: int | None, training: bool, shuffle: bool = False
) -> tf.data.Dataset:
    """Batches of texts, or of records of them."""
    check_rows(given)
    columns = isinstance(given.x, Mapping) and given.y is None
    if task.data.encodes_strings and not are_records(given.x) and not columns:
        if given.y is not None and not isinstance(given.x, tf.data.Dataset):
            given = without_missing(given._replace(y=task.data.as_strings(given.y)))
        return dataset_of(given, task.data.encode, batch_size, shuffle)
    if given.sample_weight is not None:
        raise ValueError("sample_weight goes with arrays of texts, x and y")
    rows = list(rows_of(given.x))
    if given.y is not None:
        rows = list(zip(rows, rows_of(given.y), strict=True))
    sizes = {"batch_size": None, **task.data.batch_sizes}
    if batch_size is not None:
        sizes = {"batch_size": batch_size}
    how = Batching(**sizes, progress=False)
    items = task.data.read(rows)
    if training:
        return task.training_data(items, how).epochs()
    return task.validation_data(items, how)


def are_texts(x: Any) -> bool:
    """Whether what is given to Keras holds strings, or records that hold some.

    >>> are_texts(["a"]), are_texts(np.array([[1, 2]])), are_texts([{"text": "a"}])
    (True, False, True)
    """
    if isinstance(x, tf.data.Dataset):
        return any(s.dtype == tf.string for s in _specs(x.element_spec))
    if isinstance(x, tf.Tensor | tf.RaggedTensor):
        return x.dtype == tf.string
    if isinstance(x, np.ndarray):
        first = x.ravel()[0] if x.size else None
        return x.dtype.kind in "US" or isinstance(first, str | bytes | Mapping)
    if is_frame(x) or hasattr(x, "to_pylist"):
        return True
    if isinstance(x, Mapping):
        return any(map(are_texts, x.values()))
    if isinstance(x, list | tuple) and x:
        first = x[0]
        if isinstance(x, list) and isinstance(first, tuple):
            return are_texts(first)
        named = isinstance(first, str | bytes | Mapping) or hasattr(first, "_fields")
        return named or (isinstance(x, tuple) and are_texts(first))
    kind = getattr(x, "dtype", None)  # of a column of a frame
    return str(kind) in ("object", "string", "str", "String")


def opened(x: Any) -> Any:
    """What is given to `fit` as data that may be asked what they hold.

    Batches of texts that a generator or a `keras.utils.PyDataset` makes become a
    tf.data.Dataset; of numbers, they stay what they are.

    Raises:
        ValueError: it is one text, or nothing.

    >>> next(iter(opened((batch for batch in [(["a"], [1])]))))[0].numpy().tolist()
    [b'a']
    """
    if isinstance(x, str | bytes | Path):
        raise ValueError(
            f"{str(x)[:80]!r} is one string: give a list of texts, or of files what "
            "task.datasets(files) makes"
        )
    if isinstance(x, list | tuple | np.ndarray) and not len(x):
        raise ValueError("there are no rows")
    if isinstance(x, keras.utils.PyDataset):
        first, again = x[0], functools.partial(_passes, x)
    elif isinstance(x, types.GeneratorType):
        first = next(x)
        x = (batch for batch in itertools.chain([first], x))
        again = functools.partial(iter, x)
    else:
        return x
    if not are_texts(first):
        return x
    rows = tf.data.Dataset.from_generator(
        lambda: map(_columns, again()),
        output_signature=tf.nest.map_structure(_batch_spec, _columns(first)),
    )
    if isinstance(x, keras.utils.PyDataset) and x.num_batches is not None:
        return rows.apply(tf.data.experimental.assert_cardinality(x.num_batches))
    return rows


def _passes(batches: keras.utils.PyDataset) -> Iterator[Any]:
    """One pass over them."""
    count = batches.num_batches
    for i in itertools.count() if count is None else range(count):
        yield batches[i]
    batches.on_epoch_end()


def _batch_spec(part: Any) -> tf.TensorSpec:
    part = tf.convert_to_tensor(part)
    return tf.TensorSpec([None, *part.shape[1:]], part.dtype)


def check_rows(given: Given) -> None:
    """Refuses labels or weights that are not as many as the rows.

    Raises:
        ValueError: says how many there are.
    """
    for name in ("y", "sample_weight"):
        part = getattr(given, name)
        if part is None or isinstance(given.x, tf.data.Dataset):
            continue
        rows, others = _count(given.x), _count(part)
        if rows != others:
            raise ValueError(f"x has {rows:,} rows, {name} {others:,}")


def are_records(x: Any) -> bool:
    """Whether texts are in records with fields, and not strings alone."""
    if isinstance(x, tf.data.Dataset):
        return False
    if is_frame(x) or hasattr(x, "to_pylist"):
        return True
    first = x[0] if isinstance(x, list) and x else None
    return isinstance(first, Mapping | tuple)


def dataset_of(
    given: Given, encode: Callable, batch_size: int | None, shuffle: bool
) -> tf.data.Dataset:
    """Batches of what `encode` makes of texts, inside the graph.

    Args:
        given: strings, or pairs of them, as arrays; or a tf.data.Dataset of (x, y,
            sample_weight), in batches or not.
        encode: texts, labels or None, and weights or None, of a batch, to what a batch
            is.
        batch_size: rows of a batch, where they are not in batches yet (None: 32).
        shuffle: whether arrays come in another order in each epoch.
    """
    if isinstance(given.x, tf.data.Dataset):
        rows, encoded = given.x, encode
        if not _specs(rows.element_spec)[0].shape.rank:
            rows = rows.batch(batch_size or _ROWS)
    else:
        named = given._asdict().items()  # there may be weights without labels
        parts = {name: _columns(part) for name, part in named if part is not None}
        rows = tf.data.Dataset.from_tensor_slices(parts)
        if shuffle:
            count = int(rows.cardinality())
            rows = rows.shuffle(count)
        rows = rows.batch(batch_size or _ROWS)

        def encoded(parts):
            return encode(**parts)

    return mapped(rows, encoded).prefetch(2)


def split(given: Given, share: float) -> tuple[Given, Given]:
    """The last share of the rows apart, as Keras's `validation_split` does.

    Raises:
        ValueError: they are a dataset, whose rows nobody has counted.
    """
    if isinstance(given.x, tf.data.Dataset):
        raise ValueError("validation_split is for arrays: give validation_data")
    count = int(_count(given.x) * (1 - share))

    def of(some: slice) -> Given:
        return Given(*(None if part is None else _part(part, some) for part in given))

    return of(slice(None, count)), of(slice(count, None))


def _count(part: Any) -> int:
    if isinstance(part, Mapping):
        return _count(next(iter(part.values())))
    return _count(part[0]) if isinstance(part, tuple) else len(part)


def _part(part: Any, some: slice) -> Any:
    if isinstance(part, Mapping):
        return {name: _part(inner, some) for name, inner in part.items()}
    if isinstance(part, tuple):
        return tuple(_part(inner, some) for inner in part)
    if isinstance(part, np.ndarray | tf.Tensor):
        return part[some]
    return list(rows_of(part))[some]


def weighed(given: Given, table: np.ndarray, as_labels: Callable) -> Given:
    """Rows whose weights are multiplied by those of their classes.

    Args:
        given: batches, or features and labels.
        table: float32 [classes].
        as_labels: labels to numbers of classes, int32 [batch].
    """

    def weigh(features, labels, weights=None):
        of_class = tf.gather(table, as_labels(labels))
        weights = (
            of_class if weights is None else of_class * tf.cast(weights, "float32")
        )
        return features, labels, weights

    if isinstance(given.x, TrainingBatches):
        return Given(given.x.changed(weigh))
    if isinstance(given.x, tf.data.Dataset):
        return Given(given.x.map(weigh))
    if given.y is None:
        raise ValueError("class_weight= is for arrays and datasets: give sample_weight")
    *_, weights = weigh(given.x, tf.constant(np.asarray(given.y)), given.sample_weight)
    return given._replace(sample_weight=weights.numpy())


def without_missing(given: Given) -> Given:
    """Only the rows that have a label, and of several numbers all; those without are
    counted, and said.

    Raises:
        ValueError: none has one.
    """
    labels = list(rows_of(given.y))
    kept = [i for i, label in enumerate(labels) if not _is_missing(label)]
    if len(kept) == len(labels):
        return given
    if not kept:
        raise ValueError(f"none of {len(labels):,} examples has a label")
    missing = len(labels) - len(kept)
    logger.warning(
        "%s of %s examples have no label", f"{missing:,}", f"{len(labels):,}"
    )
    return Given(*(None if part is None else _some(part, kept) for part in given))


def _is_missing(label: Any) -> bool:
    return label is None or (isinstance(label, list | tuple) and None in label)


def _some(part: Any, kept: list[int]) -> Any:
    if isinstance(part, Mapping):
        return {name: _some(inner, kept) for name, inner in part.items()}
    if isinstance(part, tuple):
        return tuple(_some(inner, kept) for inner in part)
    rows = list(rows_of(part))
    return [rows[i] for i in kept]


def _columns(part: Any) -> Any:
    """Arrays of strings or numbers, with what else holds some inside."""
    if isinstance(part, Mapping):
        return {name: _columns(inner) for name, inner in part.items()}
    if isinstance(part, tuple):
        return tuple(map(_columns, part))
    if isinstance(part, tf.Tensor):
        return part
    if isinstance(part, np.ndarray) and part.dtype.kind not in "OSU":
        return part
    rows = list(rows_of(part))
    if rows and isinstance(rows[0], str):
        return tf.constant([utf8(str(x)) for x in rows])
    return np.array(rows)


def _specs(spec: Any) -> list:
    return tf.nest.flatten(spec)
