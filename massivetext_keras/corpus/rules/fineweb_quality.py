"""Lists, and pages that repeat lines."""

from __future__ import annotations

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.words import words
from massivetext_keras.support.arguments import Count, Share


@rule
def fineweb_quality(
    batch: Batch,
    *,
    min_punctuated_lines: Share | None = 0.12,
    max_duplicate_line_characters: Share | None = 0.1,
    max_short_lines: Share | None = 0.67,
    short_line: Count = 30,
    short_unspaced_line: Count = 10,
) -> list[Check]:
    """Drops lists and pages that repeat lines (Penedo et al., 2024: FineWeb, 3.6).

    A value at a bound is dropped. Holds for prose in every language; code measures NaN,
    and so does the punctuation of Thai and Lao.

    Args:
        batch: the documents. A bound that is None is none.
        min_punctuated_lines: share of lines that end in terminal punctuation or a
            quotation mark.
        max_duplicate_line_characters: share of characters in lines that the document
            had before.
        max_short_lines: share of lines that are short.
        short_line: characters; fewer are short.
        short_unspaced_line: likewise, where most letters are of a script without
            spaces, whose sentences have a third of the characters.

    >>> from massivetext_keras.reading.document import Document
    >>> checks = fineweb_quality(Batch([Document("Home\\nNews\\nNews\\nAbout us.")]))
    >>> [check.values.round(2).tolist() for check in checks]
    [[0.25], [0.19], [1.0]]
    """
    found = words(batch)
    lines = found.lines
    counts = np.maximum(lines.counts, 1)
    repeated = lines.sums(lines.lengths * lines.is_repeat)
    short = np.where(found.unspaced_share > 0.5, short_unspaced_line, short_line)
    short = lines.lengths < np.repeat(short, lines.counts)
    checks = [
        Check("punctuated_lines", lines.punctuated_share, above=min_punctuated_lines),
        Check(
            "duplicate_line_characters",
            repeated / np.maximum(lines.sums(lines.lengths), 1),
            below=max_duplicate_line_characters,
        ),
        Check("short_lines", lines.sums(short) / counts, below=max_short_lines),
    ]
    return of_prose(batch, checks)
