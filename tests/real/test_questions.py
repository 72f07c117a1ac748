"""Real questions in English, German and Chinese: answers are parts of the contexts."""

from __future__ import annotations

import json
import logging

import pytest

from massivetext_keras.evaluation.answers import answer_scores
from massivetext_keras.evaluation.word_overlap import sliding_window_answer
from massivetext_keras.tasks import QuestionAnswerer
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import encoder_task

pytestmark = pytest.mark.usefixtures("without_xla", "grappler")


@pytest.fixture(scope="module")
def answerer() -> QuestionAnswerer:
    return encoder_task(
        QuestionAnswerer,
        ByteTokenizer(),
        vocabulary_size=259,
        num_layers=1,
        max_length=256,
        stride=64,
    )


def check(answers, contexts):
    for answer, context in zip(answers, contexts, strict=True):
        if answer.start < 0:
            assert answer[:3] == ("", -1, -1)
        else:
            assert context[answer.start : answer.end] == answer.text != ""
            assert answer.text == answer.text.strip()


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_xquad(answerer, data_dir, language):
    path = data_dir / f"qa/xquad.{language}.json"
    questions = QuestionAnswerer.read_examples(path)
    assert len(questions) == 925
    options = QuestionAnswerer.options_for(questions)
    assert options == {"unanswerable": False, "language": language}
    some = questions[::40]
    contexts = [x.context for x in some]
    check(answerer.answer([x.question for x in some], contexts), contexts)
    # What is learnt from is the answer, and what else is of its first and last tokens.
    wanted = {x.answers[0].text.encode() for x in some}
    found = set()
    batches = answerer.example_batches(some, batch_size=16, training=False)
    for features, labels, _ in batches.validation():
        rows = zip(features["token_ids"].numpy(), labels.numpy(), strict=True)
        found |= {bytes((row[a : b + 1] - 3).tolist()) for row, (a, b) in rows if a > 0}
    assert found == wanted


def test_naughty_strings(answerer, data_dir):
    path = data_dir / "bad/naughty_strings.json"
    strings = json.loads(path.read_text(encoding="utf-8"))
    contexts = [f"{a} {b}" for a, b in zip(strings, strings[::-1], strict=True)]
    check(answerer.answer(strings, contexts), contexts)


def test_the_baseline_on_xquad(data_dir):
    """Of the sliding window of Rajpurkar et al. (2016), over the constituents that a
    parser finds, 13.2 and 20.2 were reported on SQuAD's dev part."""
    questions = QuestionAnswerer.read_examples(data_dir / "qa/xquad.en.json")
    texts = [sliding_window_answer(x.question, x.context)[0] for x in questions]
    scores = answer_scores(texts, [[y.text for y in x.answers] for x in questions])
    assert scores["exact_match"] == pytest.approx(10.8, abs=0.1)
    assert scores["f1"] == pytest.approx(17.4, abs=0.1)


def test_cmrc_is_read_and_measured(data_dir, caplog):
    with caplog.at_level(logging.WARNING):
        questions = QuestionAnswerer.read_examples(data_dir / "qa/cmrc2018_dev.json")
    assert len(questions) == 3219
    (said,) = (record.getMessage() for record in caplog.records)
    assert "only once: moved there (7: " in said and "said to be (193: " in said
    task = QuestionAnswerer.from_preset("bert_tiny", language="zh")
    rows = [{"text": x.answers[-1].text} for x in questions]
    scores = task.measure(questions, rows)
    assert scores == {"exact_match": 100.0, "f1": 100.0}
