"""Questions about contexts: SQuAD's JSON, and records with the same in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from massivetext_keras.data.records.common import Options, Record
from massivetext_keras.reading.json_values import parse_json
from massivetext_keras.text.examples import Answer, Question

MOVED = "the answer is elsewhere in its context, and only once: moved there"
NOWHERE = "an answer is not where it is said to be"
FIRST = "the answer is in its context several times: the first was taken"


def json_value(stream: BinaryIO, options: Options) -> Any:
    """The value that a whole file of JSON is.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return parse_json(options.decoded(None, stream.read()))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{options.path}: no JSON ({error})") from None


def is_squad(value: Any) -> bool:
    """Whether a value of JSON has the shape of SQuAD: articles with paragraphs.

    >>> is_squad({"data": [{"paragraphs": []}]}), is_squad([{"text": "a"}])
    (True, False)
    """
    articles = value.get("data") if isinstance(value, dict) else None
    return isinstance(articles, list) and any(
        isinstance(article, dict) and "paragraphs" in article for article in articles
    )


def read_squad(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads SQuAD, version 1 (Rajpurkar et al., 2016) and 2 (2018)."""
    value = json_value(stream, options)
    if not is_squad(value):
        raise ValueError(f"{options.path}: no SQuAD: no 'data' with 'paragraphs'")
    yield from squad_records(value, options)


def squad_records(value: Mapping[str, Any], options: Options) -> Iterator[Record]:
    """One record for each question; its number in the file stands for its line."""
    number = 0
    for article in value["data"]:
        for paragraph in _list(article, "paragraphs"):
            for question in _list(paragraph, "qas"):
                number += 1
                if not isinstance(question, dict):
                    options.bad(number, "no object of JSON")
                    continue
                fields = {"context": paragraph.get("context")} | question
                if question.get("is_impossible"):
                    fields["answers"] = []
                yield options.record(number, fields)


def _list(value: Any, name: str) -> list:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def as_question(
    fields: Mapping[str, Any], note: Callable[[str], None] = lambda what: None
) -> Question:
    """The question that a record is.

    Args:
        fields: `context`, `question`, perhaps `id`, and what answers it: `answers`, as
            SQuAD has them or as {"text": […], "answer_start": […]}, or `answer`, ""
            for none, perhaps with `answer_start`.
        note: gets what is wrong with answers, and what was done.

    Raises:
        ValueError: no answer of the record is in its context, or something is missing
            or of the wrong kind.

    >>> as_question({"context": "A cat sat.", "question": "Who?", "answer": "cat"})[2]
    (Answer(text='cat', start=2, end=5, score=1.0),)
    """
    for name in ("context", "question"):
        if not isinstance(fields.get(name), str):
            raise ValueError(f"no {name}")
    context, identity = fields["context"], fields.get("id")
    given = _given(fields)
    if given is None:
        answers = None
    else:
        found = [_located(context, text, start, note) for text, start in given]
        answers = tuple(answer for answer in found if answer is not None)
        if given and not answers:
            raise ValueError("no answer is where it is said to be in the context")
        for _ in range(len(given) - len(answers)):
            note(NOWHERE)
    return Question(
        context, fields["question"], answers, "" if identity is None else str(identity)
    )


def _given(fields: Mapping[str, Any]) -> list[tuple[str, int | None]] | None:
    """Texts of answers and where they begin, as far as a record says so."""
    answers = fields.get("answers", fields.get("answer"))
    if answers is None:
        return None
    if isinstance(answers, str):
        answers = [{"text": answers, "answer_start": fields.get("answer_start")}]
    elif isinstance(answers, Mapping):
        texts = _several(answers.get("text"))
        starts = answers.get("answer_start")
        starts = [None] * len(texts) if starts is None else _several(starts)
        if len(starts) != len(texts):
            raise ValueError("not as many answers as places where they begin")
        pairs = zip(texts, starts, strict=True)
        answers = [{"text": text, "answer_start": start} for text, start in pairs]
    if not isinstance(answers, list | tuple):
        raise ValueError("answers that are no list")
    given = []
    for answer in answers:
        text = answer.get("text") if isinstance(answer, Mapping) else answer
        if not isinstance(text, str):
            raise ValueError("an answer is no text")
        start = answer.get("answer_start") if isinstance(answer, Mapping) else None
        given.append((text, _number(start)))
    return [(text, start) for text, start in given if text]


def _several(value: Any) -> list:
    """A list, of one value if it is none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _number(start: Any) -> int | None:
    if start is None or start == "":
        return None
    try:
        return int(start)
    except (TypeError, ValueError):
        raise ValueError("the place where an answer begins is no number") from None


def _located(
    context: str, text: str, start: int | None, note: Callable[[str], None]
) -> Answer | None:
    """The answer in its context, or None if nobody knows where that is."""
    if start is not None and start >= 0 and context.startswith(text, start):
        return Answer(text, start, start + len(text))
    first = context.find(text)
    if first < 0:
        return None
    if context.find(text, first + 1) >= 0:
        if start is not None:
            return None
        note(FIRST)
    elif start is not None:
        note(MOVED)
    return Answer(text, first, first + len(text))
