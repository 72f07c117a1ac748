"""What people and machines send: every signature answers, and no place is shifted."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.tasks import (
    QuestionAnswerer,
    Seq2SeqLM,
    TextClassifier,
    TokenClassifier,
)
from massivetext_keras.text.examples import LabeledText
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, byte_lm, encoder_task, randomize

HOSTILE = [
    "",
    " \t\r\n\v\f",
    "\x00\x01\x7f\u200b\ufeff\u202eabc",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪 e\u0301\u0301 Z̸̧͉̤a̸l̵g̷o̶",
    "株洲北站,中文。　全角　ｆｕｌｌ",
    "Straße ſ İ ﬁ ﷺ " * 30,
    "a" * 5000,
    "[CLS] [SEP] [MASK] <pad> </s> <|im_end|>",
    "\ud7ff\ue000\U0010ffff",
]
# Characters of one to four bytes, marks, joiners, controls, kinds of white space.
TEXTS = st.text(
    st.sampled_from("aB ,.\t\n\r\x00éßſİ\u0301\u0300中文。\u3000\u200d\u2028👩🏽🇩ﬁ한"),
    max_size=40,
)


@pytest.fixture(scope="module")
def naughty(data_dir) -> list[str]:
    return json.loads((data_dir / "bad/naughty_strings.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def tagger() -> TokenClassifier:
    return encoder_task(TokenClassifier, labels=["PER", "LOC"], crf=True, scale=1.0)


@pytest.fixture(scope="module")
def answerer() -> QuestionAnswerer:
    return encoder_task(QuestionAnswerer, stride=4, scale=1.0)


def check_tags(tagger, texts):
    for text, spans in zip(texts, tagger.tag(texts), strict=True):
        behind = 0
        for span in spans:
            assert text[span.start : span.end] == span.text
            assert behind <= span.start < span.end <= len(text)
            assert not span.text[0].isspace() and 0.0 <= span.score <= 1.0 + 1e-5
            behind = span.end


def check_answers(answerer, questions, contexts):
    answers = answerer.answer(questions, contexts)
    for context, (text, start, end, score) in zip(contexts, answers, strict=True):
        assert 0.0 <= score <= 1.0 + 1e-5
        if text or start >= 0:
            assert context[start:end] == text and 0 <= start <= end <= len(context)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_tags_are_parts_of_any_text(tagger, texts):
    check_tags(tagger, texts)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_answers_are_parts_of_any_context(answerer, pairs):
    check_answers(answerer, *map(list, zip(*pairs, strict=True)))


def test_hostile_texts_are_tagged_and_asked(tagger, answerer):
    check_tags(tagger, HOSTILE)
    check_answers(answerer, HOSTILE, HOSTILE[::-1])
    assert tagger.tag(HOSTILE[0]) == [] and tagger.tag([]) == []


def test_half_a_surrogate_pair_is_one_character_wherever_it_is_read(tagger, answerer):
    classifier = encoder_task(
        TextClassifier,
        ByteTokenizer(),
        labels=["a", "b"],
        vocabulary_size=259,
        max_length=64,
    )
    half, same = "a \ud83d\udc69 cat \ud83d sat", "a \ufffd\ufffd cat \ufffd sat"
    assert classifier.classify(half, half) == classifier.classify(same, same)
    examples = [LabeledText(text, "a", text) for text in (half, same)]
    rows = classifier.example_batches(examples, 2).validation()
    ids = next(iter(rows))[0]["token_ids"].numpy()
    assert (ids[0] == ids[1]).all()
    places = [[span[2:] for span in tagger.tag(text)] for text in (half, same)]
    assert places[0] == places[1]
    check_tags(tagger, [half])
    asked = [answerer.answer(text, text)[1:] for text in (half, same)]
    assert asked[0] == asked[1]


def test_naughty_strings_are_tagged_and_asked(tagger, answerer, naughty):
    check_tags(tagger, naughty)
    check_answers(answerer, naughty, naughty[::-1])


def writers():
    words = ByteTokenizer()
    shape = {"vocabulary_size": 259, "num_layers": 1, "position": "sinusoidal"}
    config = TINY.replace(stack="encoder_decoder", max_length=64, **shape)
    return randomize(Seq2SeqLM(config, words)), byte_lm()


@pytest.mark.slow
def test_every_signature_takes_them(tagger, answerer, naughty):
    """The graphs that an export has, with the texts as a client would send them."""
    texts = [*HOSTILE, *naughty]
    raw = [
        *(text.encode() for text in texts),
        b"\xff\xfe caf\xe9 \xc3",
        b"\xed\xa0\x80",
    ]
    text = tf.constant(raw)
    classifier = encoder_task(TextClassifier, labels=["a", "b"], head="mean")
    found = classifier.signatures()["classify"](text)
    assert found["scores"].shape == [len(raw), 2]
    assert not tf.reduce_any(tf.math.is_nan(found["scores"]))
    found = tagger.signatures()["tag"](text)
    for row, source in enumerate(raw):
        source = source.decode("utf-8", "replace")
        for i in range(int(found["counts"][row])):
            start, end = int(found["starts"][row, i]), int(found["ends"][row, i])
            assert source[start:end] == found["texts"][row, i].numpy().decode()
    found = answerer.signatures()["answer"](text, text[::-1])
    for row, source in enumerate(raw[::-1]):
        source = source.decode("utf-8", "replace")
        start, end = int(found["start"][row]), int(found["end"][row])
        if start >= 0:
            assert source[start:end] == found["text"][row].numpy().decode()
    seq2seq, causal = writers()
    some = text[::9]
    few, cold = tf.constant(3), tf.constant(0.0)
    choice = few, cold, tf.constant(0), tf.constant(1.0), tf.constant(0)
    for name in ("translate", "summarize"):
        found = seq2seq.signatures()[name](some, few, tf.constant(1.0))
        assert len(found["text"]) == len(some)
    roles = tf.fill([len(some), 2], "user")
    turns = tf.stack([some, some[::-1]], axis=1)
    found = causal.signatures()["chat"](roles, turns, *choice)
    for reply in found["text"].numpy():
        reply.decode()  # valid UTF-8
