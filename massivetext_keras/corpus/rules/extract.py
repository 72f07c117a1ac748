"""The main text of pages, without what surrounds it."""

from __future__ import annotations

import itertools
import re
from typing import Any, Literal

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.main_text import (
    by_resiliparse,
    by_trafilatura,
    parse,
)
from massivetext_keras.reading.document import Document
from massivetext_keras.reading.exponents import with_exponents
from massivetext_keras.support.arguments import Count, Share
from massivetext_keras.support.values import choose

# Elements that pages nest and always close
_NESTED = re.compile(
    r"<(/?)(?:article|aside|blockquote|center|div|dl|footer|form|header|main|nav|ol"
    r"|section|table|ul)\b",
    re.I,
)
_SHALLOW = 1000  # tags of a page that is not looked at for its depth
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATED = (
    'meta[property="article:published_time"]',
    '[itemprop="datePublished"]',
    'meta[name="date"]',
    "time[datetime]",
)


@rule
def extract(
    batch: Batch,
    *,
    extractor: Literal["trafilatura", "resiliparse"] = "trafilatura",
    fallback_share: Share = 0.5,
    tables: bool = True,
    comments: bool = False,
    max_tags: Count = 100_000,
    max_depth: Count = 500,
) -> list[Check]:
    """Replaces pages by their main text; documents that are no HTML are left alone.

    Trafilatura (Barbaresi, 2021, "Trafilatura: a web scraping library and command-line
    tool for text discovery and extraction") is exact, and misses much of some pages;
    where it finds less than a share of what Resiliparse finds (Bevendorff et al., 2018,
    "Elastic ChatNoir"), the latter's text is taken. `document.kind` becomes "text";
    `columns` get "title" and "date" (ISO 8601), and `document.url`, if it has none, the
    one that the page names as canonical.

    On 24 real pages (2.2 MB; `tests/corpus/test_extraction.py`), words compared with
    those of the articles that people cut out, means over pages:

        =============================  =========  ======  ====  ====
        extractor                      precision  recall    F1  MB/s
        =============================  =========  ======  ====  ====
        trafilatura                         .992    .951  .968   8.7
        trafilatura, fallback_share=0       .994    .892  .920  10.7
        resiliparse                         .954    .989  .970    54
        =============================  =========  ======  ====  ====

    Args:
        batch: its pages are rewritten.
        extractor: "trafilatura" or, six times as fast, "resiliparse".
        fallback_share: of characters, 0 to 1; 0 takes trafilatura's text in any case.
        tables: trafilatura keeps what is in tables.
        comments: keep what readers wrote below.
        max_tags, max_depth: pages with more, or deeper nested ones, are dropped unread:
            they are no articles, and take parsers minutes.

    Returns:
        `tags`, `depth`, and `characters` of the text, which must be one at least.

    Raises:
        ValueError: the extractor is unknown.

    >>> page = "<title>One</title><nav>Menu</nav><p>A sentence.</p><p>And another.</p>"
    >>> batch = Batch([Document(page, kind="html")])
    >>> _ = extract(batch)
    >>> batch.documents[0].text, batch.documents[0].columns
    ('A sentence.\\nAnd another.', {'title': 'One'})
    """
    choose("extractor", extractor, {"trafilatura": True, "resiliparse": True})
    pages = [index for index, item in enumerate(batch.documents) if item.kind == "html"]
    tags, depths, lengths = np.full((3, len(batch)), np.nan)
    texts = batch.texts
    for index in pages:
        document, page = batch.documents[index], texts[index]
        tags[index] = page.count("<")
        depths[index] = _depth(page) if _SHALLOW < tags[index] <= max_tags else 0
        if tags[index] > max_tags or depths[index] > max_depth:
            continue
        page = page.encode("utf-8", "replace").decode()  # halves of surrogate pairs
        page = with_exponents(page)
        tree = parse(page)
        _note(document, tree)
        text = ""
        if extractor == "trafilatura":
            text = by_trafilatura(page, tables=tables, comments=comments)
        if extractor == "resiliparse" or fallback_share:
            rough = by_resiliparse(tree, comments=comments)
            if extractor == "resiliparse" or len(text) < fallback_share * len(rough):
                text = rough
        document.kind, texts[index] = "text", text
        lengths[index] = len(text)
    batch.rewrite(texts)
    return [
        Check("tags", tags, at_most=max_tags),
        Check("depth", depths, at_most=max_depth),
        Check("characters", lengths, at_least=1),
    ]


def _depth(page: str) -> int:
    """How deep elements of `_NESTED` lie within each other, at the most."""
    steps = (-1 if close else 1 for close in _NESTED.findall(page))
    return max(itertools.accumulate(steps), default=0)


def _note(document: Document, tree: Any) -> None:
    """Title, date and URL, where the page names them."""
    title = _attribute(tree, 'meta[property="og:title"]') or tree.title or ""
    if title.strip():
        document.columns["title"] = " ".join(title.split())
    for selector in _DATED:
        if date := _DATE.search(_attribute(tree, selector)):
            document.columns["date"] = date[0]
            break
    if document.url is None:
        url = _attribute(tree, 'link[rel="canonical"]', "href")
        document.url = url if url.startswith(("http://", "https://")) else None


def _attribute(
    tree: Any, selector: str, *names: str, default=("content", "datetime")
) -> str:
    """The first attribute with a value of the first element that a selector finds."""
    element = tree.document.query_selector(selector) if tree.document else None
    values = (element.getattr(name) for name in names or default) if element else ()
    return next((value for value in values if value), "")
