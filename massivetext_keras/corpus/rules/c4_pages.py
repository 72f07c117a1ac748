"""Pages that have enough sentences, and no placeholders or code in them."""

from __future__ import annotations

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.words import words
from massivetext_keras.support.arguments import Count


@rule
def c4_pages(
    batch: Batch,
    *,
    min_sentences: Count | None = 5,
    max_curly_brackets: Count | None = 0,
    max_lorem_ipsum: Count | None = 0,
) -> list[Check]:
    """Drops pages without enough sentences or with placeholders or code in them, as C4.

    (Raffel et al., 2020, section 2.2.) Looks at the text that it is given: after
    `c4_lines` at the lines that it left, as the authors' code does. Holds for prose in
    every language but those that write no punctuation: sentences in Thai and Lao
    measure NaN.

    Args:
        batch: the documents. A bound that is None is none.
        min_sentences: as terminal punctuation tells them.
        max_curly_brackets: of `{`.
        max_lorem_ipsum: of the phrase, however it is written.

    >>> from massivetext_keras.reading.document import Document
    >>> checks = c4_pages(Batch([Document("One. Two! Three? Four. " + "Five.")]))
    >>> [check.values.tolist() for check in checks]
    [[5.0], [0.0], [0.0]]
    """
    found = words(batch)
    sentences = found.sums(found.ends_sentence).astype(float)
    sentences[np.isnan(found.lines.punctuated_share)] = np.nan
    brackets = [text.count("{") for text in batch.texts]
    placeholders = [text.lower().count("lorem ipsum") for text in batch.texts]
    checks = [
        Check("sentences", sentences, at_least=min_sentences),
        Check("curly_brackets", np.array(brackets), at_most=max_curly_brackets),
        Check("lorem_ipsum", np.array(placeholders), at_most=max_lorem_ipsum),
    ]
    return of_prose(batch, checks)
