"""What is no text is refused with the name of the argument, before any work."""

from __future__ import annotations

import pytest

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
from tests.tasks.test_seq2seq import SMALL
from tests.tasks.tiny import ENCODER, TINY, words

CALLS = {
    "classify": (TextClassifier, "texts", lambda task, x: task.classify(x)),
    "tag": (TokenClassifier, "texts", lambda task, x: task.tag(x)),
    "answer": (QuestionAnswerer, "questions", lambda task, x: task.answer(x, ["a"])),
    "contexts": (QuestionAnswerer, "contexts", lambda task, x: task.answer(["a"], x)),
    "embed": (TextEmbedder, "texts", lambda task, x: task.embed(x)),
    "fill_mask": (MaskedLM, "texts", lambda task, x: task.fill_mask(x)),
    "replaced": (ReplacedTokenDetector, "texts", lambda task, x: task.detect(x)),
    "generate": (CausalLM, "prompts", lambda task, x: task.generate(x, 3)),
    "score": (CausalLM, "texts", lambda task, x: task.score(x)),
    "translate": (Seq2SeqLM, "sources", lambda task, x: task.translate(x)),
}


def task_of(cls):
    if cls is CausalLM:
        return cls(TINY.replace(vocabulary_size=259), ByteTokenizer())
    if cls is Seq2SeqLM:
        return cls(SMALL, ByteTokenizer())
    options = {TextClassifier: ["a", "b"], TokenClassifier: ["PER"]}
    labels = {"labels": options[cls]} if cls in options else {}
    return cls(ENCODER, words(), **labels)


@pytest.mark.parametrize("verb", CALLS)
def test_the_argument_and_the_place_are_named(verb):
    cls, name, call = CALLS[verb]
    task = task_of(cls)
    for value, line in [
        (1, f"{name} is 1: give a string, or a list of them"),
        (None, f"{name} is None: give a string, or a list of them"),
        ([1], rf"{name}\[0\] is 1, no string"),
        (("a", None), rf"{name}\[1\] is None, no string"),
        (["a", ["b"]], rf"{name}\[1\] is \['b'\], no string"),
    ]:
        with pytest.raises(TypeError, match=f"^{line}$"):
            call(task, value)
