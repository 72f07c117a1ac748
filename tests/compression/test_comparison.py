"""What became of a task: sizes, measures, changed answers, the page."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras import compression
from massivetext_keras.compression.comparison import Change, Comparison, Side
from massivetext_keras.compression.page import page
from massivetext_keras.data import LabeledText
from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import byte_lm, encoder_task

EXAMPLES = [
    LabeledText(text, label)
    for text, label in [("the cat", "no"), ("the mat", "yes"), ("dog sat", "no")]
]


def classifier(**changes) -> TextClassifier:
    return encoder_task(TextClassifier, labels=("no", "yes"), **changes)


def test_bytes_are_those_of_the_weights():
    lm = byte_lm()
    assert compression.weight_bytes(lm) == 4 * lm.backbone.count_params()
    matrices = lm.quantization.matrices().values()
    numbers = sum(int(np.prod(_matrix(layer).shape)) for layer in matrices)
    others = lm.backbone.count_params() - numbers
    lm.quantize("float16")
    assert compression.weight_bytes(lm) == 2 * numbers + 4 * others


def _matrix(layer):
    return getattr(layer, layer.matrix_place)


def test_a_task_and_itself_are_the_same():
    found = compression.compare(classifier(), classifier(), EXAMPLES, speed=False)
    assert (found.share, found.loss, found.changed) == (1.0, 0.0, 0)
    assert found.before == found.after and found.before.name == "float32"


def test_other_answers_are_found_and_the_worst_come_first():
    one, other = classifier(seed=1), classifier(seed=3)
    given = [task.predictions(EXAMPLES) for task in (one, other)]
    labels = [[answer["label"] for answer in side] for side in given]
    found = compression.compare(one, other, EXAMPLES, speed=False)
    assert found.count == 3
    assert found.changed == sum(a != b for a, b in zip(*labels, strict=True))
    costs = [change.cost for change in found.worst]
    assert costs == sorted(costs, reverse=True)
    right = [
        np.mean([a == x.label for a, x in zip(side, EXAMPLES, strict=True)])
        for side in labels
    ]
    measured = [side.measures["accuracy"] for side in (found.before, found.after)]
    np.testing.assert_allclose(measured, right)


def test_perplexity_of_a_language_model():
    lm = byte_lm()
    texts = ["the cat sat", "on the mat"]
    found = compression.compare(lm, lm, texts=texts, speed=False)
    tokens = sum(map(len, texts))
    wanted = np.exp(-sum(lm.score(texts)) / tokens)
    assert found.before.measures["perplexity"] == pytest.approx(wanted, rel=1e-5)


def test_what_is_measured_is_of_its_kind():
    with pytest.raises(ValueError, match="a CausalLM is asked texts"):
        compression.compare(byte_lm(), byte_lm(), EXAMPLES)
    with pytest.raises(ValueError, match="a TextClassifier is asked examples"):
        compression.compare(classifier(), classifier(), texts=["a"])


def test_speeds_are_measured_in_turns():
    called = []
    runs = [lambda: called.append("a"), lambda: called.append("b")]
    seconds = compression.comparison.best_in_turns(runs)
    assert called == ["a", "b"] * 6 and min(seconds) > 0.0


FOUND = Comparison(
    Side("float32", 4_000_000, {"answers/s, batch 1": 50.0}, {"accuracy": 0.9}),
    Side("int8", 1_000_000, {"answers/s, batch 1": 75.0}, {"accuracy": 0.891}),
    200,
    3,
    [Change("a <b> film", "positive", "negative", "positive", 1.0)],
)


def test_rows_have_before_after_and_ratio():
    assert FOUND.rows() == [
        ("MB of weights", "4.00", "1.00", "0.250"),
        ("answers/s, batch 1", "50.0", "75.0", "1.50"),
        ("accuracy", "0.9000", "0.8910", "0.9900"),
    ]
    assert FOUND.loss == pytest.approx(0.01)
    worse = FOUND.after._replace(measures={"perplexity": 4.2})
    before = FOUND.before._replace(measures={"perplexity": 4.0})
    assert FOUND._replace(before=before, after=worse).loss == pytest.approx(0.05)


def test_the_page_tells_it(tmp_path):
    text = page(FOUND, "sst2")
    for part in (
        "sst2 as int8",
        "0.250",
        "1.50x",
        ">1.00 %</b><span>worse",
        "1.50 %",
        "a &lt;b&gt;",
    ):
        assert part in text, part
    assert "<script" not in text
    compression.write_page(FOUND, "sst2", tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text() == text
