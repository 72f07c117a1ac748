"""Questions made of text alone, to learn from before those that people asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from massivetext_keras.evaluation.word_overlap import FUNCTION_WORDS
from massivetext_keras.text.examples import Answer, Question

_SENTENCE = re.compile(r"[^\s.!?](?:[^.!?]|[.!?](?!\s+[\"'A-ZÄÖÜ(]))*[.!?]?")
_FUNCTION_WORDS = "|".join(sorted(FUNCTION_WORDS))
_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|"
    "December"
)
_DATE = (
    rf"(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}})?(?:,? \d{{4}})?|"
    r"\b(?:1\d{3}|20\d\d)\b"
)
_NUMBER = r"[$£€]?\d[\d,.]*\d(?: (?:million|billion|thousand|percent))?%?|\b\d+%?"
_NAME = r"[A-Z][\w'’-]+(?: (?:of |the |and |de |von )?[A-Z][\w'’-]+)*"
_PHRASE = rf"\b(?:(?!(?:{_FUNCTION_WORDS})\b)[a-z][\w-]{{2,}}(?: (?=[a-z]))?){{1,3}}\b"
# kind of answer -> what asks for it
_ASKED = (
    (re.compile(_DATE), ("when", "what year", "in what year")),
    (re.compile(_NUMBER), ("how many", "how much", "what")),
    (re.compile(_NAME), ("who", "what", "which", "where")),
    (re.compile(_PHRASE), ("what", "what", "which", "how")),
)
_FEWEST_WORDS = 6  # of a sentence
_MOST_WORDS = 14  # of a question, about


def cloze_questions(
    contexts: Sequence[str], per_context: int = 4, dropped: float = 0.25, seed: int = 0
) -> list[Question]:
    """Asks for a part of a sentence with the rest of it (Lewis et al., 2019).

    A date, a number, a name or a phrase of English text is cut out of its sentence and
    a word that asks for its kind comes first or in its place; other words are dropped
    at random, so that the question is no copy.

    Args:
        contexts: paragraphs.
        per_context: questions about each, if it has as many sentences.
        dropped: share of the words left out.
        seed: of all choices.

    >>> (found,) = cloze_questions(
    ...     ["The old cat sat there until 1994 or so."], dropped=0
    ... )
    >>> found.context[found.answers[0].start :][:4]
    '1994'
    """
    random, questions = np.random.default_rng(seed), []
    for context in contexts:
        sentences = [found.span() for found in _SENTENCE.finditer(context)]
        order = random.permutation(len(sentences))
        made = (_question(context, *sentences[int(i)], dropped, random) for i in order)
        found = [question for question in made if question is not None]
        questions += found[:per_context]
    return questions


def _question(context, start, end, dropped, random) -> Question | None:
    sentence = context[start:end]
    if len(sentence.split()) < _FEWEST_WORDS:
        return None
    for kind in random.permutation(len(_ASKED)):
        pattern, words = _ASKED[kind]
        places = [_trimmed(sentence, *x.span()) for x in pattern.finditer(sentence)]
        # The first word of a sentence is no name for its capital.
        places = [x for x in places if x[0] or " " in sentence[slice(*x)]]
        if not places:
            continue
        first, last = places[random.integers(len(places))]
        sides = sentence[:first].split(), sentence[last:].split()
        share = max(dropped, 1.0 - _MOST_WORDS / sum(map(len, sides)))
        before, after = (
            [x for x in side if random.random() >= share] for side in sides
        )
        asks = str(random.choice(words))
        if random.random() < 0.5:
            parts = [asks, *before, *after]
        else:
            parts = [*before, asks, *after]
        question = " ".join(parts).rstrip(" .,;:!?") + "?"
        answer = Answer(sentence[first:last], start + first, start + last)
        return Question(context, question, (answer,))
    return None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A part of a text without the spaces around it."""
    return start, start + len(text[start:end].rstrip())
