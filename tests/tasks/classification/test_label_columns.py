"""Columns of labels mean the same in files of every format, and in arrays."""

from __future__ import annotations

import csv
import json
import logging
from decimal import Decimal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf

from massivetext_keras.data import LabeledText
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tasks.classification.label_columns import problem_of
from massivetext_keras.tasks.classification.labelling import LABELLINGS
from massivetext_keras.tasks.classification.labels import label_of
from tests.tasks.test_inputs import Frame
from tests.tasks.tiny import encoder_task

THREE = ("LABEL_0", "LABEL_1", "LABEL_2")
FRACTIONS = (), "regression"
BITS = THREE, "multi_label"
WHOLE = ("0", "1"), "single_label"


def written(labels, path, suffix: str) -> list[LabeledText]:
    """Examples of a file, or of a frame, whose labels are these."""
    texts = [f"text {i}" for i in range(len(labels))]
    file = path / f"a.{suffix}"
    if suffix == "frame":
        return TextClassifier.examples_of(Frame(text=texts, label=labels))
    if suffix == "parquet":
        pyarrow.parquet.write_table(
            pyarrow.table({"text": texts, "label": labels}), file
        )
    elif suffix == "jsonl":
        rows = zip(texts, labels, strict=True)
        lines = [json.dumps({"text": a, "label": b}) for a, b in rows]
        file.write_text("\n".join(lines))
    else:
        with file.open("w", newline="") as stream:
            rows = zip(texts, labels, strict=True)
            csv.writer(stream).writerows([("text", "label"), *rows])
    return TextClassifier.read_examples(file)


def learnt(examples) -> tuple:
    """What labels are, and what is learnt of which rows."""
    options = TextClassifier.options_for(examples)
    kept, targets = LABELLINGS[options["problem"]](options["labels"], 0.5).targets(
        examples
    )
    rows = [int(x.text.removeprefix("text ")) for x in kept]
    return (options["labels"], options["problem"]), rows, targets.tolist()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize(
    ("labels", "kind", "targets"),
    [
        (["0.5", "", "1.5"], FRACTIONS, [0.5, 1.5]),
        (["0.5", " ", "1.5"], FRACTIONS, [0.5, 1.5]),
        (["0.5", "NA", "1.5"], FRACTIONS, [0.5, 1.5]),
        (["0.5", "n/a", "2"], FRACTIONS, [0.5, 2.0]),
        (["0.5", "null", "-1.5"], FRACTIONS, [0.5, -1.5]),
        (["0.5", "None", ".25"], FRACTIONS, [0.5, 0.25]),
        (["0.5", "NaN", "1."], FRACTIONS, [0.5, 1.0]),
        (["0.25", "#N/A", "5E-1"], FRACTIONS, [0.25, 0.5]),
        (["0,5", "", "1,500"], FRACTIONS, [0.5, 1.5]),
        (["0.5", "inf", "1.5"], FRACTIONS, [0.5, 1.5]),
        (["1.0", "", "0.0"], WHOLE, [1, 0]),
        (["1.00", "NA", "0e0"], WHOLE, [1, 0]),
        (["1", "None", "0"], WHOLE, [1, 0]),
        (["007", "null", "7"], (("007", "7"), "single_label"), [0, 1]),
        (["[0, 1, 0]", "", "[1, 1, 0]"], BITS, [[0, 1, 0], [1, 1, 0]]),
        (["[0, 1, 0]", "NA", "[1, 1, 0]"], BITS, [[0, 1, 0], [1, 1, 0]]),
        (["[0 1 0]", "", "[1. 1. 0.]"], BITS, [[0, 1, 0], [1, 1, 0]]),
        (["[false, true, false]", "", "0|0|0"], BITS, [[0, 1, 0], [0, 0, 0]]),
    ],
)
def test_what_is_missing_changes_no_column(
    tmp_path, caplog, suffix, labels, kind, targets
):
    assert learnt(written(labels, tmp_path, suffix)) == (kind, [0, 2], targets)
    assert "1 example left out" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize(
    ("numbers", "kind", "targets"),
    [
        ([1.0, None, 0.0], WHOLE, [1, 0]),
        ([1.0, 0.0], WHOLE, [1, 0]),
        ([1, 0], WHOLE, [1, 0]),
        ([-1.0, 1.0], (("-1", "1"), "single_label"), [0, 1]),
        ([1e-3, None, 1.5], FRACTIONS, [np.float32(1e-3), 1.5]),
        ([1e20, 0.5], FRACTIONS, [np.float32(1e20), 0.5]),
    ],
)
def test_numbers_are_the_same_in_every_format(tmp_path, suffix, numbers, kind, targets):
    found = learnt(written(numbers, tmp_path, suffix))
    rows = [i for i, number in enumerate(numbers) if number is not None]
    assert found == (kind, rows, targets)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["EU", "NA", "None", "null"], ("EU", "NA", "None", "null")),
        (["yes", "no", "n/a"], ("n/a", "no", "yes")),
        (["1.0", "beta", "NA"], ("1.0", "NA", "beta")),
        (["1,000", "2,500"], ("1,000", "2,500")),  # of thousands, or of decimals
        (["0,5", "1.5"], ("0,5", "1.5")),
        (["1,2", "1,2,3"], ("1,2", "1,2,3")),
        (["1_0", "2"], ("1_0", "2")),
        (["0x1", "0.5"], ("0.5", "0x1")),
        (["NA", "None"], ("NA", "None")),
    ],
)
def test_words_stay_classes(tmp_path, suffix, labels, classes):
    found = TextClassifier.options_for(written(labels, tmp_path, suffix))
    assert found == {"labels": classes, "problem": "single_label"}


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["a|b", "", "a"], (("a", "b"), "multi_label")),
        (["a|NA", "b"], (("NA", "a", "b"), "multi_label")),
        (["1|2", "NA", "2.0"], (("1", "2"), "multi_label")),
        ([Decimal("0.5"), Decimal(1)], FRACTIONS),
        ([float("inf"), 1, 2], (("1", "2", "inf"), "single_label")),
    ],
)
def test_other_columns(labels, kind):
    assert problem_of([*map(label_of, labels)]) == kind


