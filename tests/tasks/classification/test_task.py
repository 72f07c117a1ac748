"""Classes of texts: batches, losses, answers and bad input, on models of noise."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import rel_entr

from massivetext_keras.data import LabeledText
from massivetext_keras.layers.heads.classification import HEADS
from massivetext_keras.tasks import MaskedLM, TextClassifier
from massivetext_keras.training import adamw
from tests.processes import last_line_of
from tests.tasks.tiny import ENCODER, encoder_task

pytestmark = pytest.mark.usefixtures("without_xla")

LABELS = ["no", "yes"]
EXAMPLES = [
    LabeledText("the cat sat", "yes"),
    LabeledText("the dog sat", "no"),
    LabeledText("cat on mat", "yes"),
    LabeledText("dog on mat", "no"),
    LabeledText("unbelievable cat", "yes"),
]
PAIRS = [x._replace(second="the mat") for x in EXAMPLES]


def task(**options) -> TextClassifier:
    return encoder_task(TextClassifier, **{"labels": LABELS, **options})


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return task()


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def logits_of(model, ids, segments=None) -> np.ndarray:
    """Of one row without padding."""
    features = {"token_ids": np.array([ids])}
    if segments:
        features["segment_ids"] = np.array([segments])
    return model(features)[0].numpy()


def test_scores_are_those_of_each_text_alone(classifier):
    texts = ["the cat sat", "unbelievable", "", "the dog " * 30]
    answers = classifier.classify(texts)
    for text, answer in zip(texts, answers, strict=True):
        ids = [2, *classifier.tokenizer(text).numpy()[:30].tolist(), 3]
        expected = softmax(logits_of(classifier, ids))
        np.testing.assert_allclose(list(answer.scores.values()), expected, atol=1e-5)
        assert list(answer.scores) == LABELS
        assert answer.label == LABELS[expected.argmax()]
        assert answer.score == max(answer.scores.values())
    one = classifier.classify(texts[0])
    assert one.scores == pytest.approx(answers[0].scores, abs=1e-6)
    assert classifier.classify([]) == []


@pytest.mark.parametrize("segment_types", [0, 2])
def test_pairs(segment_types):
    model = task(segment_types=segment_types, max_length=8)
    answers = model.classify(["the cat", "the cat sat on mat"], ["dog", "dog , dog"])
    rows = [[2, 5, 6, 3, 10, 3], [2, 5, 6, 7, 3, 10, 15, 3]]  # the ends of both are cut
    types = [[0] * 4 + [1] * 2, [0] * 5 + [1] * 3]
    for answer, ids, segments in zip(answers, rows, types, strict=True):
        logits = logits_of(model, ids, segments if segment_types else None)
        found = list(answer.scores.values())
        np.testing.assert_allclose(found, softmax(logits), atol=1e-5)
    batches = model.example_batches(
        [LabeledText("the cat", "yes", "dog"), EXAMPLES[0]], 2
    )
    ((features, labels, _),) = batches.validation()
    assert features["token_ids"].numpy().tolist() == [
        rows[0],
        [2, 5, 6, 7, 3, 0],
    ]
    assert ("segment_ids" in features) == bool(segment_types)
    assert labels.numpy().tolist() == [1, 1]
    with pytest.raises(ValueError, match="1 texts, but 2 second ones"):
        model.classify(["a"], ["b", "c"])


def test_the_loss_and_what_fit_logs_are_weighed(classifier):
    wanted = {"yes": 3.0}
    logits = classifier.logits_of(EXAMPLES)
    gold = np.array([1, 0, 1, 0, 1])
    weights = np.array([3.0, 1, 3, 1, 3])
    losses = -np.log(softmax(logits))[np.arange(5), gold]
    right = logits.argmax(axis=1) == gold
    model = task(class_weights=wanted)
    model.compile(adamw(0.0))
    train, valid = model.datasets(EXAMPLES, EXAMPLES, batch_size=2)
    logs = model.fit(train, steps_per_epoch=3, verbose=0).history
    assert logs["loss"][0] == pytest.approx(np.average(losses, weights=weights), 1e-4)
    share = np.average(right, weights=weights)
    assert logs["accuracy"][0] == pytest.approx(share)
    held_out = model.evaluate(valid, return_dict=True, verbose=0)
    assert held_out["loss"] == pytest.approx(losses.mean(), rel=1e-4)
    assert held_out["accuracy"] == pytest.approx(right.mean())
    model.compile(adamw(0.0), micro_batches=2)
    parts = model.fit(train, steps_per_epoch=3, verbose=0).history
    assert parts["accuracy"][0] == pytest.approx(share)


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "regression"])
def test_two_passes_are_held_together(problem, monkeypatch):
    model = task(problem=problem, r_drop=3.0)
    passes = iter(np.float32([[[2, -1], [0, 1]], [[1, 0], [0, -3]]]))
    targets = np.float32([0, 1]) if problem == "regression" else np.int32([0, 1])
    chances, losses, logits = [], [], []

    def call(features, training=None):
        logits.append(next(passes)[:, : model.labelling.size])
        return tf.constant(logits[-1])

    monkeypatch.setattr(model, "call", call)
    if problem == "multi_label":
        targets = np.float32([[1, 0], [1, 1]])
    found = model.summed_loss({}, tf.constant(targets), tf.constant([1.0, 2]), True)[1]
    for x in logits:
        if problem == "regression":
            losses.append((x[:, 0] - targets) ** 2)
        elif problem == "single_label":
            chances.append(softmax(x)[..., None])
            losses.append(-np.log(softmax(x)[[0, 1], targets]))
        else:
            p = 1 / (1 + np.exp(-x))
            chances.append(np.stack([p, 1 - p], axis=1))
            losses.append(-np.log(np.where(targets == 1, p, 1 - p)).mean(axis=1))
    if problem == "regression":
        apart = (logits[0] - logits[1])[:, 0] ** 2 / 2
    else:  # of single labels one distribution, of several one for each
        p, q = chances
        both = rel_entr(p, q) + rel_entr(q, p)
        apart = both.sum(axis=1).mean(axis=-1) / 2
    expected = np.array([1, 2]) * (sum(losses) + 3.0 * apart) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_balanced_weights_give_all_classes_the_same():
    model = task(labels=["a", "b", "c"])
    model.class_weights = "balanced"
    texts = [LabeledText("the cat", x) for x in "aaab"]  # nothing is of "c"
    ((_, labels, weights),) = model.example_batches(texts, 4).validation()
    found = dict(zip(labels.numpy().tolist(), weights.numpy().tolist(), strict=True))
    assert found == pytest.approx({0: 4 / 6, 1: 4 / 2})
    assert weights.numpy().mean() == pytest.approx(1.0)


def test_several_labels():
    model = task(labels=["a", "b", "c"], problem="multi_label", threshold=0.4)
    texts = [
        LabeledText("the cat", ("a", "b")),
        LabeledText("the dog", ()),
        LabeledText("mat", "c"),
    ]
    logits, gold = model.logits_of(texts), np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]])
    chances = 1 / (1 + np.exp(-logits))
    given = chances >= 0.4
    model.compile(adamw(0.0))
    _, valid = model.datasets(texts, texts, batch_size=2)
    logs = model.evaluate(valid, return_dict=True, verbose=0)
    losses = -np.log(np.where(gold, chances, 1 - chances)).mean()
    assert logs["loss"] == pytest.approx(losses, rel=1e-4)
    f1 = 2 * (given & (gold > 0)).sum() / (given.sum() + gold.sum())
    assert logs["f1"] == pytest.approx(f1)
    assert model.measure(texts)["f1_micro"] == pytest.approx(f1)
    for row, wanted, answer in zip(
        chances, given, model.classify([x.text for x in texts]), strict=True
    ):
        assert answer.label == tuple(np.array(["a", "b", "c"])[wanted])
        sure = np.where(wanted, row, 1 - row).min()
        assert answer.score == pytest.approx(sure, abs=1e-5)


def test_regression():
    model = task(problem="regression")
    assert model.labels == ()
    texts = [LabeledText("the cat", 2.5), LabeledText("mat", "-1"), LabeledText("", 0)]
    numbers = np.array(model.classify([x.text for x in texts]))
    np.testing.assert_allclose(numbers, model.logits_of(texts)[:, 0], atol=1e-6)
    errors = ((numbers - [2.5, -1.0, 0.0]) ** 2).mean()
    model.compile(adamw(0.0))
    logs = model.evaluate(
        model.datasets(texts, texts, 2)[1], return_dict=True, verbose=0
    )
    assert logs["loss"] == pytest.approx(errors, rel=1e-4)
    assert logs["mean_squared_error"] == pytest.approx(errors, rel=1e-4)
    assert model.measure(texts)["mean_squared_error"] == pytest.approx(errors, 1e-4)
    with pytest.raises(ValueError, match="no probabilities to calibrate"):
        model.calibrate(texts)


def test_calibration_makes_the_labels_likelier_and_stays_in_the_preset(tmp_path):
    model = task()
    before = [answer.label for answer in model.classify([x.text for x in EXAMPLES])]
    gold = [LabeledText(x.text, y) for x, y in zip(EXAMPLES, before, strict=True)]
    gold.append(gold[0]._replace(label=LABELS[1 - LABELS.index(before[0])]))

    def loss(temperature):
        rows = softmax(model.logits_of(gold) / temperature)
        places = [LABELS.index(x.label) for x in gold]
        return -np.log(rows[np.arange(6), places]).mean()

    temperature = model.calibrate(gold)
    assert temperature == model.temperature != 1.0
    assert loss(temperature) < min(loss(temperature * 0.9), loss(temperature * 1.1))
    answers = model.classify([x.text for x in EXAMPLES])
    assert [answer.label for answer in answers] == before
    expected = softmax(model.logits_of(EXAMPLES) / temperature)
    found = [list(answer.scores.values()) for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    model.save_preset(tmp_path)
    again = TextClassifier.from_preset(tmp_path)
    assert again.chosen() == model.chosen() and list(again.labels) == LABELS
    one, other = (x.classify("the cat") for x in (again, model))
    assert one.label == other.label
    assert one.scores == pytest.approx(other.scores, rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, None),
        ({"label": "yes"}, "yes"),
        ({"label": " a|b "}, ("a", "b")),
        ({"label": ["a", 2]}, ("a", "2")),
        ({"label": []}, ()),
        ({"label": ""}, ()),
        ({"label": 1}, "1"),
        ({"label": 1.5}, 1.5),
    ],
)
def test_examples_of_records(fields, label):
    found = TextClassifier.example({"text": "x", **fields})
    assert found == LabeledText("x", label)


def test_records_that_are_no_examples():
    for fields, message in [
        ({"label": "yes"}, "no 'text'"),
        ({"text": 3}, "no string"),
        ({"text": "x", "second": ["y"]}, "no string"),
        ({"text": "x", "label": {"a": 1}}, "neither a name, a list of names nor"),
    ]:
        with pytest.raises(ValueError, match=message):
            TextClassifier.example(fields)


def test_options_are_found_in_examples():
    def found(*labels):
        return TextClassifier.options_for([LabeledText("", x) for x in labels])

    single = {"labels": ("a", "b"), "problem": "single_label"}
    assert found("b", "a", None, "b", ()) == single
    assert found(("b",), "a", ())["problem"] == "multi_label"
    regression = {"labels": (), "problem": "regression"}
    assert found(1.5, 2.0, None) == found("0.5", "1.0", "2") == regression
    assert found("1", "2.0", 3.5) == regression
    assert found("1", "2")["labels"] == ("1", "2")
    assert found("1.5", "x")["problem"] == "single_label"
    with pytest.raises(ValueError, match="no example has a label.*columns label=NAME"):
        found(None)


def test_from_a_file_to_a_served_model(tmp_path):
    lines = [f"{text}\t{label}" for text, label, _ in EXAMPLES]
    (tmp_path / "a.tsv").write_text("\n".join([*lines, "the mat"]))
    model = task(scale=0.1, head="convolution", num_layers=0)
    model.compile(adamw(0.01, weight_decay=0.0))
    train, _ = model.datasets(tmp_path / "a.tsv", batch_size=5)
    logs = model.fit(train, steps_per_epoch=20, epochs=2, verbose=0).history
    assert logs["accuracy"][1] == 1.0
    values = model.measure(EXAMPLES)
    assert values["accuracy"] == values["f1/yes"] == 1.0
    predictions = model.predictions(EXAMPLES)
    again = json.loads(json.dumps(predictions))
    assert model.measure(EXAMPLES, again) == values
    assert model.pictures(EXAMPLES, again)["confusion"].dtype == np.uint8
    assert model.classify("a dog").label == "no"


def test_what_cannot_be_learnt_is_counted_and_said(caplog):
    model = task()
    odd = [
        LabeledText("mat", "maybe"),
        LabeledText("on"),
        LabeledText("cat " * 40, "no"),
    ]
    with caplog.at_level(logging.WARNING):
        batches = model.example_batches([*EXAMPLES, *odd], 2)
    assert batches.rows.count == 6
    assert "has not learnt (1: 'maybe')" in caplog.text
    assert "no label (1: 'on')" in caplog.text
    assert "1 of 6 texts have more than 32 tokens" in caplog.text
    caplog.clear()
    values = model.measure([*EXAMPLES, *odd])
    assert "1 of 7 examples have labels that the task has not learnt" in caplog.text
    right = model.measure([*EXAMPLES, odd[2]])["accuracy"]
    assert values["accuracy"] == pytest.approx(6 / 7 * right)
    with pytest.raises(
        ValueError, match="no example has a label to use: 1 example left out"
    ):
        model.measure([odd[1]])
    with pytest.raises(ValueError, match="more than the model's context of 32 tokens"):
        model.example_batches(EXAMPLES, 2, max_length=33)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["a"]}, "there must be 2 labels or more, got"),
        ({"labels": ["a", "b", "a"]}, "labels: 'a' is there twice"),
        ({"problem": "multi"}, "unknown problem 'multi': did you mean 'multi_label'"),
        ({"head": "conv"}, "unknown head 'conv'"),
        ({"threshold": 1.0}, r"threshold must be in \(0, 1\)"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"r_drop": -1.0}, "r_drop must not be negative"),
        ({"class_weights": "even"}, "unknown class_weights 'even'"),
        ({"class_weights": {"yse": 2.0}}, "did you mean 'yes'"),
        (
            {"class_weights": "balanced", "problem": "multi_label"},
            "class_weights are for problem='single_label'",
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TextClassifier(ENCODER, **{"labels": LABELS, **options})


def test_strange_texts_are_answered(classifier):
    texts = ["\ud800", "\x00", "🙂" * 50, "\t\n", "中文 über", "[CLS] [SEP]"]
    assert len(classifier.classify(texts, texts[::-1])) == 6


def test_a_head_for_other_labels_begins_anew(tmp_path, caplog):
    task().save_preset(tmp_path / "two")
    encoder_task(MaskedLM).save_preset(tmp_path / "lm")
    for source in ("two", "lm"):
        caplog.clear()
        model = TextClassifier.from_preset(tmp_path / source, labels=["a", "b", "c"])
        assert "its weights are random, to be trained" in caplog.text
        assert model.classify("the cat").scores.keys() == {"a", "b", "c"}


@pytest.mark.parametrize("head", HEADS)
def test_a_preset_holds_every_head_and_all_options(tmp_path, head):
    options = {"head": head, "head_dropout": 0.3, "class_weights": {"yes": 2.0}}
    model = task(**options, num_layers=1)
    model.save_preset(tmp_path)
    again = TextClassifier.from_preset(tmp_path)
    assert again.chosen() == model.chosen() == again.chosen() | options
    assert TextClassifier.from_config(model.get_config()).chosen() == model.chosen()
    logits = again.logits_of(PAIRS), model.logits_of(PAIRS)
    np.testing.assert_allclose(*logits, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"pooler": True, "temperature": 2.0},
        {"head": "lstm", "problem": "multi_label", "threshold": 0.45},
        {"head": "convolution", "problem": "regression", "dtype": "mixed_bfloat16"},
    ],
)
def test_an_export_answers_as_the_model(tmp_path, options, caplog):
    model = task(**options)
    model.export(tmp_path / "1")
    # Its own long probes are nobody's texts.
    assert "massivetext_keras" not in {x.name.split(".")[0] for x in caplog.records}
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    texts, second = ["the cat", "", "dog " * 40], ["", "mat", "cat " * 40]
    for name, columns in {
        "serving_default": {"text": texts},
        "classify_pairs": {"text": texts, "second": second},
    }.items():
        inputs = {k: tf.constant(v) for k, v in columns.items()}
        given = loaded.signatures[name](**inputs)
        answers = model.classify(*columns.values())
        labels = [label.decode() for label in given["labels"].numpy()]
        classes = given["classes"].numpy()[0].astype(str).tolist()
        if model.problem == "regression":
            scores = [[number] for number in answers]
            np.testing.assert_allclose(np.float32(labels), answers, rtol=1e-4)
        else:
            scores = [list(answer.scores.values()) for answer in answers]
            assert classes == LABELS
            joined = [a.label for a in answers]
            if model.problem == "multi_label":
                joined = ["|".join(names) for names in joined]
            assert labels == joined
        np.testing.assert_allclose(given["scores"], scores, rtol=1e-4, atol=1e-5)


REPLICAS = """
from tests.tasks.replicas import ALL, report
from tests.tasks.classification.test_task import EXAMPLES, task

report(
    lambda: task(head="lstm", head_dropout=0.0, scale=0.2, num_layers=1),
    lambda x: x.datasets(EXAMPLES, EXAMPLES, 4, class_weights={"yes": 2.0}),
    steps=4,
    ways=ALL[:2],
)
"""


@pytest.mark.slow
def test_replicas_give_the_same_weights_and_measures_as_one_device():
    (one, two), apart = last_line_of("-c", REPLICAS)
    assert two == pytest.approx(one, rel=1e-5) and "val_accuracy" in one
    assert max(apart) < 1e-5


def test_embeddings_alone():
    model = task(num_layers=0, norm_position="post", head="mean", position="none")
    table = model.backbone.tokens.embeddings.numpy()
    norm = model.backbone.embeddings.norm
    x = table[[2, 5, 6, 3]] + model.backbone.embeddings.segments.embeddings.numpy()[0]
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    x = x * norm.gain.numpy() + norm.offset.numpy()
    layer = model.classifier.classes
    expected = softmax(x.mean(0) @ layer.kernel.numpy() + layer.bias.numpy())
    found = list(model.classify("the cat").scores.values())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert model.backbone.count_params() == model.config.parameter_count()
