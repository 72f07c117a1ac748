"""How surprising a text is to a word model of a reference that the user trusts."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.contents import read_once
from massivetext_keras.corpus.text.folding import composed
from massivetext_keras.corpus.text.scripts import DIGIT, PUNCTUATION, character_classes
from massivetext_keras.corpus.text.words import segment_sums, span_hashes, words
from massivetext_keras.ngram import KneserNey
from massivetext_keras.reading.document import Document
from massivetext_keras.reading.texts import read_documents
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.files import replacing_file

FORMAT = 1
_BATCH = 256  # documents read at a time


class NgramModel:
    """A Kneser-Ney model of words in lower case, by which documents are scored.

    The most frequent words that occur twice or more are its vocabulary. Every other
    word is scored as one of the rare: the probability of meeting a rare word, divided
    by the number of those there were, so that gibberish is improbable. Digits count as
    0, and punctuation around a word does not count. Scripts without spaces are modelled
    by character. Source: Wenzek et al. (2020), "CCNet: extracting high quality
    monolingual datasets from web crawl data", section 3.3, which has 5-grams of pieces.

    Args:
        vocabulary_size: words that are told apart, at most.
        order: length of the n-grams.

    >>> model = NgramModel(order=2).fit(["the cat sat on the mat"] * 2)
    >>> batch = Batch([Document("The cat sat."), Document("sat cat the")])
    >>> [score < 3 for score in model.perplexity(batch).tolist()]
    [True, False]
    """

    def __init__(self, vocabulary_size: int = 50_000, order: int = 3):
        for name, value in {"vocabulary_size": vocabulary_size, "order": order}.items():
            if value < 1:
                raise ValueError(f"{name}: {value} is not 1 or more")
        self.vocabulary_size = vocabulary_size
        self.order = order
        self._hashes = np.empty(0, np.uint64)  # of the vocabulary, sorted
        self._rare = 1  # words of the reference that are not in the vocabulary
        self._model: KneserNey | None = None

    def fit(self, texts: Iterable[str], max_words: int = 10_000_000) -> NgramModel:
        """Counts a reference; it takes about 80 bytes of memory for each of its words.

        Args:
            texts: documents.
            max_words: what is beyond is not read.

        Returns:
            The model itself.

        Raises:
            ValueError: there are no words.
        """
        parts, total = [], 0
        for batch in _batches(texts):
            hashes, offsets = _folded(batch)
            parts += np.split(hashes, offsets[1:-1])
            total += len(hashes)
            if total >= max_words:
                break
        if not total:
            raise ValueError("there are no words in the reference")
        found, counts = np.unique(np.concatenate(parts), return_counts=True)
        # Words that occur once show what the unknown ones of other texts are like.
        most = np.lexsort((found, -counts))[: self.vocabulary_size]
        most = most[counts[most] > 1]
        self._hashes = np.sort(found[most])
        self._rare = max(len(found) - len(most), 1)
        size = len(self._hashes) + 1
        self._model = KneserNey(self.order, vocabulary_size=size)
        self._model.fit([self._ids(part) for part in parts])
        return self

    def perplexity(self, batch: Batch) -> np.ndarray:
        """exp of the mean negative log probability of a word, in each document.

        Args:
            batch: documents.

        Returns:
            float64 [documents], NaN where a document has no words.

        Raises:
            RuntimeError: the model was not fitted.
        """
        if self._model is None:
            raise RuntimeError("fit or load the model before scoring")
        hashes, offsets = _folded(batch)
        ids = self._ids(hashes)
        scores = self._model.log_probs(np.split(ids, offsets[1:-1]))
        scores -= np.log(self._rare) * (ids == len(self._hashes))
        # Sums of whole numbers do not hang on what else is in the batch.
        sums = segment_sums(np.rint(scores * 2.0**32).astype(np.int64), offsets)
        counts = np.diff(offsets)
        return np.exp(-sums / 2.0**32 / np.where(counts, counts, np.nan))

    def _ids(self, hashes: np.ndarray) -> np.ndarray:
        """Places in the vocabulary, its size for all other words."""
        last, order = len(self._hashes), np.argsort(hashes)
        if not last:
            return np.zeros(len(hashes), np.int64)
        at = np.searchsorted(self._hashes, hashes[order])
        known = self._hashes[np.minimum(at, last - 1)] == hashes[order]
        ids = np.empty(len(hashes), np.int64)
        ids[order] = np.where(known, at, last)
        return ids

    def _arrays(self) -> dict[str, np.ndarray]:
        if self._model is None:
            raise RuntimeError("fit the model before it is saved")
        sizes = np.array([FORMAT, self.order, self._rare])
        return {"sizes": sizes, "hashes": self._hashes, **self._model.arrays()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that scores depend on, in hexadecimal."""
        return _fingerprint(self._arrays())

    def save(self, path: str | Path) -> str:
        """Writes one .npz file.

        Returns:
            The fingerprint.
        """
        arrays = self._arrays()
        mark = _fingerprint(arrays)
        with replacing_file(path) as draft, open(draft, "wb") as file:
            np.savez(file, fingerprint=np.array(mark), **arrays)
        return mark

    @classmethod
    def load(cls, path: str | Path) -> NgramModel:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            mark = str(arrays.pop("fingerprint"))
            form, order, rare = arrays["sizes"].tolist()
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not an n-gram model: {error}") from None
        if form != FORMAT or mark != _fingerprint(arrays):
            raise ValueError(f"{path} is damaged, or of another version: make it again")
        size = len(arrays["hashes"]) + 1
        model = cls(size - 1, order)
        model._hashes, model._rare = arrays["hashes"], rare
        model._model = KneserNey.from_arrays(arrays, order=order, vocabulary_size=size)
        return model


