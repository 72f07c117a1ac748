"""Pages that have a few long lines."""

from __future__ import annotations

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.words import words
from massivetext_keras.support.arguments import Count


@rule
def mc4_pages(
    batch: Batch,
    *,
    min_long_lines: Count | None = 3,
    long_line: Count = 200,
    unspaced_only: bool = True,
) -> list[Check]:
    """Drops pages without a few long lines, as mC4 does (Xue et al., 2021, 3.1).

    mC4 asks for them in place of C4's terminal punctuation, which some scripts lack.

    Args:
        batch: the documents.
        min_long_lines: lines that are long.
        long_line: in characters, from here.
        unspaced_only: hold for documents in scripts without spaces alone; others
            measure NaN.

    >>> from massivetext_keras.reading.document import Document
    >>> mc4_pages(Batch([Document("好" * 200), Document("good")]))[0].values.tolist()
    [1.0, nan]
    """
    found = words(batch)
    values = found.lines.sums(found.lines.lengths >= long_line).astype(float)
    if unspaced_only:
        values[found.unspaced_share <= 0.5] = np.nan
    return of_prose(batch, [Check("long_lines", values, at_least=min_long_lines)])
