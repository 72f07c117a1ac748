"""Numbers of every document, kept as columns beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.languages import LanguageTag
from massivetext_keras.corpus.text.perplexity import load_ngram_model
from massivetext_keras.corpus.text.scripts import DIGIT, PUNCTUATION, UPPER
from massivetext_keras.corpus.text.words import words
from massivetext_keras.support.arguments import Amount, Files

COLUMNS = (
    "characters",
    "words",
    "lines",
    "mean_word_length",
    "digit_share",
    "punctuation_share",
    "upper_share",
    "perplexity",
)
_Model = Annotated[str, Files(lambda path: [path])]


@rule
def statistics(
    batch: Batch,
    *,
    ngram_model: _Model | Mapping[LanguageTag, _Model] | None = None,
    max_perplexity: Amount | None = None,
) -> list[Check]:
    """Measures documents: how long they are, and what they are made of.

    Kept as columns: `characters`; `words`, as `words` finds them; `lines` that hold a
    word; `mean_word_length`, in characters; the shares of all characters that are
    digits, punctuation and symbols, and capital letters; and `perplexity` under a model
    that `massivetext corpus ngram` made of a text you trust. Nothing is dropped unless
    `max_perplexity` is given (CCNet: Wenzek et al., 2020, section 3.3).

    Holds for every language. Perplexity is for prose in the language of the reference:
    NaN, and no column, for code and for languages without a model.

    Args:
        batch: documents.
        ngram_model: a file for all documents, or language -> file.
        max_perplexity: those above it are dropped.

    Returns:
        A check of each column; only that of `perplexity` may have a bound.

    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch([Document("In 1623:\\nthe First Folio")])
    >>> [check.name for check in statistics(batch)][:3]
    ['characters', 'words', 'lines']
    >>> batch.documents[0].columns["lines"], batch.documents[0].columns["digit_share"]
    (2, 0.1667)
    """
    found = words(batch)
    characters = np.array([len(text) for text in batch.texts], np.int64)
    begins = np.concatenate([[0], np.cumsum(characters + 1)])

    def share(flag: int) -> np.ndarray:
        places = np.flatnonzero(found.classes & flag)
        counts = np.diff(np.searchsorted(places, begins))
        return counts / np.maximum(characters, 1)

    values = dict.fromkeys(COLUMNS, characters)
    values["words"] = found.counts
    values["lines"] = found.lines.counts
    values["mean_word_length"] = found.characters / np.maximum(found.counts, 1)
    values["digit_share"] = share(DIGIT)
    values["punctuation_share"] = share(PUNCTUATION)
    values["upper_share"] = share(UPPER)
    values["perplexity"] = _perplexity(batch, ngram_model)
    checks = [
        Check(name, np.round(np.asarray(column, float), 4))
        for name, column in values.items()
    ]
    checks[-1] = checks[-1]._replace(at_most=max_perplexity)
    for name, column in values.items():
        whole = column.dtype.kind == "i"
        for document, value in zip(batch.documents, column.tolist(), strict=True):
            if value == value:  # not NaN
                document.columns[name] = value if whole else round(value, 4)
    return checks


def _perplexity(batch: Batch, models: str | Mapping[str, str] | None) -> np.ndarray:
    """float [documents], NaN where there is no model for a document."""
    scores = np.full(len(batch), np.nan)
    prose = [
        at for at, document in enumerate(batch.documents) if document.kind != "code"
    ]
    if isinstance(models, str):
        models = {"": models}
    for language, path in (models or {}).items():
        which = [at for at in prose if language in ("", batch.documents[at].language)]
        if len(which) == len(batch):
            scores = load_ngram_model(path).perplexity(batch)
        elif which:
            scores[which] = load_ngram_model(path).perplexity(batch.select(which))
    return scores
