"""Questions answered from contexts: against brute force, learnt, and never shifted."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.data import Answer, Question
from massivetext_keras.saving import read_tensors
from massivetext_keras.tasks import QuestionAnswerer
from massivetext_keras.tasks.answering.span_search import earliest_best, is_answer
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import adamw
from tests.processes import last_line_of
from tests.tasks.tiny import ENCODER, encoder_task, randomize

pytestmark = pytest.mark.usefixtures("without_xla")

CONTEXT = "the cat sat on the mat , the dog sat on the unbelievable dogs"
LONG = f"{CONTEXT} , " * 3
PAIRS = [
    ("the cat", CONTEXT),
    ("dog dog", LONG),
    ("", "the cat"),
    ("the dog " * 30, LONG),
    ("cat", ""),
    ("cat", " \t\n"),
]


@pytest.fixture(scope="module")
def answerer() -> QuestionAnswerer:
    return encoder_task(QuestionAnswerer, stride=8, max_answer_length=5)


@pytest.fixture(scope="module")
def byte_answerer() -> QuestionAnswerer:
    options = {"vocabulary_size": 259, "num_layers": 1, "stride": 12}
    return encoder_task(QuestionAnswerer, ByteTokenizer(), seed=3, **options)


def brute_force(task, question: str, context: str) -> tuple[list, float]:
    """Every span as (odds, start, end), the best first; log of the sum of all odds."""
    room, stride = 32 - 3, task.stride
    asked = task.tokenizer(question).numpy().tolist()[: room // 2]
    ids, starts, ends = (
        x.numpy() for x in task.tokenizer.tokenize_with_offsets(context)
    )
    places = room - len(asked)
    firsts = list(
        range(0, max(len(ids) - places, 0), places - min(stride, places // 2))
    )
    firsts.append(max(len(ids) - places, 0))
    spans = []
    for i, first in enumerate(firsts):
        window = ids[first : first + places].tolist()
        row = [2, *asked, 3, *window, 3]
        segments = [0] * (len(asked) + 2) + [1] * (len(window) + 1)
        features = {"token_ids": np.array([row]), "segment_ids": np.array([segments])}
        logits = task(features).numpy()[0]
        begin, end = (logits - logits[0])[len(asked) + 2 : -1].T
        for j in range(len(window)):
            mine = all(  # no other window has more around the token
                min(j, places - 1 - j)
                >= min(first + j - other, other + places - 1 - first - j)
                + (other > first)
                or not other <= first + j < other + places
                for k, other in enumerate(firsts)
                if k != i
            )
            for length in range(task.max_answer_length if mine else 0):
                if j + length < len(window):
                    where = starts[first + j], ends[first + j + length]
                    spans.append((begin[j] + end[j + length], *where))
    total = np.logaddexp.reduce([0.0, *(odds for odds, _, _ in spans)])
    return sorted(spans, key=lambda span: -span[0]), total


@pytest.mark.parametrize("pair", PAIRS[:4])
def test_the_best_spans_of_all_windows(answerer, pair):
    question, context = pair
    wanted, total = brute_force(answerer, question, context)
    found = answerer.n_best(question, context, 6)
    assert len(found) == min(6, len(wanted)) and len({x[:3] for x in found}) == len(
        found
    )
    places = {(start, end): odds for odds, start, end in wanted}
    for answer, (odds, _, _) in zip(found, wanted, strict=False):
        assert answer.text == context[answer.start : answer.end]
        # Equal odds, but for rounding, are in the order of the context.
        assert places[answer.start, answer.end] == pytest.approx(odds, abs=1e-3)
        assert np.log(answer.score) == pytest.approx(odds - total, abs=1e-3)
    assert answerer.answer(question, context)[:3] == found[0][:3]
    several = answerer.answer([question], [context], n_best=6)
    assert [x[:3] for x in several[0]] == [x[:3] for x in found]


def test_one_and_many_whatever_is_beside_them(answerer):
    questions, contexts = zip(*PAIRS, strict=True)
    together = answerer.answer(questions, contexts)
    for (question, context), answer in zip(PAIRS, together, strict=True):
        alone = answerer.answer(question, context)
        assert alone[:3] == answer[:3]
        assert alone.score == pytest.approx(answer.score, rel=1e-4)
    assert together[4] == together[5] == Answer("", -1, -1, 1.0)
    shared = answerer.answer(["the cat", "dog"], CONTEXT)
    assert shared[0][:3] == answerer.answer("the cat", CONTEXT)[:3]
    assert answerer.answer([], []) == answerer.n_best([], "x") == []


def test_no_answer_where_the_odds_are_below_the_threshold(answerer):
    options = {"stride": 8, "max_answer_length": 5, "unanswerable": True}
    task = encoder_task(QuestionAnswerer, **options)
    for question, context in PAIRS[:4]:
        plain = answerer.n_best(question, context, 2)
        spans, total = brute_force(task, question, context)
        task.null_threshold = spans[0][0] - 0.1
        assert task.answer(question, context)[:3] == plain[0][:3]
        task.null_threshold = spans[0][0] + 0.1
        none, *others = task.n_best(question, context, 3)
        assert none[:3] == ("", -1, -1)
        assert [x[:3] for x in others] == [x[:3] for x in plain]
        assert np.log(none.score) == pytest.approx(-total, abs=1e-4)
        assert task.answer(question, context)[:3] == none[:3]


REPEATED = "the dog sat on mat " * 40  # as the windows of "unbelievable" have it


def test_of_equal_answers_the_earliest_is_taken_whatever_the_rounding(answerer):
    """Windows that are the same have the same scores, but for the last bits."""
    task, (question, _) = answerer, PAIRS[0]
    found = task.n_best(question, REPEATED, 12)
    odds = [score for score, _ in task._found([question], [REPEATED], 12)[0][0]]
    ties = [x for x, y in zip(found, odds, strict=True) if y > odds[0] - 1e-5]
    assert len({x.text for x in ties}) == 1 and len(ties) > 1
    assert [x.start for x in ties] == sorted(x.start for x in ties)
    again = [task.answer(question, REPEATED[i * 76 :]) for i in range(3)]
    assert {x[:3] for x in again} == {found[0][:3]}
    # beside other texts products are of other shapes
    beside = task.answer([question] * 3, ["cat", REPEATED, REPEATED])
    assert beside[1][:3] == beside[2][:3] == found[0][:3]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-40, 40), min_size=6, max_size=30),
    st.integers(1, 6),
    st.integers(0, 2**31),
)
def test_last_bits_do_not_change_the_order(tenths, count, seed):
    scores = np.array(tenths, "float32") / 10
    noise = np.random.default_rng(seed).uniform(-1e-5, 1e-5, len(tenths))
    rows = tf.constant([scores, scores + noise.astype("float32")])
    _, places = earliest_best(rows, tf.constant(count))
    wanted = np.argsort(-scores, kind="stable")[:count]
    assert places.numpy().tolist() == [wanted.tolist()] * 2


def test_no_answer_and_a_span_with_the_odds_of_the_threshold():
    odds = tf.constant([2.0 - 1e-5, 2.0 + 1e-5, 1.9])
    assert is_answer(odds, 2.0).numpy().tolist() == [True, True, False]
    assert is_answer(-1e-5, 0.0)


PIECES = [
    "a",
    "Z",
    "ß",
    "é",
    "e\u0301",
    "\u0301",
    "中",
    "文",
    "🙂",
    "👩‍👩‍👧",
    "🇩🇪",
    "\t",
]
PIECES += ["\n", " ", "\u3000", "\u00a0", "\u200d", "\0", "١", "̈", "\ud800", "ﬁ", "İ"]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_offsets_are_never_shifted(answerer, byte_answerer, context):
    for task in (answerer, byte_answerer):
        for text, start, end, score in task.n_best("é?", context, 4):
            assert 0.0 <= score <= 1.0
            if start < 0:
                assert (text, start, end) == ("", -1, -1)
                continue
            assert text == context[start:end] and 0 <= start < end <= len(context)
            assert text == text.strip()
    if context.strip():
        assert byte_answerer.answer("", context).text  # every character is a token


def test_answers_are_not_too_long(byte_answerer):
    for answer in byte_answerer.n_best("?", "abcdefgh " * 20, 10):
        assert len(answer.text) <= 30


def question(context: str, answer: str | None, asked: str = "cat") -> Question:
    if answer is None:
        return Question(context, asked, ())
    start = context.index(answer)
    return Question(context, asked, (Answer(answer, start, start + len(answer)),))


def batch(questions, length, training=True, overlap=2, **options):
    task = encoder_task(QuestionAnswerer, stride=overlap)
    batches = task.example_batches(
        questions, batch_size=64, max_length=length, training=training, **options
    )
    ((features, labels, weights),) = batches.validation()
    order = np.argsort(weights.numpy() == 0.0, kind="stable")
    features = {k: v.numpy()[order] for k, v in features.items()}
    return features, labels.numpy()[order], weights.numpy()[order]


def test_batches_as_literals():
    features, labels, weights = batch([question("sat the mat", "the mat")], 32)
    assert features["token_ids"].tolist() == [[2, 6, 3, 7, 5, 9, 3]]
    assert features["segment_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 1]]
    assert labels.tolist() == [[4, 5]] and weights.tolist() == [1.0]
    # "unbelievable" is three tokens; an answer within a word has the whole tokens
    _, labels, _ = batch([question("the unbelievable cat", "elievab")], 32)
    assert labels.tolist() == [[5, 6]]


def test_windows_without_the_answer_have_none_and_do_not_drown_the_others():
    context = "the cat sat on mat dog , " * 3 + "unbelievable " + "sat on mat " * 8
    asked = question(context, "unbelievable")
    features, labels, weights = batch([asked], 12, training=False, overlap=4)
    ids = features["token_ids"]
    whole = [
        row[a : b + 1].tolist() == [12, 13, 14]
        for row, (a, b) in zip(ids, labels, strict=True)
    ]
    with_answer = np.array(["12, 13, 14" in str(row.tolist()) for row in ids])
    assert whole == with_answer.tolist() and 1 <= with_answer.sum() < 4
    assert not labels[~with_answer].any() and (~with_answer).sum() > 3
    for part in (with_answer, ~with_answer):
        assert weights[part].sum() == pytest.approx(1.0)
        assert np.ptp(weights[part]) == 0.0
    _, labels, weights = batch([asked], 12, overlap=4)  # in training, three of them
    assert (labels[weights > 0].sum(axis=1) == 0).sum() == 3
    assert weights.sum() == pytest.approx(2.0)
    _, labels, weights = batch([question(context, None)], 12, overlap=4)
    assert not labels.any() and weights.sum() == pytest.approx(1.0)


def test_what_cannot_be_learnt_from_is_counted(caplog):
    good = question("the cat", "cat")
    bad = [
        Question("the cat", "cat"),
        question("the \u200d cat", "\u200d"),
        question("the cat sat on mat dog , " * 3, "the cat sat on mat dog"),
    ]
    with caplog.at_level(logging.WARNING):
        _, labels, _ = batch([good, *bad], 9)
    assert labels[0].tolist() == [4, 4]
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("3 examples left out: nobody knows the answer (1); ")
    assert "the tokenizer drops the answer (1)" in said
    assert "the answer is longer than what two windows share (1)" in said
    with pytest.raises(ValueError, match="there are no questions to learn from"):
        batch(bad, 9)


def test_the_loss_is_that_of_start_and_end_over_the_window():
    task = encoder_task(QuestionAnswerer)
    asked = [
        question("sat the mat", "the mat"),
        question("on mat", None),
        *[question("the cat sat on the mat", "sat on")],
    ]
    task.compile()
    data = task.example_batches(asked, 4, training=False).validation()
    found = task.evaluate(data, verbose=0, return_dict=True)
    losses, exact = [], []
    for features, labels, weights in data:
        logits = task(features).numpy()
        for i in np.flatnonzero(weights):
            real = int(features["padding_mask"][i].numpy().sum())
            first = int((features["segment_ids"][i].numpy()[:real] == 0).sum())
            for k in (0, 1):
                choices = logits[i, [0, *range(first, real - 1)], k]
                right = logits[i, labels[i, k], k]
                losses.append(np.logaddexp.reduce(choices) - right)
                exact.append(right == choices.max())
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    pairs = np.reshape(exact, [-1, 2]).all(axis=1)
    assert found["exact_span"] == pytest.approx(pairs.mean())


def test_answers_in_long_contexts_can_be_learnt():
    """The only word that is not in the vocabulary, wherever it is."""
    random, questions = np.random.default_rng(0), []
    for i in range(48):
        text = random.choice(["the", "sat", "on", ","], 40).tolist()
        text[int(random.integers(0, 40))] = "able" if i % 6 else "the"
        questions.append(question(" ".join(text), "able" if i % 6 else None))
    task = encoder_task(
        QuestionAnswerer,
        scale=0.2,
        num_layers=2,
        window=24,
        stride=8,
        unanswerable=True,
    )
    train, _ = task.example_datasets(questions, batch_size=16, seed=1)
    task.compile(adamw(0.01, weight_decay=0.0))
    history = task.fit(train, steps_per_epoch=60, epochs=2, verbose=0).history
    assert history["exact_span"][1] > 0.95 > history["exact_span"][0]
    assert task.measure(questions)["exact_match"] > 95.0
    rows = task.predictions(questions[:2])
    assert rows[0] == {
        "id": "",
        "text": "",
        "start": -1,
        "end": -1,
        "score": rows[0]["score"],
    }
    assert rows[1]["text"] == "able"
    assert rows[1]["start"] == questions[1].answers[0].start


REPLICAS = """
from massivetext_keras.tasks import QuestionAnswerer
from tests.tasks.replicas import report
from tests.tasks.answering.test_task import CONTEXT, question
from tests.tasks.tiny import encoder_task

