"""Evaluation items that documents hold: found by their n-grams, dropped or cut out."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.contents import read_once
from massivetext_keras.corpus.duplicates.minhash import shingles
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.folding import folded, origins
from massivetext_keras.corpus.text.items import item_files, read_items
from massivetext_keras.corpus.text.words import words
from massivetext_keras.reading.document import Document
from massivetext_keras.support.arguments import Count, Files, Positive, Share

_ITEMS_AT_ONCE = 4096

logger = logging.getLogger(__name__)


@rule
def contamination(
    batch: Batch,
    *,
    files: Sequence[Annotated[str, Files(item_files)]] = (),
    ngram: Positive = 13,
    shortest: Positive = 8,
    jaccard: Share | None = 0.8,
    containment: Share | None = 0.8,
    cut: bool = False,
    around: Count = 200,
    most_pieces: Positive = 10,
) -> list[Check]:
    """Drops documents that hold an item of an evaluation set, or cuts it out.

    The n-grams of words of an item and of a document are compared by their Jaccard
    similarity, as Gopher does (Rae et al., 2021, A.1.3), and by containment, the share
    of the item's that the document has: a short item in a long document has a Jaccard
    similarity near 0 and a containment of 1. Case, punctuation and forms of Unicode do
    not count (see `folded`). It holds for all languages: where there are no spaces, a
    character is a word.

    A document that fails gets `columns["contamination"]`: the item (file and line, or
    the place in a JSON file) that it holds most of, and both measures.

    Args:
        batch: documents.
        files: of the evaluation sets, as `read_items` reads them: names, patterns and
            folders. Without any, nothing is measured.
        ngram: words of an n-gram.
        shortest: words of an item that is looked for, if they are fewer than `ngram`:
            it then is one n-gram itself. Items with fewer words are left out.
        jaccard: most of it that is kept.
        containment: most of it that is kept.
        cut: keep the document without the n-grams of the items and what is around them
            (Brown et al., 2020, appendix C), if there is enough left.
        around: characters that are cut on both sides; a piece that is left is dropped
            if it is shorter.
        most_pieces: of a document that was cut; it is dropped if there are more.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: a file that cannot be read, or without an item that is long enough.
    """
    measures = np.full([2, len(batch)], np.nan)
    if files:
        index = _index(tuple(map(str, files)), ngram, shortest)
        plain = batch.view(folded)
        hits = _Hits.of(index, plain)
        found = _Overlaps.of(index, plain, hits, ngram)
        measures[:] = 0
        for measure, values in zip(measures, found.measures, strict=True):
            np.maximum.at(measure, found.document, values)
        failed = (found.measures > [[jaccard], [containment]]).any(0)
        _tell(index, batch, found, failed)
        if cut:
            chosen = np.isin(hits.pair, found.pair[failed])
            cut_out = _cut(batch, plain, hits, chosen, around, most_pieces)
            measures[:, cut_out] = np.nan
    return [
        Check("jaccard", measures[0], at_most=jaccard),
        Check("containment", measures[1], at_most=containment),
    ]


@dataclass(frozen=True, eq=False)
class _Table:
    """N-grams of one length and the items that have them.

    Attributes:
        hashes: uint64 [n-grams], sorted.
        starts: int64 [n-grams + 1], where the items of each begin.
        items: int64, numbers of items.
        bits: bool [a power of 2], by the front of a hash: whether there may be one.
    """

    hashes: np.ndarray
    starts: np.ndarray
    items: np.ndarray
    bits: np.ndarray

    @classmethod
    def of(cls, hashes: np.ndarray, items: np.ndarray) -> _Table:
        order = np.lexsort((items, hashes))
        unique, starts = np.unique(hashes[order], return_index=True)
        bits = np.zeros(1 << min(26, len(unique).bit_length() + 5), bool)
        table = cls(unique, np.append(starts, len(order)), items[order], bits)
        bits[table._place(unique)] = True
        return table

    def _place(self, hashes: np.ndarray) -> np.ndarray:
        return hashes >> np.uint64(65 - len(self.bits).bit_length())

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of hashes that are here, and their numbers here."""
        at = np.flatnonzero(self.bits[self._place(hashes)])
        number = np.searchsorted(self.hashes, hashes[at])
        number[number == len(self.hashes)] = 0
        same = self.hashes[number] == hashes[at]
        return at[same], number[same]


@dataclass(frozen=True, eq=False)
class _Index:
    """The items of evaluation sets.

    Attributes:
        names: of the items, file and line.
        sizes: int64 [items], different n-grams of each.
        tables: words of an n-gram -> those of this length.
    """

    names: list[str]
    sizes: np.ndarray
    tables: dict[int, _Table]


