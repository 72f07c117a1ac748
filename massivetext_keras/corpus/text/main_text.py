"""The main text of a page: by trafilatura, or by Resiliparse."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from massivetext_keras.support.extras import need

_MATCH = re.compile(r"re:test\((@[^,]+),")
_COUNTED = re.compile(r"\]\s*\[\d+\]")
_REMEMBERED = 2**14  # of what patterns find in the classes and ids of pages


def by_trafilatura(page: str, *, tables: bool = True, comments: bool = False) -> str:
    """What trafilatura takes for the text (Barbaresi, 2021), without its fallbacks.

    Args:
        page: HTML.
        tables: keep what is in tables.
        comments: keep what readers wrote below.

    >>> by_trafilatura("<html><body><p>A sentence.</p><p>Another.</p></body></html>")
    'A sentence.\\nAnother.'
    """
    found = _bare_extraction()(
        page, fast=True, include_tables=tables, include_comments=comments
    )
    return (found.text or "") if found else ""


def by_resiliparse(tree: Any, *, comments: bool = False) -> str:
    """What Resiliparse takes for the text (Bevendorff et al., 2018).

    Args:
        tree: of `parse`.
        comments: keep what readers wrote below.
    """
    return (
        need("resiliparse.extract.html2text")
        .extract_plain_text(tree, main_content=True, alt_texts=False, comments=comments)
        .strip()
    )


def parse(page: str) -> Any:
    """The tree of a page, an `HTMLTree` of Resiliparse."""
    return need("resiliparse.parse.html").HTMLTree.parse(page)


@functools.cache
def _bare_extraction() -> Callable:
    extraction = need("trafilatura").bare_extraction
    # It calls every page without a text an error; here that is a check.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    _quicken()
    return extraction


def _quicken() -> None:
    """Has trafilatura find the same in four fifths of the time.

    A third of its time is XPaths, which match classes and ids with patterns of up to a
    hundred words, in Python, and ask a function in Python for the class of each element
    they touch. Here they are as `_sooner` writes them, what a pattern found in a string
    is remembered, since pages of a site have the same few again and again, and all
    elements have the class that trafilatura uses.
    """
    etree, html = need("lxml.etree"), need("lxml.html")
    utils, xpaths = need("trafilatura.utils"), need("trafilatura.xpaths")
    classes = etree.ElementDefaultClassLookup(
        element=html.HtmlElement,
        comment=html.HtmlComment,
        pi=html.HtmlProcessingInstruction,
        entity=html.HtmlEntity,
    )
    utils.HTML_PARSER.set_element_class_lookup(classes)
    make = functools.partial(
        etree.XPath,
        namespaces={"re": xpaths.REGEXP_NS},
        extensions={(xpaths.REGEXP_NS, "test"): _test},
        regexp=False,
        smart_strings=False,
    )
    for paths in vars(xpaths).values():
        if isinstance(paths, list):  # others hold the same list
            paths[:] = [make(_sooner(path.path)) for path in paths]


def _sooner(path: str) -> str:
    """An XPath that finds the same elements in one walk, and matches what is there.

    A step with a number counts the children of each element, and stays as it is.

    >>> _sooner(".//*[self::p or re:test(@id, 'a')]")
    "descendant::*[self::p or @id and re:test(@id, 'a')]"
    >>> _sooner(".//*[self::p][1]")
    './/*[self::p][1]'
    """
    path = _MATCH.sub(r"\1 and re:test(\1,", path)  # "and" binds closer than "or"
    return path if _COUNTED.search(path) else path.replace(".//*[", "descendant::*[")


def _test(context: Any, value: str | Sequence, pattern: str, flags: str = "") -> bool:
    """EXSLT's `re:test` of a string, or of the first of some attributes."""
    text = value if isinstance(value, str) else value[0] if value else ""
    return _has(pattern, text, "i" in flags)


@functools.lru_cache(_REMEMBERED)
def _has(pattern: str, text: str, any_case: bool) -> bool:
    return re.search(pattern, text, re.IGNORECASE if any_case else 0) is not None
