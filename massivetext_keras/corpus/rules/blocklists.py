"""Lists of the user's: domains, addresses and words that no document may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, NamedTuple
from urllib.parse import unquote

import numpy as np

from massivetext_keras.corpus.documents import Batch, Check, of_prose
from massivetext_keras.corpus.rules.language import LanguageTag
from massivetext_keras.corpus.text.folding import caseless, composed
from massivetext_keras.corpus.text.hashing import find, span_hashes
from massivetext_keras.corpus.text.words import Words, folded_words
from massivetext_keras.reading.arguments import Count, Files, Share, read_once
from massivetext_keras.reading.document import Document
from massivetext_keras.reading.documents import expand, read_file

_List = Annotated[str, Files(expand)]


def url_blocklist(
    batch: Batch,
    *,
    domains: _List | None = None,
    urls: _List | None = None,
    words: _List | None = None,
    soft_words: _List | None = None,
    max_soft_words: Count | None = 1,
    substrings: _List | None = None,
) -> list[Check]:
    """Drops documents by where they were published, as RefinedWeb and FineWeb do.

    (Penedo et al., 2023, appendix G.1; 2024.) Holds for documents of every kind and
    language; one without an address measures NaN. A list is a text file with an entry a
    line; blank lines and those that start with `#` are none.

    Args:
        batch: the documents.
        domains: file of domains; their subdomains are blocked with them.
        urls: file of addresses; the scheme, the fragment and a slash at the end do not
            matter.
        words: file of words; a word of an address is a run of letters and digits.
        soft_words: file of words that only block together.
        max_soft_words: different soft words that an address may have.
        substrings: file of what an address may not have in it once all but letters and
            digits is taken out of it.

    Raises:
        FileNotFoundError: a list is not there.
        ValueError: a list without entries, or with one that cannot match.

    >>> path = getfixture("tmp_path") / "domains.txt"
    >>> _ = path.write_text("example.com\\n")
    >>> pages = ["https://www.example.com/a", "https://notexample.com/", None]
    >>> batch = Batch(Document("text", url=url) for url in pages)
    >>> url_blocklist(batch, domains=str(path))[0].values.tolist()
    [1.0, 0.0, nan]
    """
    measures: list[tuple[str, str | None, Callable, Callable, float]] = [
        ("domains", domains, _domain, _blocked_domains, 0),
        ("urls", urls, _page, _blocked_pages, 0),
        ("words", words, _squeezed, _blocked_words, 0),
        ("soft_words", soft_words, _squeezed, _blocked_words, max_soft_words),
        ("substrings", substrings, _squeezed, _blocked_substrings, 0),
    ]
    addresses = [document.url for document in batch.documents]
    checks = []
    for name, path, normal, count, most in measures:
        if path is not None:
            blocked = _entries(path, normal)
            values = [
                np.nan if url is None else count(url, blocked) for url in addresses
            ]
            checks.append(Check(name, np.array(values, float), at_most=most))
    return checks


def word_blocklist(
    batch: Batch,
    *,
    words: _List | Mapping[LanguageTag, _List],
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
    >>> batch = Batch(map(Document, ["A BAD, bad word.", "badword", "一句坏话"]))
    >>> word_blocklist(batch, words=str(path))[0].values.tolist()
    [1.0, 0.0, 1.0]
    """
    found = folded_words(batch)
    languages = np.array([document.language or "" for document in batch.documents])
    lists = words.items() if isinstance(words, Mapping) else [(None, words)]
    places, shares = np.full((2, len(batch)), np.nan)
    for language, path in lists:
        starting, covered = _occurrences(found, _phrases(path))
        held = np.full(len(batch), True) if language is None else languages == language
        places[held] = found.sums(starting)[held]
        shares[held] = (found.sums(covered) / np.maximum(found.counts, 1))[held]
    checks = [
        Check("words", places, at_most=max_words),
        Check("share", shares, at_most=max_share),
    ]
    return of_prose(batch, checks)


class _Phrases(NamedTuple):
    first: np.ndarray  # uint64, hashes of words that an entry starts with
    by_size: dict[int, np.ndarray]  # words of an entry -> uint64, hashes of entries


def _occurrences(found: Words, phrases: _Phrases) -> tuple[np.ndarray, np.ndarray]:
    """bool [words] twice: where an entry starts, and which words are of one."""
    starting, covered = np.zeros((2, len(found.hashes)), bool)
    candidates, _ = find(found.hashes, phrases.first)
    last = found.offsets[np.searchsorted(found.offsets, candidates, "right")]
    for size, hashes in phrases.by_size.items():
        starts = candidates[candidates + size <= last]
        where, _ = find(span_hashes(found.hashes, starts, starts + size), hashes)
        starting[starts[where]] = True
        for step in range(size):
            covered[starts[where] + step] = True
    return starting, covered


@read_once
def _phrases(path: str) -> _Phrases:
    """The hashes of a list of words, read once."""
    entries = list(_read(path))
    found = folded_words(Batch(Document(entry) for _, entry in entries))
    for (where, entry), count in zip(entries, found.counts, strict=True):
        if not count:
            raise ValueError(f"{where}: {entry!r} has no letter or digit")
    hashes = span_hashes(found.hashes, found.offsets[:-1], found.offsets[1:])
    return _Phrases(
        first=np.unique(found.hashes[found.offsets[:-1]]),
        by_size={
            int(size): np.unique(hashes[found.counts == size])
            for size in np.unique(found.counts)
        },
    )


@read_once
def _entries(path: str, normal: Callable[[str], str]) -> frozenset[str]:
    """The entries of a list in a normal form, read once."""
    entries = set()
    for where, entry in _read(path):
        if not normal(entry):
            raise ValueError(f"{where}: {entry!r} has nothing to compare")
        entries.add(normal(entry))
    return frozenset(entries)


def _read(path: str) -> Iterator[tuple[str, str]]:
    """(place, entry) of a list."""
    empty = True
    for file in expand(path):
        for text in read_file(file):
            for number, line in enumerate(text.split("\n"), 1):
                entry = line.strip()
                if entry and not entry.startswith("#"):
                    empty = False
                    yield f"{file}:{number}", entry
    if empty:
        raise ValueError(f"the list {path!r} has no entries")


def _page(url: str) -> str:
    """An address without scheme, fragment and slash at the end, its host normal."""
    rest = url.strip().partition("#")[0].rstrip("/")
    rest = rest.partition("://")[2] or rest.removeprefix("//")
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    return _domain(host) + composed(unquote(rest[len(host) :]))


def _domain(url: str) -> str:
    """The host of an address in small letters, Unicode in the form of the DNS."""
    host = re.split(r"[/?#]", url.strip().partition("://")[2] or url.strip())[0]
    host = host.rpartition("@")[2].partition(":")[0].strip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:  # no name that the DNS could have
        return host


def _squeezed(url: str) -> str:
    """The letters and digits of an address, small."""
    return "".join(_words_of(url))


def _words_of(url: str) -> list[str]:
    return re.findall(r"[^\W_]+", caseless(unquote(url)))


def _blocked_domains(url: str, blocked: frozenset[str]) -> int:
    labels = _domain(url).split(".")
    return sum(".".join(labels[start:]) in blocked for start in range(len(labels)))


def _blocked_pages(url: str, blocked: frozenset[str]) -> int:
    return _page(url) in blocked


def _blocked_words(url: str, blocked: frozenset[str]) -> int:
    return len(blocked.intersection(_words_of(url)))


def _blocked_substrings(url: str, blocked: frozenset[str]) -> int:
    squeezed = _squeezed(url)
    return sum(entry in squeezed for entry in blocked)