@read_once
def _index(files: tuple[str, ...], ngram: int, shortest: int) -> _Index:
    names: list[str] = []
    hashes, items, lengths = [], [], []
    short = 0
    rest = read_items(files)
    while some := list(itertools.islice(rest, _ITEMS_AT_ONCE)):
        batch = folded(Batch(Document(text) for _, text in some))
        found, offsets = shingles(batch, ngram)
        size = words(batch).counts
        kept = size >= min(shortest, ngram)
        runs = np.diff(offsets)
        hashes.append(found[np.repeat(kept, runs)])
        number = len(names) + np.cumsum(kept) - 1
        items.append(np.repeat(number[kept], runs[kept]))
        lengths.append(np.minimum(size[kept], ngram))
        names += [name for (name, _), keep in zip(some, kept, strict=True) if keep]
        short += len(some) - np.count_nonzero(kept)
    if not names:
        raise ValueError(
            f"contamination: no item of {', '.join(files)} has {shortest} words"
        )
    logger.info("contamination: %d items; %d are too short", len(names), short)
    hashes, items = _distinct(np.concatenate(hashes), np.concatenate(items))
    length = np.concatenate(lengths)[items]
    tables = {
        int(size): _Table.of(hashes[length == size], items[length == size])
        for size in np.unique(length)
    }
    return _Index(names, np.bincount(items, minlength=len(names)), tables)


@dataclass(frozen=True, eq=False)
class _Hits:
    """N-grams of items in documents, one after another for each item that has them.

    Attributes:
        document: int64 [hits].
        pair: int64 [hits], another number for each document and item.
        start, end: int64 [hits], of the n-gram in the joined text of the words.
        gram: int64 [hits], another number for each n-gram.
    """

    document: np.ndarray
    pair: np.ndarray
    start: np.ndarray
    end: np.ndarray
    gram: np.ndarray

    @classmethod
    def of(cls, index: _Index, batch: Batch) -> _Hits:
        found = words(batch)
        parts, before = [], 0
        for size, table in index.tables.items():
            hashes, offsets = found.ngrams(size)
            at, gram = table.find(hashes)
            document = np.searchsorted(offsets, at, "right") - 1
            start = at - offsets[document] + found.offsets[document]
            many = np.diff(table.starts)[gram]
            hit = np.repeat(np.arange(len(at)), many)
            first = np.repeat(table.starts[gram] - np.cumsum(many) + many, many)
            item = table.items[first + np.arange(len(hit))]
            document, start, gram = document[hit], start[hit], before + gram[hit]
            pair = document * len(index.names) + item
            ends = found.ends[start + size - 1]
            parts.append((document, pair, found.starts[start], ends, gram))
            before += len(table.hashes)
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class _Overlaps:
    """Documents and items that have an n-gram in common.

    Attributes:
        pair: int64 [overlaps], as of the hits.
        document, item: int64 [overlaps].
        measures: float64 [2, overlaps], Jaccard similarity and containment.
    """

    pair: np.ndarray
    document: np.ndarray
    item: np.ndarray
    measures: np.ndarray

    @classmethod
    def of(cls, index: _Index, batch: Batch, hits: _Hits, ngram: int) -> _Overlaps:
        pair, _ = _distinct(hits.pair, hits.gram)
        pair, common = np.unique(pair, return_counts=True)
        document, item = np.divmod(pair, len(index.names))
        hashes, offsets = shingles(batch, ngram)
        size = np.ones(len(batch))
        for one in np.unique(document):
            size[one] = len(np.unique(hashes[offsets[one] : offsets[one + 1]]))
        jaccard = common / (size[document] + index.sizes[item] - common)
        measures = np.stack([jaccard, common / index.sizes[item]])
        return cls(pair, document, item, measures)


def _distinct(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of integers, sorted and each once."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    kept = np.ones(len(first), bool)
    kept[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[kept], second[kept]


def _tell(index: _Index, batch: Batch, found: _Overlaps, failed: np.ndarray) -> None:
    """Writes into the documents which item they hold most of."""
    jaccard, containment = found.measures
    order = np.lexsort((-found.item, jaccard, containment))
    for at in order[failed[order]]:  # the last one stays
        batch.documents[found.document[at]].columns["contamination"] = {
            "item": index.names[found.item[at]],
            "jaccard": round(float(jaccard[at]), 4),
            "containment": round(float(containment[at]), 4),
        }


def _cut(
    batch: Batch,
    plain: Batch,
    hits: _Hits,
    chosen: np.ndarray,
    around: int,
    most_pieces: int,
) -> list[int]:
    """Cuts n-grams out of the texts; gives the documents that enough is left of."""
    view, texts, done = words(batch), batch.texts, []
    begins, plain_begins = (
        np.cumsum([0, *(len(text) + 1 for text in one.texts)]) for one in (batch, plain)
    )
    for document in np.unique(hits.document[chosen]):
        own = np.flatnonzero(chosen & (hits.document == document))
        text, begin = texts[document], begins[document]
        pieces, at = [], 0
        places = begin + origins(text)
        starts, ends = (
            places[where[own] - plain_begins[document]]
            for where in (hits.start, hits.end)
        )
        for start, end in sorted(zip(starts, ends, strict=True)):
            # At the ends of words that are at least so far away.
            last = np.searchsorted(view.ends, start - around, "right") - 1
            next_ = np.searchsorted(view.starts, end + around)
            low = view.ends[last] - begin if last >= 0 else 0
            high = view.starts[next_] - begin if next_ < len(view.starts) else len(text)
            pieces.append(text[at : max(low, at)])
            at = max(at, min(high, len(text)))
        pieces.append(text[at:])
        pieces = [piece.strip() for piece in pieces]
        pieces = [piece for piece in pieces if piece and len(piece) >= around]
        if 0 < len(pieces) <= most_pieces:
            texts[document] = "\n\n".join(pieces)
            done.append(document)
    if done:
        batch.rewrite(texts)
    return done
