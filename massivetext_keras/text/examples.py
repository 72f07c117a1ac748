"""What tasks learn from: texts, and what is to be said of them.

The first field of each is the text by which examples are kept together when some are
held out.
"""

from __future__ import annotations

from typing import NamedTuple


class LabeledText(NamedTuple):
    """A text, or two, and its class.

    Attributes:
        text: the only or the first text.
        label: a class, several, or a number; None where it is to be found.
        second: the second text of a pair.
    """

    text: str
    label: str | tuple[str, ...] | float | None = None
    second: str | None = None


class Span(NamedTuple):
    """A part of a text with a label; `text[start:end]` of the whole is its text.

    Attributes:
        text: the part.
        label: of it.
        start: its first character in the whole text, from 0 (code points).
        end: the character behind it.
        score: probability, 1 for what people said.
    """

    text: str
    label: str
    start: int
    end: int
    score: float = 1.0


class TaggedText(NamedTuple):
    """A text and the spans in it: entities, or the roles of a predicate.

    Attributes:
        text: the whole.
        spans: in their order, none over another; None where they are to be found.
        words: (start, end) of the words that people cut the text into, by which
            measures count; None where nobody did.
        predicate: (start, end) of what the roles are of.
    """

    text: str
    spans: tuple[Span, ...] | None = None
    words: tuple[tuple[int, int], ...] | None = None
    predicate: tuple[int, int] | None = None


class Answer(NamedTuple):
    """A part of a context that answers a question; "" where nothing does.

    Attributes:
        text: the part.
        start: its first character in the context, from 0; -1 without an answer.
        end: the character behind it.
        score: probability, 1 for what people said.
    """

    text: str
    start: int = -1
    end: int = -1
    score: float = 1.0


class Question(NamedTuple):
    """A question about a context, and the answers that people found there.

    Attributes:
        context: the text to look in.
        question: about it.
        answers: any of them is right; () if there is none, None where it is to be
            found.
        id: of the question.
    """

    context: str
    question: str
    answers: tuple[Answer, ...] | None = None
    id: str = ""


class TextPair(NamedTuple):
    """A text and what is to be written for it.

    Attributes:
        source: what is read.
        target: what is written; None where it is to be found.
    """

    source: str
    target: str | None = None


class Conversation(NamedTuple):
    """Messages that follow one another.

    Attributes:
        texts: what was said.
        roles: who said each: "system", "user" or "assistant".
    """

    texts: tuple[str, ...]
    roles: tuple[str, ...]