def test_blank_is_none_of_several_names_and_missing_beside_0_and_1():
    several = LABELLINGS["multi_label"](("a", "b"), 0.5)
    examples = TextClassifier.examples_of([("x", "a|b"), ("y", ""), ("z", None)])
    kept, targets = several.targets(examples)
    assert [x.text for x in kept] == ["x", "y"]
    assert targets.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_examples_made_by_hand():
    examples = [LabeledText("x", ["a", "b"]), LabeledText("y", "b"), LabeledText("z")]
    options = TextClassifier.options_for(examples)
    assert options == {"labels": ("a", "b"), "problem": "multi_label"}
    _, targets = LABELLINGS["multi_label"](options["labels"], 0.5).targets(examples)
    assert targets.tolist() == [[1, 1], [0, 1]]
    assert LABELLINGS["single_label"]([0, 1], 0.5).read("1") == "1"


@pytest.mark.parametrize("compiled", [False, True])
def test_labels_of_a_compiled_step(compiled):
    for problem, labels in (("multi_label", [[1.0, 0.0]]), ("regression", [0.5])):
        step = tf.function(labelling(problem).as_labels, jit_compile=compiled)
        assert step(tf.constant(labels)).numpy().tolist() == labels


def test_what_all_rows_lack_is_told():
    for labels in (["", ""], [None, ""], [(), None]):
        with pytest.raises(
            ValueError, match="no example has a label: it is what a col"
        ):
            TextClassifier.options_for(
                TextClassifier.examples_of([("x", label) for label in labels])
            )


@pytest.mark.parametrize("label", [[0.2, 0.8], "[0.2, 0.8]", "[0.2 0.8]", [0.5]])
def test_lists_of_fractions_are_refused(label):
    with pytest.raises(ValueError, match="no example: .*a list with fractions"):
        TextClassifier.examples_of([("x", label), ("y", label)])


def test_a_word_for_missing_is_one_where_classes_are_numbers():
    numbers = LABELLINGS["single_label"](("1", "2"), 0.5)
    words = LABELLINGS["single_label"](("EU", "US"), 0.5)
    assert not numbers.reads("NA") and not numbers.reads("") and not words.reads("")
    assert words.read("NA") == "NA" and not words.knows("NA")  # it counts as wrong
    assert LABELLINGS["single_label"](("1", "NA"), 0.5).read("NA") == "NA"


def test_classes_are_found_that_were_learnt_in_another_spelling():
    read = LABELLINGS["single_label"](("1.0", "2.50"), 0.5).read
    assert (read("1"), read(1.0), read("2.50"), read("3")) == (
        "1.0",
        "1.0",
        "2.50",
        "3",
    )
    read = LABELLINGS["multi_label"](("1", "2"), 0.5).read
    assert read(("1.0", "2")) == ("1", "2")


NAMED = {"labels": ("cat", "dog"), "num_layers": 1}


def labelling(problem: str):
    return LABELLINGS[problem](() if problem == "regression" else NAMED["labels"], 0.5)


@pytest.mark.parametrize(
    ("problem", "labels", "targets"),
    [
        ("multi_label", ["cat|dog", "", "dog"], [[1, 1], [0, 0], [0, 1]]),
        ("multi_label", ["", ""], [[0, 0], [0, 0]]),
        ("multi_label", [[1, 0], [1, 1]], [[1, 0], [1, 1]]),
        ("multi_label", [[True, False]], [[1, 0]]),
        ("single_label", ["dog", "cat"], [1, 0]),
        ("regression", ["0.5", "-1", "1e-3"], [0.5, -1, np.float32(1e-3)]),
        ("regression", [[2], [3]], [2, 3]),
    ],
)
def test_labels_of_datasets(problem, labels, targets):
    rows = tf.data.Dataset.from_tensor_slices(labels).batch(3)
    (found,) = rows.map(labelling(problem).encode)
    assert found.numpy().tolist() == targets


