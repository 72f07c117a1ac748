"""Texts to ids of words that are frequent enough, in a file that tf.data reads."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from massivetext_keras.support.files import replacing_file
from massivetext_keras.tasks.ngram.units import units_named

WORDS = "words.tsv"
_AT_ONCE = 1_000_000  # words
_RECORD = 65_536  # ids of a record of a file, about


class Vocabulary:
    """Words by falling frequency, and how often each occurred.

    >>> vocabulary = Vocabulary(["the", "cat"], [7, 2])
    >>> vocabulary.ids["cat"], len(vocabulary)
    (1, 2)
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int]):
        self.words = list(words)
        self.counts = np.asarray(counts, np.int64)
        self.ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the words."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:16]

    def save(self, folder: str | Path) -> None:
        """Writes a line for each word."""
        rows = zip(self.words, self.counts.tolist(), strict=True)
        with replacing_file(Path(folder) / WORDS) as draft:
            lines = (f"{_escaped(word)}\t{count}\n" for word, count in rows)
            draft.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Vocabulary:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError, ValueError: the file is missing or damaged.
        """
        path = Path(folder) / WORDS
        words, counts = [], []
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                word, tab, count = line.rstrip("\n").rpartition("\t")
                if not tab or not count.isdecimal():
                    raise ValueError(f"{path}:{number}: no word and its count")
                words.append(_unescaped(word))
                counts.append(int(count))
        return cls(words, counts)


class Stream:
    """Ids of texts in a file: each sequence closed by an id that is no word's.

    Attributes:
        path: of little-endian int32.
        size: ids in it, without those that fill the last record.
        records, record: how many parts of one size it has, and ids of one.
        mark: that closes a sequence.
        words: in the texts, those that were left out too.
    """

    def __init__(self, ids: Iterable[np.ndarray], mark: int, words: int):
        self._folder = tempfile.TemporaryDirectory(prefix="massivetext-")
        self.path = Path(self._folder.name) / "ids"
        self.mark, self.words, self.size = mark, words, 0
        with open(self.path, "wb") as file:
            for some in ids:
                file.write(np.ascontiguousarray(some, "<i4").data)
                self.size += len(some)
            self.records = max(-(-self.size // _RECORD), 1)
            self.record = -(-self.size // self.records)
            behind = self.records * self.record - self.size
            file.write(np.full(behind, mark, "<i4").data)

    def array(self) -> np.ndarray:
        """The ids, int32 [size], as a map of the file."""
        return np.memmap(self.path, "<i4", "r", shape=(self.size,))


def read_words(
    texts: Iterable[str],
    units: str,
    lowercase: bool,
    min_count: int,
    known: Vocabulary | None = None,
    progress: bool = False,
) -> tuple[Vocabulary, Stream]:
    """Counts the words of texts, and writes the texts as ids.

    Args:
        texts: documents, read once.
        units, lowercase, min_count: see `WordVectorsConfig`.
        known: a vocabulary to use instead of a new one.
        progress: show a bar.

    Raises:
        ValueError: there are no words, or all are rarer than `min_count`.
    """
    table = _Numbers()
    rows = _raw(texts, units_named(units), lowercase, table, progress)
    raw = Stream(rows, mark=-1, words=0)
    ids, pieces = raw.array() if raw.size else np.zeros(0, np.int32), list(table)
    if not pieces:
        raise ValueError("there are no words to learn from")
    counts = np.zeros(len(pieces), np.int64)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        counts += np.bincount(some[some >= 0], minlength=len(pieces))
    words = [piece.decode(errors="replace") for piece in pieces]
    if known is None:
        known = _frequent(words, counts, min_count)
    places = np.array([known.ids.get(word, -1) for word in words], np.int32)
    if places.max() < 0:
        raise ValueError(f"none of the {len(words):,} words is known to the vectors")
    return known, Stream(
        _renumbered(ids, places, len(known)), mark=len(known), words=int(counts.sum())
    )


class _Numbers(dict):
    def __missing__(self, piece: bytes) -> int:
        self[piece] = number = len(self)
        return number


def _raw(texts, units, lowercase, table, progress) -> Iterator[np.ndarray]:
    """Ids of all words of texts, -1 behind each sequence."""
    row: list[int] = []
    with tqdm(
        desc="read", unit="word", unit_scale=True, disable=not progress, leave=False
    ) as bar:
        for text in texts:
            text = text.lower() if lowercase else text
            for sequence in units.sequences(text):
                row += map(table.__getitem__, units.split(sequence))
                row.append(-1)
            if len(row) > _AT_ONCE:
                bar.update(len(row))
                yield np.array(row, np.int32)
                row = []
        bar.update(len(row))
        yield np.array(row, np.int32)


def _frequent(words: list[str], counts: np.ndarray, min_count: int) -> Vocabulary:
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    if not len(order):
        most = int(counts.argmax())
        raise ValueError(
            f"min_count={min_count} leaves none of {len(words):,} words: the most "
            f"frequent one, {words[most]!r}, occurs {counts[most]:,} times"
        )
    return Vocabulary([words[i] for i in order], counts[order])


def _renumbered(ids: np.ndarray, places: np.ndarray, mark: int) -> Iterator[np.ndarray]:
    """Ids by frequency without the rare words, `mark` behind each sequence."""
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        new = np.where(some >= 0, places[some], mark)
        yield new[new >= 0]


def _escaped(word: str) -> str:
    return word.encode("unicode_escape").decode() if _is_odd(word) else word


def _unescaped(word: str) -> str:
    return word.encode().decode("unicode_escape") if "\\" in word else word


def _is_odd(word: str) -> bool:
    return "\\" in word or any(not letter.isprintable() for letter in word)
