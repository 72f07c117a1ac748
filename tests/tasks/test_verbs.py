"""What the string verbs of all tasks share: what they take, and their first calls."""

from __future__ import annotations

import functools
import math
import threading

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.data import as_texts
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, encoder_task, randomize

pytestmark = pytest.mark.usefixtures("without_xla", "plain_loop")

CONTEXT = "the cat sat on the mat"


def translator() -> Seq2SeqLM:
    config = preset("transformer_base").replace(
        vocabulary_size=259,
        num_layers=1,
        hidden_size=16,
        num_heads=2,
        intermediate_size=16,
        max_length=24,
    )
    return randomize(Seq2SeqLM(config, ByteTokenizer()), scale=0.5)


short = functools.partial(encoder_task, num_layers=1)
GREEDY = {"max_new_tokens": 5, "temperature": 0.0}
# The task, what it is asked by texts, and texts: one of them "", where that is one.
VERBS = {
    "generate": (byte_lm, lambda lm, x: lm.generate(x, **GREEDY), ["ab", ""]),
    "beams": (byte_lm, lambda lm, x: lm.generate(x, 5, num_beams=2), ["ab", ""]),
    "chat": (byte_lm, lambda lm, x: lm.chat(x, **GREEDY), ["ab", ""]),
    "score": (byte_lm, CausalLM.score, ["ab", ""]),
    "translate": (translator, lambda lm, x: lm.translate(x, 5), ["ab", ""]),
    "n_best": (translator, lambda lm, x: lm.n_best(x, 2, 5), ["ab", ""]),
    "fill_mask": (
        lambda: short(MaskedLM),
        lambda task, x: task.fill_mask(x, 2),
        ["the [MASK]", "[MASK]"],
    ),
    "masked_score": (lambda: short(MaskedLM), MaskedLM.score, ["the cat", ""]),
    "embed": (lambda: short(TextEmbedder), TextEmbedder.embed, ["the cat", ""]),
    "classify": (
        lambda: short(TextClassifier, labels=("a", "b")),
        TextClassifier.classify,
        ["the cat", ""],
    ),
    "classify_pairs": (
        lambda: short(TextClassifier, labels=("a", "b")),
        lambda task, x: task.classify(x, x),
        ["the cat", ""],
    ),
    "tag": (
        lambda: short(TokenClassifier, labels=("A", "B")),
        TokenClassifier.tag,
        ["the cat", ""],
    ),
    "detect": (
        lambda: short(ReplacedTokenDetector),
        ReplacedTokenDetector.detect,
        ["the cat", ""],
    ),
    "answer": (
        lambda: short(QuestionAnswerer),
        lambda task, x: task.answer(x, CONTEXT),
        ["the cat", ""],
    ),
    "contexts": (
        lambda: short(QuestionAnswerer),
        lambda task, x: task.answer(["cat"] * np.size(x), x),
        ["the cat", ""],
    ),
}


def same(a, b) -> bool:
    if isinstance(a, float | np.floating):
        return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-4)
    if isinstance(a, list | tuple | np.ndarray):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def graphs(task) -> list:
    owners = [task, getattr(task, "writers", None)]
    made = [
        x
        for owner in owners
        if owner
        for x in vars(owner).get("_made_once", {}).values()
    ]
    inner = [x for graph in made for x in getattr(graph, "__dict__", {}).values()]
    return [x for x in [*made, *inner] if hasattr(x, "experimental_get_tracing_count")]


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_texts_of_any_kind_and_four_threads_that_ask_first(name):
    make, verb, texts = VERBS[name]
    task, found, start = make(), [], threading.Barrier(4)

    def ask():
        start.wait()
        found.append(verb(task, texts))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(same(found[0], x) for x in found)
    counts = [graph.experimental_get_tracing_count() for graph in graphs(task)]
    assert counts and max(counts) <= 1

    asked = [tf.constant(texts), np.array(texts), [x.encode() for x in texts]]
    for some in asked:
        assert same(verb(task, some), found[0]), type(some)
    if name != "contexts":
        for one in (texts[0], tf.constant(texts[0]), texts[0].encode()):
            assert same(verb(task, one), found[0][0]), type(one)
    with pytest.raises(ValueError, match="0 is no string: 3|no list|other than a role"):
        verb(task, [3])


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        iter,
        np.array,
        lambda x: np.array(x, object),
        tf.constant,
        lambda x: [text.encode() for text in x],
        lambda x: [tf.constant(text) for text in x],
        lambda x: [np.str_(text) for text in x],
        lambda x: np.array([text.encode() for text in x]),
    ],
)
def test_several_texts(kind):
    texts, one = as_texts("text", kind(["é", "", "b 中"]))
    assert texts == ["é", "", "b 中"] and not one
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize(
    "kind",
    [str, np.str_, np.array, tf.constant, str.encode, lambda x: np.bytes_(x.encode())],
)
def test_one_text(kind):
    assert as_texts("text", kind("é")) == (["é"], True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a text must be a string or a list of them, got None"),
        ({"a": 1}, "a text must be a string or a list of them"),
        (["a", None], "text 1 is no string: None"),
        ([["a"]], r"text 0 is no string: \['a'\]"),
        (np.array([["a", "b"]]), "text 0 is no string"),
        (tf.constant([1, 2]), "text 0 is no string: "),
    ],
    ids=repr,
)
def test_what_is_no_text(value, message):
    with pytest.raises(ValueError, match=message):
        as_texts("text", value)


def test_bytes_that_are_no_utf8():
    assert as_texts("text", b"a\xff") == (["a\ufffd"], True)


def test_other_stop_strings_and_phrases_are_data_of_the_same_graphs():
    lm = byte_lm()

    def ask(stop, banned):
        for options in ({}, {"num_beams": 2}):
            lm.generate("ab", 12, stop=stop, banned=banned, **options)
        list(lm.stream("ab", 12, stop=stop, banned=banned))
        list(lm.chat_stream("ab", 12, banned=banned))

    ask("x", "y")
    before = [graph.experimental_get_tracing_count() for graph in graphs(lm)]
    assert sum(before) >= 6
    for stop, banned in (
        ("a longer stop string", "a banned phrase of several words"),
        (["ab", "xa", "\n"], ["\n\n", "as an", "Straße", "中文"]),
        ([], "b"),
        (tf.constant(["q"]), np.array(["r", "s"])),
    ):
        ask(stop, banned)
    after = [graph.experimental_get_tracing_count() for graph in graphs(lm)]
    assert after == before
