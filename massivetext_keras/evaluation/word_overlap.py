"""What answers a question for one who only counts words: a baseline."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from massivetext_keras.evaluation.words import word_pattern

_ENGLISH = """
a about after all also an and are as at be because been before between both but by can
could did do does during each for from had has have he her him his how i if in into is
it its many may more most much no not of on one only or other over she so some such than
that the their them then there these they this those through to under was were what when
where which while who whom whose why will with would
"""
_GERMAN = """
aber als am an auch auf aus bei das dass dem den der des die ein eine einem einen einer
eines er es für hat hatte ihr im in ist mit nach nicht oder sein sich sie sind über um
und von vor war waren was welche welcher wer werden wie wird wo wurde wurden zu zum zur
"""
_CHINESE = "的了是在和与有为被于对什么哪谁几多少"
FUNCTION_WORDS = frozenset([*_ENGLISH.split(), *_GERMAN.split(), *_CHINESE])


def sliding_window_answer(
    question: str, context: str, most_words: int = 5
) -> tuple[str, int, int]:
    """The phrase whose surroundings have most in common with the question.

    Candidates are runs of words, not interrupted by punctuation, that are neither in
    the question nor function words. The best has, in a window of words around it, the
    largest sum of log(1 + 1 / count in the context) over the question's words (the
    sliding window of Richardson et al., 2013); of several such, the one that is nearest
    to these words.

    Args:
        question: text.
        context: where the answer is.
        most_words: of an answer; letters, in scripts without spaces.

    Returns:
        The answer, its first character in the context and the one behind its last; "",
        -1 and -1 if there is no candidate.

    >>> sliding_window_answer(
    ...     "Who sat on the mat?", "A dog ran. The cat sat on the mat."
    ... )
    ('cat', 15, 18)
    """
    word = word_pattern()
    places = [found.span() for found in word.finditer(context)]
    words = [context[start:end].lower() for start, end in places]
    asked = {x.lower() for x in word.findall(question)} - FUNCTION_WORDS
    counts = Counter(words)
    gains = [math.log1p(1 / counts[x]) if x in asked else 0.0 for x in words]
    sums = [0.0, *itertools.accumulate(gains)]

    def score(first: int, end: int) -> tuple[float, float, int]:
        size = len(asked) + end - first
        starts = range(max(0, end - size), min(first, max(0, len(words) - size)) + 1)
        best = max(starts, key=lambda at: sums[min(at + size, len(words))] - sums[at])
        window = range(best, min(best + size, len(words)))
        far = [gains[i] * min(abs(i - first), abs(i - end + 1)) for i in window]
        return sum(gains[i] for i in window), -sum(far), end - first

    spans = _candidates(context, places, words, asked | FUNCTION_WORDS, most_words)
    if not spans:
        return "", -1, -1
    first, end = max(spans, key=lambda span: score(*span))
    start, end = places[first][0], places[end - 1][1]
    return context[start:end], start, end


def _candidates(context, places, words, excluded, most_words) -> list[tuple[int, int]]:
    """Runs of words as (first, behind the last): as long as they can be."""
    spans, first = [], None
    for i, (_, end) in enumerate(places):
        if words[i] in excluded:
            first = None
            continue
        first = i if first is None else first
        glued = i + 1 < len(places) and context[end : places[i + 1][0]] in (
            "",
            " ",
            "-",
        )
        if not glued or words[i + 1] in excluded:
            for at in range(first, i + 1, most_words):
                spans.append((at, min(at + most_words, i + 1)))
            first = None
    return spans
