"""Words of a list that no document may have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.languages import LanguageTag
from massivetext_keras.corpus.text.lists import ListFile
from massivetext_keras.corpus.text.phrases import Phrases, phrases
from massivetext_keras.corpus.text.words import Words, folded_words
from massivetext_keras.support.arguments import Count, Share


@rule
def word_blocklist(
    batch: Batch,
    *,
    words: ListFile | Mapping[LanguageTag, ListFile],
    max_words: Count | None = 0,
    max_share: Share | None = None,
) -> list[Check]:
    """Drops documents with words of a list.

    C4 does so at the first one (Raffel et al., 2020, section 2.2). Case and punctuation
    do not matter. An entry may have several words; one in a script without spaces is
    found wherever its characters follow each other. Holds for prose; code measures NaN.

    Args:
        batch: the documents.
        words: file with an entry a line, or language -> file; then a document in a
            language without one, or whose language no step identified, measures NaN.
        max_words: places in a document where an entry is found; None for any number.
        max_share: words of entries, of all words of the document; None for any.

    Raises:
        FileNotFoundError: a list is not there.
        ValueError: a list without entries, or one without a letter or digit.

    >>> path = getfixture("tmp_path") / "blocked.txt"
    >>> _ = path.write_text("bad word\\n坏话\\n")
    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch(map(Document, ["A BAD, bad word.", "badword", "一句坏话"]))
    >>> word_blocklist(batch, words=str(path))[0].values.tolist()
    [1.0, 0.0, 1.0]
    """
    found = folded_words(batch)
    languages = np.array([document.language or "" for document in batch.documents])
    lists = words.items() if isinstance(words, Mapping) else [(None, words)]
    places, shares = np.full((2, len(batch)), np.nan)
    for language, path in lists:
        starting, covered = _occurrences(found, phrases(path))
        held = np.full(len(batch), True) if language is None else languages == language
        places[held] = found.sums(starting)[held]
        shares[held] = (found.sums(covered) / np.maximum(found.counts, 1))[held]
    checks = [
        Check("words", places, at_most=max_words),
        Check("share", shares, at_most=max_share),
    ]
    return of_prose(batch, checks)


def _occurrences(found: Words, listed: Phrases) -> tuple[np.ndarray, np.ndarray]:
    """bool [words] twice: where an entry starts, and which words are of one."""
    starting, covered = np.zeros((2, len(found.hashes)), bool)
    starts, sizes, _ = listed.places(found)
    starting[starts] = True
    for step in range(sizes.max(initial=0)):
        covered[starts[sizes > step] + step] = True
    return starting, covered