def fit_ngram_model(
    inputs: Iterable[str],
    output: str | Path,
    vocabulary_size: Positive = 50_000,
    order: Positive = 3,
    max_words: int = 10_000_000,
) -> NgramModel:
    """Fits a model of files and writes it.

    Args:
        inputs: what `read_documents` takes: files, folders, patterns.
        output: the .npz file.
        vocabulary_size, order: of `NgramModel`.
        max_words: what is beyond is not read.
    """
    model = NgramModel(vocabulary_size, order)
    model.fit(read_documents(inputs), max_words)
    model.save(output)
    return model


@read_once
def load_ngram_model(path: str) -> NgramModel:
    """`NgramModel.load`, once a process."""
    return NgramModel.load(path)


def _batches(texts: Iterable[str]) -> Iterator[Batch]:
    texts = iter(texts)
    while some := list(islice(texts, _BATCH)):
        yield Batch(map(Document, some))


def _folded(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the words, lower case and bare, and where each document's begin."""
    found = words(_composed(batch))
    starts, ends = found.starts.copy(), found.ends.copy()
    for _ in range(3):  # signs that are taken off each side
        bare = ends - starts > 1
        starts += bare & (found.classes[starts] & PUNCTUATION > 0)
        bare = ends - starts > 1
        ends -= bare & (found.classes[ends - 1] & PUNCTUATION > 0)
    codes = np.frombuffer(found.text.encode("utf-32-le", "surrogatepass"), "<u4")
    return span_hashes(np.take(_fold(), codes), starts, ends), found.offsets


def _composed(batch: Batch) -> Batch:
    """The batch itself where its texts are composed, as those of corpora are."""
    texts = [composed(text) for text in batch.texts]
    return batch if texts == batch.texts else Batch(map(Document, texts))


@functools.cache
def _fold() -> np.ndarray:
    """Every code point in lower case, digits as 0, uint32 [0x110000]."""
    table = np.arange(0x110000, dtype=np.uint32)
    classes = character_classes()
    for code in range(0x1E944):  # no capital letters after it
        lower = chr(code).lower()
        if len(lower) == 1:
            table[code] = ord(lower)
    table[classes & DIGIT > 0] = ord("0")
    return table


def _fingerprint(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array)
    return digest.hexdigest()
