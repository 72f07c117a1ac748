"""What is not prose: by lengths, symbols, bullets and stop words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.folding import composed
from massivetext_keras.corpus.text.hashing import find
from massivetext_keras.corpus.text.languages import LanguageTag
from massivetext_keras.corpus.text.words import Words, words
from massivetext_keras.reading.document import Document
from massivetext_keras.support.arguments import Amount, Count, Share

STOP_WORDS = {
    "en": ["the", "be", "to", "of", "and", "that", "have", "with"],
    "de": ["der", "die", "das", "und", "in", "zu", "ist", "mit", "von", "den", "ein"],
    "zh": [*"的是在了和有不我一人这這为為以于於与與"],
}
BULLETS = "•‣◦●○■□▪▫▶►·・∙*-–"
ELLIPSES = ("...", "…")
# A rule about the length of words or lines made for spaces holds up to this share of
# letters without: 10 % are 36 % of the words where a word has 5 characters.
_MOST_UNSPACED = 0.1


@rule
def gopher_quality(
    batch: Batch,
    *,
    min_words: Count | None = 50,
    max_words: Count | None = 100_000,
    min_word_length: Amount | None = 3.0,
    max_word_length: Amount | None = 10.0,
    max_symbols: Amount | None = 0.1,
    max_bullet_lines: Share | None = 0.9,
    max_ellipsis_lines: Share | None = 0.3,
    min_alphabetic_words: Share | None = 0.8,
    min_stop_words: Count | None = 2,
    stop_words: Mapping[LanguageTag, Sequence[str]] = STOP_WORDS,
) -> list[Check]:
    """Drops what is not prose, by the quality rules of Gopher (Rae et al., 2021, A1.1).

    Holds for prose in every language; code measures NaN. In scripts without spaces,
    where a letter is a word, the length of words and, because signs of punctuation are
    words too, the share of alphabetic ones measure NaN. Stop words are those of the
    document's language, NaN if there are none for it; of a document whose language no
    step identified, those of the language that has most of them in it.

    Args:
        batch: the documents. A bound that is None is none.
        min_words, max_words: words in the document.
        min_word_length, max_word_length: mean over words, in characters.
        max_symbols: number signs for each word, and ellipses for each word.
        max_bullet_lines: share of lines that start with a bullet.
        max_ellipsis_lines: share of lines that end with an ellipsis.
        min_alphabetic_words: share of words with a letter in them.
        min_stop_words: different ones in the document, small or capitalised.
        stop_words: language -> the words.

    >>> checks = gopher_quality(Batch([Document("That is to be seen. " * 10)]))
    >>> [(check.name, check.values.tolist()) for check in checks][:2]
    [('words', [50.0]), ('word_length', [3.0])]
    """
    found = words(batch)
    counts = np.maximum(found.counts, 1)
    spaced = found.unspaced_share <= _MOST_UNSPACED
    number_signs = [text.count("#") for text in batch.texts]
    ellipses = [
        text.count("...") + text.count("…") - text.count("……") for text in batch.texts
    ]
    starts, ends = found.lines.starts.tolist(), found.lines.ends.tolist()
    bullets = np.array([found.text[start] in BULLETS for start in starts], bool)
    trailing = np.array([found.text.endswith(ELLIPSES, 0, end) for end in ends], bool)
    lines = np.maximum(found.lines.counts, 1)
    alphabetic = found.sums(found.is_alphabetic) / counts
    checks = [
        Check("words", found.counts, at_least=min_words, at_most=max_words),
        Check(
            "word_length",
            np.where(spaced, found.characters / counts, np.nan),
            at_least=min_word_length,
            at_most=max_word_length,
        ),
        Check("number_signs", number_signs / counts, at_most=max_symbols),
        Check("ellipses", ellipses / counts, at_most=max_symbols),
        Check(
            "bullet_lines",
            found.lines.sums(bullets) / lines,
            at_most=max_bullet_lines,
        ),
        Check(
            "ellipsis_lines",
            found.lines.sums(trailing) / lines,
            at_most=max_ellipsis_lines,
        ),
        Check(
            "alphabetic_words",
            np.where(spaced, alphabetic, np.nan),
            at_least=min_alphabetic_words,
        ),
        Check(
            "stop_words",
            _stop_words(batch, found, stop_words),
            at_least=min_stop_words,
        ),
    ]
    return of_prose(batch, checks)


def _stop_words(
    batch: Batch, found: Words, stop_words: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """How many different stop words of its language a document has, [documents]."""
    stop_words = {
        language: [composed(word) for word in many]
        for language, many in stop_words.items()
    }
    listed = sorted({word for many in stop_words.values() for word in many})
    forms = [form for word in listed for form in (word, word.capitalize())]
    known = words(Batch(map(Document, forms)))
    for form, count in zip(forms, known.counts, strict=True):
        if count != 1:
            raise ValueError(f"the stop word {form!r} is {count} words, not one")
    where, which = find(found.hashes, known.hashes)
    present = np.zeros((len(listed), len(batch)), bool)
    present[which // 2, np.searchsorted(found.offsets, where, "right") - 1] = True
    counts = {
        language: present[[listed.index(word) for word in set(many)]].sum(0)
        for language, many in stop_words.items()
    }
    most = np.max([*counts.values(), np.zeros(len(batch))], axis=0)
    return np.array(
        [
            most[index]
            if document.language is None
            else counts.get(document.language, {index: np.nan})[index]
            for index, document in enumerate(batch.documents)
        ],
        float,
    )
