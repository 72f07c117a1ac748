"""Extraction: the words that are found in real pages, and pages that are traps."""

from __future__ import annotations

import re
import time
from collections import Counter

import lxml.html
import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.extract import extract
from massivetext_keras.reading.document import Document

PARAGRAPHS = "".join(
    f"<p>This is sentence number {number} of an article that goes on for a while.</p>"
    for number in range(5)
)
PAGE = f"""<html><head><title>A  title &amp; more</title>
<link rel="canonical" href="https://example.org/a"></head><body>
<nav><a href="/">Home</a> <a href="/x">Other things</a></nav>
<article><h1>Heading</h1><time datetime="2020-02-29T10:00">then</time>{PARAGRAPHS}
</article><footer>Copyright, all rights reserved</footer>
<script>var a = "script";</script></body></html>"""


def extracted(*pages, **arguments):
    batch = Batch(Document(page, kind="html") for page in pages)
    checks = extract(batch, **arguments)
    return batch.documents, reasons(checks, len(batch))


def counted(text):
    return Counter(re.findall(r"\w+", text.lower()))


def texts_by_lxml(page):
    return lxml.html.fromstring(page.encode()).xpath("//text()")


def seconds_of(function):
    """Of the processor, the best of three."""
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        function()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def scores(texts, expected):
    """Precision, recall and F1 of words, means over pages."""
    found = []
    for text, wanted in zip(texts, expected, strict=True):
        both = sum((text & wanted).values())
        precision, recall = both / max(text.total(), 1), both / wanted.total()
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        found.append((precision, recall, f1))
    return np.mean(found, 0)


@pytest.mark.parametrize(
    ("arguments", "least", "most"),  # four times what was measured, as parsings by lxml
    [
        ({}, (0.99, 0.945, 0.96), 26),
        ({"fallback_share": 0}, (0.99, 0.885, 0.915), 22),
        ({"extractor": "resiliparse"}, (0.95, 0.985, 0.965), 8),
    ],
)
def test_words_of_real_pages(data_dir, arguments, least, most):
    folders = sorted((data_dir / "clean/readability").iterdir())
    pages = [(folder / "source.html").read_text("utf-8") for folder in folders]
    articles = [(folder / "expected.html").read_text("utf-8") for folder in folders]
    expected = [
        counted(" ".join(lxml.html.fromstring(article).itertext()))
        for article in articles
    ]
    extracted(pages[0], **arguments)
    parsing = seconds_of(lambda: [*map(texts_by_lxml, pages)])
    documents, why = extracted(*pages, **arguments)
    seconds = seconds_of(lambda: extracted(*pages, **arguments))
    found = scores([counted(document.text) for document in documents], expected)
    assert not any(why)
    assert (found >= least).all(), found
    assert seconds / parsing < most


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
def test_a_page(extractor):
    [document], [why] = extracted(PAGE, extractor=extractor)
    assert why is None and document.kind == "text"
    assert counted(document.text) & counted("sentence number 4 heading")
    assert "Home" not in document.text and "script" not in document.text
    assert "rights" not in document.text
    assert document.text.count("\n") >= 5
    assert document.url == "https://example.org/a"
    assert document.columns == {"title": "A title & more", "date": "2020-02-29"}


def test_what_is_known_stays_and_what_is_no_page_is_left_alone():
    batch = Batch(
        [
            Document(PAGE, kind="html", url="http://known.org"),
            Document("<p>text</p>", kind="text"),
            Document("<p>code</p>", kind="code"),
        ]
    )
    checks = extract(batch)
    assert batch.documents[0].url == "http://known.org"
    assert batch.texts[1:] == ["<p>text</p>", "<p>code</p>"]
    assert [document.kind for document in batch.documents] == ["text", "text", "code"]
    for check in checks:
        assert np.isnan(check.values[1:]).all() and not check.failed.any()


def test_fallback():
    articles = [
        f"<article><p>{number} {'An article, and long enough. ' * 12}</p></article>"
        for number in range(6)
    ]
    page = f"<body>{''.join(articles)}</body>"
    counts = {}
    for share in (0, 0.1, 0.5):  # trafilatura takes the first one of six
        [document], _ = extracted(page, fallback_share=share)
        counts[share] = document.text.count("long enough")
    assert counts == {0: 12, 0.1: 12, 0.5: 72}


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("<div>" * 100_001 + "text", "tags"),
        ("<div>" * 100_000 + "text", "depth"),
        ("<div>" * 99_000 + "text" + "</div>" * 500, "depth"),
        ("<div>" * 500 + "text" + "</div>" * 500, None),
        ("<b><i>" * 40_000 + "some text", None),
        ("<table><tr><td>" * 600 + "text", "depth"),
        ("<" * 90_000, None),
        ("&" * 1_000_000, None),
        ("<p>" + "a" * 3_000_000, None),
        ("<script>" + "var a;" * 1000, "characters"),
        ("<p> </p>", "characters"),
        ("<p>one half \ud800 of a pair</p>", None),
        ("<p>nul \0 in text</p>", None),
        ('<?xml version="1.0" encoding="latin-1"?><p>declared</p>', None),
    ],
    ids=range(14),
)
def test_traps(extractor, page, reason):
    begin = time.process_time()
    documents, why = extracted(page, PAGE, extractor=extractor)
    assert time.process_time() - begin < 5
    assert why == [reason, None]
    assert "sentence number 4" in documents[1].text


def test_bounds():
    page = "<p>some words</p>"
    assert extracted(page, max_tags=2)[1] == [None]
    assert extracted(page, max_tags=1)[1] == ["tags"]
    deep = "<div>" * 600 + "text" + "</div>" * 600
    assert extracted(deep, max_depth=600)[1] != ["depth"]
    assert extracted(deep, max_depth=599)[1] == ["depth"]


def test_an_unknown_extractor():
    with pytest.raises(ValueError, match="did you mean 'trafilatura'"):
        extract(Batch([]), extractor="trafilatur")


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
def test_nothing_runs_together(extractor):
    parts = {
        "<p>100<sup>2</sup>=10000 of H<sub>2</sub>O</p>": "100²=10000 of H₂O",
        "<p>the 19<sup>th</sup> century</p>": "the 19th century",
        "<p>one<br>two<br/>three</p>": "one\ntwo\nthree",
        "<p>super<wbr>long words</p>": "superlong words",
        "<p>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp>です</p>": "漢字(かんじ)です",
        "<p>a<span>b</span>c <b>d</b>e</p>": "abc de",
        "<div>first part</div><div>second part</div>": "first part\nsecond part",
    }
    sentence = "<p>A sentence of an article, long enough for it to be one.</p>"
    for inside, expected in parts.items():
        page = f"<html><body><article>{sentence}{inside}{sentence}</article></body>"
        batch = Batch([Document(page, kind="html")])
        extract(batch, extractor=extractor)
        assert expected in batch.texts[0]
