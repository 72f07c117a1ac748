"""Lines that are sentences; the others are taken away."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.folding import composed
from massivetext_keras.corpus.text.words import Spans, Words, words
from massivetext_keras.support.arguments import Count

POLICY_PHRASES = (
    *("terms of use", "privacy policy", "cookie policy"),
    *("uses cookies", "use of cookies", "use cookies"),
    *("datenschutzerklärung", "nutzungsbedingungen", "verwendet cookies"),
    *("cookie-richtlinie", "隐私政策", "隱私政策", "使用条款", "使用條款"),
)
_CITATION = re.compile(
    r"\[(?:\d*|edit|citation needed|Bearbeiten(?: \| Quelltext bearbeiten)?|"
    r"Literaturangabe benötigt|编辑|編輯|需要引证|来源请求|來源請求)\]"
)


@rule
def c4_lines(
    batch: Batch,
    *,
    min_words: Count = 3,
    max_word_length: Count = 1000,
    terminal_punctuation: bool = True,
    remove_citations: bool = True,
    phrases: Sequence[str] = ("javascript", *POLICY_PHRASES),
) -> list[Check]:
    """Takes lines away that are not sentences, as C4 does (Raffel et al., 2020, 2.2).

    A line stays if it ends in terminal punctuation or a quotation mark (not in "..." or
    "…"; the Chinese "……" is one), has enough words, no endless one and none of the
    phrases. Blank lines between those that stay do so too. Holds for prose in every
    language; Thai and Lao, which end sentences with a space, are not asked for
    punctuation. Drops no document but those of which no line is left: `c4_pages` does
    that with the others.

    Args:
        batch: the documents; their texts are replaced.
        min_words: in a line.
        max_word_length: of any word of the line, in characters.
        terminal_punctuation: ask for it.
        remove_citations: take Wikipedia's [1], [edit] and [citation needed] away first,
            and what the German and the Chinese one write for them.
        phrases: a line that has one, however it is written, goes.

    Returns:
        The share of lines that stay, without bounds.

    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch(
    ...     [Document("Home | News\\nIt was a good day.\\nPlease use cookies.")]
    ... )
    >>> c4_lines(batch)[0].values.round(2).tolist(), batch.texts
    ([0.33], ['It was a good day.'])
    """
    prose = [document.kind != "code" for document in batch.documents]
    if remove_citations:
        texts = [
            _CITATION.sub("", text) if is_prose and "[" in text else text
            for text, is_prose in zip(batch.texts, prose, strict=True)
        ]
        if texts != batch.texts:
            batch.rewrite(texts)
    found = words(batch)
    lines = found.lines
    kept = np.diff(lines.edges) >= min_words
    longest = np.flatnonzero(found.lengths > max_word_length)
    kept[np.searchsorted(lines.edges, longest, "right") - 1] = False
    if terminal_punctuation:
        kept &= lines.is_punctuated & ~_trails_off(found) | lines.is_unpunctuated
    kept[_with_phrase(batch, lines, phrases)] = False
    kept |= np.repeat(~np.array(prose, bool), lines.counts)
    shares = lines.sums(kept) / np.maximum(lines.counts, 1)
    if not kept.all():
        batch.rewrite(_lines_kept(batch, found, kept))
    return of_prose(batch, [Check("kept_lines", shares)])


def _trails_off(found: Words) -> np.ndarray:
    """bool [lines], true for those that end in an ellipsis, but not in "……"."""
    text = found.text
    return np.array(
        [
            text.endswith(("...", "…"), 0, end) and not text.endswith("……", 0, end)
            for end in found.lines.ends.tolist()
        ],
        bool,
    )


def _with_phrase(batch: Batch, lines: Spans, phrases: Sequence[str]) -> list[int]:
    """Which lines have one of the phrases; looks at those of documents that have."""
    found, phrases = [], [composed(phrase).lower() for phrase in phrases]
    for index, text in enumerate(batch.texts):
        lowered = composed(text).lower()
        there = [phrase for phrase in phrases if phrase in lowered]
        if there:
            for line in range(lines.offsets[index], lines.offsets[index + 1]):
                lowered = composed(lines.text(line)).lower()
                if any(phrase in lowered for phrase in there):
                    found.append(line)
    return found


def _lines_kept(batch: Batch, found: Words, kept: np.ndarray) -> list[str]:
    """The texts without the lines that are not kept, bool [lines]."""
    lines = found.lines
    begins = np.isin(lines.edges[:-1], found.paragraphs.edges)  # a paragraph
    paragraphs = np.cumsum(begins)
    texts = batch.texts
    for index in np.flatnonzero(lines.sums(~kept)):
        parts: list[str] = []
        before = None
        for line in range(lines.offsets[index], lines.offsets[index + 1]):
            if kept[line]:
                if parts:
                    parts.append("\n" if paragraphs[line] == before else "\n\n")
                parts.append(lines.text(line))
                before = paragraphs[line]
        texts[index] = "".join(parts)
    return texts
