"""What people say of a text, in any of their ways, as places in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from massivetext_keras.data.records.columns import joined_words
from massivetext_keras.support.tags import Labelled, spans_of_tags, tags_of_spans
from massivetext_keras.text.examples import Span, TaggedText


def tagged_text(fields: Mapping[str, Any]) -> TaggedText:
    """The example that a record is.

    Args:
        fields: `text`, `entities`, `words` and `predicate`, in characters; or `words`
            as strings and `tags`, one for each.

    Raises:
        ValueError: something is missing or wrong; the same words each time.

    >>> tagged_text({"words": ["Angela", "Merkel"], "tags": ["B-PER", "I-PER"]}).spans
    (Span(text='Angela Merkel', label='PER', start=0, end=13, score=1.0),)
    """
    text = fields.get("text")
    fields = {name: _parsed(value) for name, value in fields.items()}
    words = fields.get("words")
    entities = fields.get("entities")
    if text is None and words and all(isinstance(word, str) for word in words):
        if not all(words):
            raise ValueError("an empty word")
        text, words = joined_words(words)
        tags = fields.get("tags")
        if tags is not None:
            if not isinstance(tags, list) or len(tags) != len(words):
                raise ValueError("tags that do not match the words")
            if not all(isinstance(tag, str) and tag for tag in tags):
                raise ValueError("a tag that is no text")
            entities = [
                (words[start][0], words[end - 1][1], label)
                for start, end, label in spans_of_tags(tags)
            ]
    if not isinstance(text, str):
        raise ValueError("neither a 'text' nor 'words'")
    spans = None
    if entities is not None:
        spans = tuple(
            Span(text[start:end], label, start, end)
            for start, end, label in _in_order(entities, text)
        )
    predicate = fields.get("predicate")
    if predicate is not None:
        predicate = _place(predicate, text, "a predicate that is not in its text")
    if words is not None:
        what = "words that are not in their text"
        words = tuple(_place(word, text, what) for word in words)
    return TaggedText(text, spans, words, predicate)


def tags_of_words(
    tagger: Any,
    words: Sequence[str] | Sequence[Sequence[str]],
    predicate: int | Sequence[int] | None = None,
) -> list[str] | list[list[str]]:
    """The tags of words, such as "B-PER", "I-PER" and "O", as a task finds them.

    The words are read as one text, joined by spaces but for scripts that have none; a
    word belongs to a span that covers half of it.

    Args:
        tagger: a `TokenClassifier`.
        words: of one text, or of several.
        predicate: number of the word that is the predicate, or one for each text; for
            a task of predicates.

    Returns:
        As many tags as words, in the task's scheme; lists of such for several texts.

    Raises:
        ValueError: a word is empty or no text; or as `tag` does.
    """
    if isinstance(words, str):
        raise ValueError("words are a list: `tag` takes a text")
    if not words:
        return []
    one = isinstance(words[0], str)
    rows: list[list[Any]] = [[*words]] if one else [[*row] for row in words]
    if not all(isinstance(word, str) and word for row in rows for word in row):
        raise ValueError("an empty word, or one that is no text")
    texts, places = zip(*(joined_words(row) for row in rows), strict=True)
    asked = None
    if predicate is not None:
        numbers: Any = [predicate] if one else predicate
        pairs = zip(places, numbers, strict=True)
        asked = [tuple(where[number]) for where, number in pairs]
    tags = [
        tags_of_spans([*map(tuple, where)], spans_in(spans), tagger.scheme)
        for where, spans in zip(places, tagger.tag(texts, asked), strict=True)
    ]
    return tags[0] if one else tags


def spans_in(spans: Iterable[Span | Mapping[str, Any]]) -> list[Labelled]:
    """(start, end, label) of spans, or of their values for JSON."""
    return [
        (x["start"], x["end"], x["label"])
        if isinstance(x, Mapping)
        else (x.start, x.end, x.label)
        for x in spans
    ]


def _parsed(value: Any) -> Any:
    """A value of a table, which has JSON for what is no text."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _in_order(entities: Any, text: str) -> list[Labelled]:
    if not isinstance(entities, list | tuple):
        raise ValueError("entities that are no list")
    found = []
    for entity in entities:
        if isinstance(entity, Mapping):
            entity = [entity.get(name) for name in ("start", "end", "label")]
        if not isinstance(entity, list | tuple) or len(entity) < 3:
            raise ValueError("an entity that is no start, end and label")
        *place, label = entity[:3]
        if not isinstance(label, str) or not label:
            raise ValueError("an entity without a label")
        found.append((*_place(place, text, "an entity that is not in its text"), label))
    found.sort()
    for (_, end, _), (start, _, _) in zip(found, found[1:], strict=False):
        if start < end:
            raise ValueError("entities that overlap")
    return found


def _place(place: Any, text: str, what: str) -> tuple[int, int]:
    if not isinstance(place, list | tuple) or len(place) != 2:
        raise ValueError(what)
    start, end = place
    if (
        type(start) is not int
        or type(end) is not int
        or not 0 <= start < end <= len(text)
    ):
        raise ValueError(what)
    return start, end
