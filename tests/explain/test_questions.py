"""Tokens of a question are the parts of the text that the row has there."""

from __future__ import annotations

import pytest

from massivetext_keras.explain.methods import question_of
from massivetext_keras.tasks import (
    QuestionAnswerer,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.explain.noise import labelled
from tests.tasks.tiny import TINY, byte_lm, encoder_task, randomize

# 80 tokens, of which a row of 32 has room for a part
LONG = "the unbelievable cat sat on mat, " * 10
LATE = LONG.index("cat", 200)


def same_pieces(task, question) -> list[str]:
    """The pieces of the row at the places of the text, which must be those in it."""
    ids = question.ids[question.places].tolist()
    pieces = [task.tokenizer.id_to_token(i).removeprefix("##") for i in ids]
    assert pieces == list(question.tokens) and len(question.ids) <= 32
    return pieces


@pytest.mark.parametrize("beside", [None, "the dog", LONG])
def test_a_classifier_reads_the_beginning(beside):
    pieces = same_pieces(
        task := labelled(), question_of(task, LONG, "ham", beside=beside)
    )
    assert pieces[:4] == ["the", "un", "believ", "able"]
    assert len(pieces) == {None: 30, "the dog": 27, LONG: 15}[beside]


def test_a_tagger_reads_the_window_with_the_span():
    task = encoder_task(TokenClassifier, labels=["PER", "LOC"])
    question = question_of(task, LONG, (LATE, LATE + 7, "LOC"))
    same_pieces(task, question)
    picks = question.given["picks"]
    # "cat" as B-LOC and "sat" as I-LOC, at their places
    assert picks[:, 1].tolist() == [3, 4] and picks[1, 0] == picks[0, 0] + 1
    at = question.places.tolist().index(picks[0, 0])
    assert question.offsets[at].tolist() == [LATE, LATE + 3]
    assert question.target == "LOC 'cat sat'"


def test_an_answerer_reads_the_window_with_the_answer():
    task = encoder_task(QuestionAnswerer, stride=8)
    question = question_of(task, LONG, (LATE, LATE + 7), beside="the dog")
    same_pieces(task, question)
    (start, first), (end, last) = question.given["picks"].tolist()
    assert (first, last) == (0, 1) and end == start + 1
    at = question.places.tolist().index(start)
    assert question.offsets[at].tolist() == [LATE, LATE + 3]
    with pytest.raises(ValueError, match="is not in a text of"):
        question_of(task, LONG, (5, 1000), beside="the dog")


def test_an_embedder_has_no_tokens_of_its_prompt():
    task = encoder_task(
        TextEmbedder, prompts={"q": "the dog "}, prompt="q", lowercase=True
    )
    question = question_of(task, "UNbelievable cat", "a mat")
    ids = question.ids[question.places].tolist()
    names = [task.tokenizer.id_to_token(i) for i in ids]
    assert names == ["un", "##believ", "##able", "cat"]
    assert question.tokens == ("UN", "believ", "able", "cat")
    assert question.ids.tolist()[1:3] == [5, 10]  # the dog


def test_a_language_model_keeps_the_end():
    task = byte_lm(max_length=16)
    question = question_of(task, "0123456789abcdef", "xyz")
    # 14 of 16 bytes, x and y fill the context; z is asked for, not read
    assert "".join(question.tokens) == "23456789abcdef"
    assert question.ids.tolist() == [ord(c) + 3 for c in "23456789abcdefxy"]
    assert question.given["picks"].tolist() == [[13, 123], [14, 124], [15, 125]]


def test_a_translator_has_no_tokens_of_its_prefix():
    config = TINY.replace(
        stack="encoder_decoder",
        vocabulary_size=259,
        num_layers=1,
        num_decoder_layers=1,
    )
    task = randomize(Seq2SeqLM(config, ByteTokenizer(), prefix="do: "))
    question = question_of(task, "é!", "un")
    assert question.tokens == ("é", "é", "!")
    assert question.places.tolist() == [4, 5, 6] and question.ids[-1] == 2
    decoder = question.features["decoder_token_ids"].tolist()
    assert decoder == [task.start_id, ord("u") + 3, ord("n") + 3]
    picks = question.given["picks"].tolist()
    assert picks == [[0, ord("u") + 3], [1, ord("n") + 3], [2, 2]]


def test_the_label_of_a_regression_is_its_number():
    task = encoder_task(TextClassifier, problem="regression")
    question = question_of(task, "the cat")
    assert (question.target, question.output) == ("number", "number")
