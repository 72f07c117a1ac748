"""Domains and addresses of a list that no document may have."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.contents import read_once
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.folding import caseless, composed
from massivetext_keras.corpus.text.lists import ListFile, entries
from massivetext_keras.support.arguments import Count


@rule
def url_blocklist(
    batch: Batch,
    *,
    domains: ListFile | None = None,
    urls: ListFile | None = None,
    words: ListFile | None = None,
    soft_words: ListFile | None = None,
    max_soft_words: Count | None = 1,
    substrings: ListFile | None = None,
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

    >>> from massivetext_keras.reading.document import Document
    >>> path = getfixture("tmp_path") / "domains.txt"
    >>> _ = path.write_text("example.com\\n")
    >>> pages = ["https://www.example.com/a", "https://notexample.com/", None]
    >>> batch = Batch(Document("text", url=url) for url in pages)
    >>> url_blocklist(batch, domains=str(path))[0].values.tolist()
    [1.0, 0.0, nan]
    """
    measures: list[tuple[str, str | None, Callable, Callable, float | None]] = [
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


@read_once
def _entries(path: str, normal: Callable[[str], str]) -> frozenset[str]:
    """The entries of a list in a normal form, read once."""
    found = set()
    for where, entry in entries(path):
        if not normal(entry):
            raise ValueError(f"{where}: {entry!r} has nothing to compare")
        found.add(normal(entry))
    return frozenset(found)


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