def test_names_that_are_numbers_in_datasets():
    encode = LABELLINGS["single_label"](("1", "2.0"), 0.5).encode
    for labels in (["2", "1.0"], ["2.0", "1"], [2, 1], [2.0, 1.0]):
        assert encode(tf.constant(labels)).numpy().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("problem", "labels", "message"),
    [
        (
            "multi_label",
            ["cat", "cat|zz"],
            "label `zz` is none of 2 classes; known: cat",
        ),
        ("multi_label", ["0|1"], "label `0` is none"),
        ("single_label", ["cat", "zz"], "label `zz` is none of 2 classes"),
        ("single_label", ["cat", ""], "label `` is none of 2 classes"),
        ("regression", ["0.5", "NA"], "label `NA` is no number"),
        ("regression", ["0.5", "0,5"], "label `0,5` is no number"),
        ("regression", [0.5, np.nan], "no finite number"),
        ("regression", [0.5, -np.inf], "no finite number"),
        ("multi_label", [[0, 0.3]], "labels must be 0 or 1 for each of 2"),
        ("multi_label", [[0, 2], [1, -1]], "labels must be 0 or 1 for each of 2"),
        ("multi_label", [[0, -1]], "labels must be 0 or 1 for each of 2"),
        ("multi_label", [[0, np.nan]], "labels must be 0 or 1 for each of 2"),
    ],
)
def test_labels_of_datasets_that_are_refused(problem, labels, message):
    rows = tf.data.Dataset.from_tensor_slices(labels).batch(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(rows.map(labelling(problem).encode))


@pytest.mark.parametrize(
    ("problem", "labels", "found"),
    [
        ("multi_label", ["cat|dog", "", None], ["cat|dog", "", None]),
        ("multi_label", ["[0, 1]", "", "[1, 1]"], ["dog", None, "cat|dog"]),
        ("single_label", ["cat", "", "dog", "nan"], ["cat", None, "dog", None]),
        ("regression", ["0.5", "", "NA", "1e-3"], [0.5, None, None, 1e-3]),
        ("regression", ["0,5", "1,500"], [0.5, 1.5]),
    ],
)
def test_labels_of_arrays(problem, labels, found):
    assert labelling(problem).joined_names(labels) == found
    assert labelling(problem).joined_names(np.array(labels, object)) == found


@pytest.mark.parametrize(
    ("problem", "labels", "message"),
    [
        ("multi_label", ["cat", "cat|dgo"], "row 1: label 'dgo': did you mean 'dog'"),
        ("regression", ["0.5", "half"], "row 1: label 'half': a label that is no num"),
        ("regression", ["0.5", "inf"], "row 1: label 'inf': a number that is not fin"),
        ("single_label", ["cat", [0.2, 0.8]], "row 1: a list with fractions"),
    ],
)
def test_labels_of_arrays_that_are_refused(problem, labels, message):
    with pytest.raises(ValueError, match=message):
        labelling(problem).joined_names(labels)


def test_rows_without_labels_are_left_out_of_fit(caplog):
    several = encoder_task(TextClassifier, **NAMED, problem="multi_label")
    several.compile("sgd", jit_compile=False)
    texts, nan = ["the cat", "the dog", "the mat"], np.nan

    def loss(task, x, y) -> float:
        return task.evaluate(x, y, verbose=0, return_dict=True)["loss"]

    wanted = loss(several, texts[:2], np.array([[1, 0], [0, 1]]))
    with caplog.at_level(logging.WARNING):
        found = loss(several, texts, np.array([[1, 0], [0, 1], [nan, nan]]))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert "1 of 3 examples have no label" in caplog.text
    dataset = tf.data.Dataset.from_tensor_slices
    with pytest.raises(tf.errors.InvalidArgumentError, match="label `zz` is none"):
        several.fit(dataset((texts, ["cat", "cat|zz", "dog"])), verbose=0)
    ids = np.array([[5, 6], [7, 8]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="0 or 1 for each of 2"):
        several.fit(ids, np.array([[0, 0.3], [0, 1]]), verbose=0)


def test_an_answer_to_what_has_no_label_is_not_measured():
    task = encoder_task(TextClassifier, labels=("0", "1"), num_layers=1)
    labels = ["1.0", "", "NA", None, "7"]
    examples = [LabeledText("the cat", label) for label in labels]
    assert [*map(task.is_answered, examples)] == [True, False, False, False, True]
