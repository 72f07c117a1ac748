"""Shingles of documents, and MinHash signatures by which near-duplicates meet."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.words import span_hashes, words
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.extras import need
from massivetext_keras.support.values import Range

_SEED = 1


def minhash_bands(
    batch: Batch,
    *,
    ngram: Positive = 13,
    bands: Annotated[int, Range(least=1, most=1000)] = 20,
    rows: Annotated[int, Range(least=1, most=1000)] = 6,
) -> list[list[int]]:
    """Keys of which near-duplicates share one (Broder, 1997).

    Two documents whose sets of shingles have Jaccard similarity J agree in a minimum
    with probability J, in a band with J ** rows, and in at least one of the bands with
    1 - (1 - J ** rows) ** bands: .998 at .8 with 20 bands of 6. Gopher compares
    13-grams, FineWeb 5-grams. The keys depend on the words of the document alone, not
    on its batch or the machine.

    Args:
        batch: documents of any script.
        ngram: words of a shingle, as in `shingles`.
        bands: of a signature.
        rows: minima of a band.

    Returns:
        For each document `bands` numbers below 2 ** 64, none if it has no words.

    Raises:
        ImportError: rensa is not installed.

    >>> from massivetext_keras.reading.document import Document
    >>> texts = ["all work and no play", "all  work and no play", "no play", ""]
    >>> same, again, other, empty = minhash_bands(Batch(map(Document, texts)), ngram=3)
    >>> len(same), same == again, set(same) & set(other), empty
    (20, True, set(), [])
    """
    hashes, offsets = shingles(batch, ngram)
    minima = signatures(hashes, offsets, bands * rows).astype(np.uint64)
    number = np.repeat(np.arange(bands, dtype=np.uint64), rows)
    starts = np.arange(0, minima.size, rows)
    keys = span_hashes(
        (minima + (number << np.uint64(32))).ravel(), starts, starts + rows
    )
    keys = keys.reshape(-1, bands).tolist()
    return [
        row if size else [] for row, size in zip(keys, np.diff(offsets), strict=True)
    ]


def shingles(batch: Batch, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of `ngram` words; of all words where there are fewer.

    A letter of a script without spaces is a word, as in `words`.

    Args:
        batch: documents.
        ngram: words of a run, at least 1.

    Returns:
        uint64 [runs], those of all documents one after another, and
        int64 [documents + 1], where those of a document begin; one without words has
        none.

    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch([Document("a b c d"), Document("b  c d"), Document("b c")])
    >>> hashes, offsets = shingles(batch, ngram=3)
    >>> offsets.tolist(), bool(hashes[1] == hashes[2])
    ([0, 2, 3, 4], True)
    """
    found = words(batch)
    runs = np.where(found.counts < ngram, found.counts > 0, found.counts - ngram + 1)
    offsets = np.concatenate([[0], np.cumsum(runs)])
    starts = np.arange(offsets[-1]) + np.repeat(found.offsets[:-1] - offsets[:-1], runs)
    ends = np.minimum(starts + ngram, np.repeat(found.offsets[1:], runs))
    return span_hashes(found.hashes, starts, ends), offsets


def signatures(hashes: np.ndarray, offsets: np.ndarray, count: int) -> np.ndarray:
    """Minima of sets, by RMinHash of rensa (after Dahlgaard et al., 2017).

    Args:
        hashes: uint64 [elements], of all sets.
        offsets: int64 [sets + 1], where those of a set begin.
        count: of minima.

    Returns:
        uint32 [sets, count]; two sets agree in a share that is on average their
        Jaccard similarity.

    Raises:
        ImportError: rensa is not installed.
    """
    made = need("rensa").RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, offsets.astype(np.uint64), count, _SEED
    )
    return np.array(made.to_rows(), np.uint32).reshape(-1, count)