questions = [question(CONTEXT * n, x) for n in (1, 3) for x in ("cat", "dog", None)]
report(
    lambda: encoder_task(QuestionAnswerer, scale=0.2, num_layers=1, window=24),
    lambda x: x.datasets(questions, questions, batch_size=4),
    steps=4,
)
"""


@pytest.mark.slow
def test_replicas_and_micro_batches_learn_what_one_device_does():
    (one, *others), apart = last_line_of("-c", REPLICAS)
    assert others == [pytest.approx(one, rel=1e-5)] * 2 and "val_exact_span" in one
    assert max(apart) < 1e-5


def test_options_follow_from_the_questions():
    asked = [question("die Katze und der Hund", "Hund"), question("das ist", None)]
    assert QuestionAnswerer.options_for(asked) == {
        "unanswerable": True,
        "language": "de",
    }
    assert not QuestionAnswerer.options_for(asked[:1])["unanswerable"]


def test_measures():
    task = QuestionAnswerer(ENCODER, language="de")
    asked = [question("die Katze und der Hund", x) for x in ("Katze", "der Hund")]
    found = task.measure(asked, [{"text": "die Katze"}, {"text": "Katze und Hund"}])
    assert found == pytest.approx({"exact_match": 50.0, "f1": 75.0})
    with pytest.raises(ValueError, match="without known answers cannot be measured"):
        task.measure([Question("a", "b")])


def test_a_preset_keeps_the_options(tmp_path):
    task = encoder_task(
        QuestionAnswerer, window=20, unanswerable=True, null_threshold=1, language="zh"
    )
    task.save_preset(tmp_path)
    again = QuestionAnswerer.from_preset(tmp_path)
    assert again.chosen() == task.chosen() and again.null_threshold == 1.0
    for one, other in zip(
        *(x.n_best("cat", CONTEXT) for x in (again, task)), strict=True
    ):
        assert one[:3] == other[:3] and one.score == pytest.approx(other.score, 1e-4)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "albert", "electra"])
def test_folders_of_hugging_face(tmp_path, name):
    changes = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "dropout": 0.0}
    changes |= {"vocabulary_size": 259, "intermediate_size": 24, "max_length": 40}
    preset = {
        "bert": "bert_base_uncased",
        "roberta": "roberta_base",
        "distilbert": "distilbert_base_uncased",
        "albert": "albert_base",
        "electra": "electra_small_discriminator",
    }[name]
    config = PRESETS[preset].replace(**changes)
    task = randomize(QuestionAnswerer(config))
    task.save_preset(tmp_path, format="huggingface")
    names = read_tensors(tmp_path / "model.safetensors").shapes
    assert names["qa_outputs.weight"] == (2, 16) and names["qa_outputs.bias"] == (2,)
    assert not any("pooler" in tensor for tensor in names)
    written = json.loads((tmp_path / "config.json").read_text())
    (architecture,) = written["architectures"]
    assert architecture.lower() == f"{name}forquestionanswering"
    again = QuestionAnswerer.from_preset(f"hf:{tmp_path}")
    features = {"token_ids": np.arange(3, 15).reshape(2, 6)}
    np.testing.assert_allclose(again(features), task(features), atol=1e-6)


def test_models_without_segments_read_both_texts():
    task = encoder_task(QuestionAnswerer, segment_types=0)
    ids = np.array([[2, 6, 3, 7, 5, 9, 3]])
    both = task({"token_ids": ids, "segment_ids": np.array([[0, 0, 0, 1, 1, 1, 1]])})
    np.testing.assert_allclose(both, task({"token_ids": ids}), atol=1e-6)


def test_bad_input(answerer):
    with pytest.raises(
        ValueError, match="1 questions and 2 contexts: there must be as"
    ):
        answerer.answer(["a"], ["b", "c"])
    with pytest.raises(ValueError, match="count must be positive, got 0"):
        answerer.n_best("a", "b", 0)
    with pytest.raises(ValueError, match="count must be positive, got 0"):
        answerer.answer("a", "b", n_best=0)
    with pytest.raises(ValueError, match="unknown language 'qq': known: af, am, ar"):
        QuestionAnswerer(ENCODER, language="qq")
    with pytest.raises(ValueError, match="window 64 is more than the model's context"):
        QuestionAnswerer(ENCODER, window=64)
    with pytest.raises(ValueError, match="must not be negative and max_answer_length"):
        QuestionAnswerer(ENCODER, max_answer_length=0)
    with pytest.raises(ValueError, match="was made without a tokenizer"):
        QuestionAnswerer(ENCODER).answer("a", "b")
