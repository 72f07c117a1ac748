"""How often the documents of a corpus have words of lists."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.report.identity import IDENTITY
from massivetext_keras.corpus.text.lists import entries
from massivetext_keras.corpus.text.phrases import Phrases
from massivetext_keras.corpus.text.words import folded_words
from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.read import read
from massivetext_keras.support.scripts import primary_language

_CHARACTERS = 2 << 20  # looked at together


class TermList(NamedTuple):
    """Words that are counted together.

    Attributes:
        name: of the list.
        entries: of a word or several.
        phrases: the same, as they are looked up.
        language: ISO 639-1 code of the documents that it holds for (None: all).
    """

    name: str
    entries: list[str]
    phrases: Phrases
    language: str | None = None


@dataclass
class Found:
    """What there is of a list.

    Attributes:
        of_documents, of_words: in the documents that it holds for.
        documents: with an entry of it.
        places: where one begins.
        entries: how often each of them is there.
    """

    of_documents: int = 0
    of_words: int = 0
    documents: int = 0
    places: int = 0
    entries: Counter = field(default_factory=Counter)


@dataclass
class Terms:
    """What there is of lists in a sample of the documents that a corpus keeps.

    Attributes:
        documents, bytes: that were looked through.
        share: of all bytes that are kept.
        found: by the kind of lists, by their name.
    """

    documents: int = 0
    bytes: int = 0
    share: float = 0.0
    found: dict[str, dict[str, Found]] = field(default_factory=dict)

    def add(
        self, documents: Sequence[Document], lists: Mapping[str, Sequence[TermList]]
    ) -> None:
        """Looks some documents through.

        >>> lists = {"words": [TermList("good", ["good"], Phrases.of([("", "good")]))]}
        >>> terms = Terms()
        >>> terms.add([Document("Good, good day"), Document("Bad")], lists)
        >>> terms.found["words"]["good"]
        Found(of_documents=2, of_words=4, documents=1, places=2,
              entries=Counter({'good': 2}))
        """
        self.documents += len(documents)
        self.bytes += sum(len(document.text.encode()) for document in documents)
        by_language: dict[str, list[Document]] = {}
        for document in documents:
            language = primary_language(document.language or "")
            by_language.setdefault(language, []).append(document)
        for language, own in by_language.items():
            words = folded_words(Batch(own))
            for kind, several in lists.items():
                for one in several:
                    found = self.found.setdefault(kind, {}).setdefault(
                        one.name, Found()
                    )
                    if one.language in (None, language):
                        _add(found, one, words)


def _add(found: Found, given: TermList, words) -> None:
    starts, _, which = given.phrases.places(words)
    distinct = np.unique(starts)
    documents = np.searchsorted(words.offsets, distinct, "right")
    found.of_documents += len(words.counts)
    found.of_words += int(words.offsets[-1])
    found.documents += len(np.unique(documents))
    found.places += len(distinct)
    for place, count in zip(*np.unique(which, return_counts=True), strict=True):
        found.entries[given.entries[place]] += int(count)


def count_terms(
    folder: str | Path,
    shards: Mapping[str, Mapping[str, Any]],
    lists: Mapping[str, Sequence[TermList]],
    most_bytes: int,
) -> Terms:
    """Counts words of lists in what a corpus keeps, or in a sample of it.

    Documents lie in the order of a hash, so the first ones of each shard are a random
    sample.

    Args:
        folder: of the corpus.
        shards: of its manifest.
        lists: by their kind.
        most_bytes: of text that is looked through, about.

    Raises:
        ValueError: a shard is missing or damaged; names the file.
    """
    whole = sum(shard["bytes"] for shard in shards.values())
    share = min(1.0, most_bytes / max(whole, 1))
    terms = Terms()
    for documents in _portions(_sample(Path(folder), shards, share)):
        terms.add(documents, lists)
    terms.share = terms.bytes / max(whole, 1)
    return terms


def identity_lists() -> list[TermList]:
    """Those of `identity`."""
    lists = []
    for language, groups in IDENTITY.items():
        for name, words in groups.items():
            listed = words.split(", ")
            phrases = Phrases.of((f"{language}:{name}", entry) for entry in listed)
            lists.append(TermList(name, listed, phrases, language))
    return lists


def lists_of(files: Mapping[str, str]) -> list[TermList]:
    """Lists of a user's.

    Args:
        files: name -> file with an entry on each line, as `word_blocklist` has it.

    Raises:
        FileNotFoundError: one is not there.
        ValueError: one has no entries, or one without a letter or digit.
    """
    lists = []
    for name, path in files.items():
        listed = list(entries(path))
        found = [entry for _, entry in listed]
        lists.append(TermList(name, found, Phrases.of(listed)))
    return lists


def _sample(
    folder: Path, shards: Mapping[str, Mapping[str, Any]], share: float
) -> Iterator[Document]:
    for name, shard in shards.items():
        rows = read(
            str(folder / name),
            text_field="text",
            max_document_bytes=2**62,
            max_ratio=None,
        )
        count = math.ceil(share * shard["documents"])
        for row in itertools.islice(rows, count):
            if isinstance(row, Problem):
                detail = f"{row.reason} {row.detail}".rstrip()
                raise ValueError(f"{folder / name}: {detail}")
            yield row


def _portions(documents: Iterable[Document]) -> Iterator[list[Document]]:
    some, characters = [], 0
    for document in documents:
        some.append(document)
        characters += len(document.text)
        if characters >= _CHARACTERS:
            yield some
            some, characters = [], 0
    if some:
        yield some
