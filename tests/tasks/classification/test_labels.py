"""Labels as columns have them: missing ones, numbers for names, 0 and 1 for each."""

from __future__ import annotations

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf

from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tasks.classification.labelling import LABELLINGS
from massivetext_keras.tasks.classification.labels import label_of
from tests.tasks.test_inputs import Frame
from tests.tasks.tiny import encoder_task

TEXTS = ["the cat", "the dog", "the mat"]
NAN = float("nan")


def learnt(labels, path, suffix: str) -> tuple:
    """Labels, problem and what is learnt of three texts in a file or a frame."""
    if suffix == "frame":
        examples = TextClassifier.examples_of(Frame(text=TEXTS, label=labels))
    else:
        file = path / f"a.{suffix}"
        if suffix == "parquet":
            columns = {"text": TEXTS, "label": labels}
            pyarrow.parquet.write_table(pyarrow.table(columns), file)
        else:
            rows = zip(TEXTS, labels, strict=True)
            lines = [json.dumps({"text": a, "label": b}) for a, b in rows]
            file.write_text("\n".join(lines))
        examples = TextClassifier.read_examples(file)
    options = TextClassifier.options_for(examples)
    task = encoder_task(TextClassifier, num_layers=1, **options)
    kept, targets = task.labelling.targets(examples)
    return (
        options["labels"],
        options["problem"],
        [x.text for x in kept],
        targets.tolist(),
    )


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "frame"])
@pytest.mark.parametrize(
    ("labels", "names", "targets"),
    [
        ([1.0, NAN, 0.0], ("0", "1"), [1, 0]),
        ([1.0, None, 0.0], ("0", "1"), [1, 0]),
        ([2, None, 10], ("10", "2"), [1, 0]),
        (["pos", None, "neg"], ("neg", "pos"), [1, 0]),
        (["pos", "nan", "neg"], ("neg", "pos"), [1, 0]),
        ([True, None, False], ("False", "True"), [1, 0]),
    ],
)
def test_missing_labels_are_left_out_and_classes_stay(
    tmp_path, caplog, suffix, labels, names, targets
):
    found = learnt(labels, tmp_path, suffix)
    assert found == (names, "single_label", [TEXTS[0], TEXTS[2]], targets)
    assert "1 example left out: no label" in caplog.text


def test_nan_among_names():
    examples = TextClassifier.examples_of(
        list(zip(TEXTS, ["pos", NAN, "neg"], strict=True))
    )
    assert TextClassifier.options_for(examples)["labels"] == ("neg", "pos")
    assert examples[1].label is None


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "frame"])
def test_multi_hot_is_known(tmp_path, suffix):
    labels = [[0, 1, 0], [1, 1, 0], [0, 0, 0]]
    names, problem, texts, targets = learnt(labels, tmp_path, suffix)
    assert (names, problem) == (("LABEL_0", "LABEL_1", "LABEL_2"), "multi_label")
    assert texts == TEXTS and targets == labels


def test_multi_hot_of_named_labels():
    task = encoder_task(
        TextClassifier, labels=["cat", "dog"], problem="multi_label", num_layers=1
    )
    read = task.labelling.read
    assert read(label_of([0, 1])) == ("dog",) and read(label_of("1|0")) == ("cat",)
    assert read(label_of(["cat"])) == ("cat",) and read(label_of([False, True])) == (
        "dog",
    )


def test_numbers_are_numbers_if_one_has_a_fraction():
    options = TextClassifier.options_for
    examples = TextClassifier.examples_of
    found = options(examples(list(zip(TEXTS, [1.0, NAN, 0.5], strict=True))))
    assert found == {"labels": (), "problem": "regression"}
    mixed = options(examples(list(zip(TEXTS, [1, "a", 2.0], strict=True))))
    assert mixed == {"labels": ("1", "2", "a"), "problem": "single_label"}


def test_a_class_is_found_as_it_is_spelled_elsewhere():
    task = encoder_task(TextClassifier, labels=["0", "1"], num_layers=1)
    target = task.labelling.target
    read = task.labelling.read
    given = [label_of(x) for x in ("1.0", 1.0, 1, "1", np.int64(1), np.float32(1))]
    assert [int(target(read(x))) for x in given] == [1] * 6
    spelled = encoder_task(TextClassifier, labels=["1.0", "2.0"], num_layers=1)
    assert spelled.labelling.read("1.0") == "1.0"


def test_lists_in_tables_and_what_is_no_label():
    assert label_of('["a", "b"]') == label_of("['a', 'b']") == ("a", "b")
    assert label_of("[sic]") == "[sic]" and label_of(" ") == ()
    for value in ({"a": 1}, [None], [{}], object()):
        with pytest.raises(ValueError, match="neither a name, a list of names nor"):
            label_of(value)


def test_one_class_is_too_few():
    examples = TextClassifier.examples_of([("a", "x"), ("b", "x")])
    with pytest.raises(ValueError, match="there must be 2 labels or more"):
        encoder_task(TextClassifier, **TextClassifier.options_for(examples))


def labelling(problem: str = "single_label", labels=("cat", "dog", "cow")):
    return LABELLINGS[problem](labels, 0.5)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0], np.int64),
        np.array([[2.0], [0.0]]),
        np.array([[0, 0, 1], [1, 0, 0]], np.int8),
        np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    ],
)
def test_numbers_of_classes_and_one_hot(labels):
    for function in (labelling().as_labels, labelling().encode):
        found = function(tf.constant(labels))
        assert (found.dtype, found.numpy().tolist()) == (tf.int32, [2, 0])


def test_names_that_are_numbers_and_one_hot():
    encode = labelling(labels=("1", "2", "3")).encode
    for labels in ([3, 1], [3.0, 1.0], ["3", "1"], [[0, 0, 1], [1, 0, 0]]):
        assert encode(tf.constant(labels)).numpy().tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "none of 3 classes"),
        ([0, -1], "none of 3 classes"),
        ([0.5, 1.0], "no whole number"),
        ([np.nan, 1.0], "no whole number"),
        ([[0.0, 0.2, 0.8]], "no whole number"),
        ([[0, 1, 1]], "0 but for one"),
        ([[0, 1]], "the number of a class, or one-hot, got labels of"),
    ],
)
def test_what_is_no_number_of_a_class_fails(labels, message):
    kinds = ValueError, tf.errors.InvalidArgumentError
    with pytest.raises(kinds, match=message):
        tf.function(labelling().as_labels)(tf.constant(labels))


@pytest.mark.parametrize(
    ("problem", "labels", "message"),
    [
        ("regression", [[0.5, 1.0]], "a number, got labels of"),
        ("multi_label", [0.0, 1.0], "0 or 1 for each of 3"),
        ("multi_label", [[0.0, 1.0]], "0 or 1 for each of 3"),
    ],
)
def test_other_shapes_of_labels_are_refused(problem, labels, message):
    with pytest.raises(ValueError, match=message):
        labelling(problem).as_labels(tf.constant(labels))


def test_an_unknown_name_is_told_with_its_row():
    task = encoder_task(TextClassifier, labels=("cat", "dog"), num_layers=1)
    assert task.readable_labels([["cat"], ["dog"]]) == ["cat", "dog"]
    with pytest.raises(ValueError, match="row 1: label 'dgo': did you mean 'dog'"):
        task.readable_labels(["cat", "dgo"])
    options = {"labels": ("cat", "dog"), "problem": "multi_label", "num_layers": 1}
    several = encoder_task(TextClassifier, **options)
    assert several.readable_labels([("cat", "dog"), (), "dog"]) == [
        "cat|dog",
        "",
        "dog",
    ]
