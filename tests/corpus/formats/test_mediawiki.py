"""Dumps of wikis: which pages are read, and what remains of their wikitext."""

from __future__ import annotations

import bz2
import time
from xml.sax.saxutils import escape

import pytest

from massivetext_keras.corpus.formats import read
from massivetext_keras.corpus.formats.wikitext import plain_text

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" xml:lang="de">
<siteinfo><base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base><namespaces>
<namespace key="0" case="first-letter" /><namespace key="6">Datei</namespace>
<namespace key="14">Rubrik</namespace></namespaces></siteinfo>"""


def page(title, *texts, ns=0, more=""):
    revisions = "".join(
        f"<revision><id>7</id><timestamp>2020-01-0{day}T00:00:00Z</timestamp>"
        f"<model>wikitext</model><text>{escape(text)}</text></revision>"
        for day, text in enumerate(texts, 1)
    )
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>1</id>{more}{revisions}</page>"
    )


def rows_of(path, *pages, end="</mediawiki>", **arguments):
    path.write_bytes(bz2.compress((HEAD + "".join(pages) + end).encode()))
    return list(read(str(path), **arguments))


def test_pages(tmp_path):
    rows = rows_of(
        tmp_path / "dump.xml.bz2",
        page("Käse & mehr".replace("&", "&amp;"), "old", "'''Käse''' ist [[Essen]]."),
        page("Weg", "#WEITERLEITUNG [[Käse]]"),
        page("Fort", "x", more='<redirect title="Käse" />'),
        page("Diskussion:Käse", "talk", ns=1),
        page("Modul:X", "return {}").replace("wikitext", "Scribunto"),
        page("Leer", "{{Vorlage}}[[Rubrik:Z]]"),
        page("Lang", "wort " * 100),
        page("Ende", "Schluss."),
        max_document_bytes=400,
    )
    first, empty, long, last = rows
    assert first.text == "Käse ist Essen."
    assert first.url == "https://de.wikipedia.org/wiki/K%C3%A4se_%26_mehr"
    assert first.language == "de"
    assert first.columns == {"title": "Käse & mehr", "date": "2020-01-02T00:00:00Z"}
    assert (empty.reason, empty.detail) == ("empty", "'Leer'")
    assert (long.reason, long.detail) == ("too_large", "'Lang': more than 400 bytes")
    assert (last.text, last.position) == ("Schluss.", 3)


@pytest.mark.parametrize(
    ("end", "detail"),
    [
        ("", "not XML: no element found"),
        ("<page><title>A</page>", "not XML: mismatched tag"),
        ("<a>" * 100_000, "nested"),
    ],
)
def test_damaged_dumps_give_what_was_before(tmp_path, end, detail):
    first, last = rows_of(tmp_path / "a.xml.bz2", page("A", "Text."), end=end)
    assert first.text == "Text." and last.reason == "damaged" and detail in last.detail


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ("<project/>", "its root is <project>, not <mediawiki>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><mediawiki/>', "declares the entity 'b'"),
        ("no xml", "not XML: syntax error"),
    ],
)
def test_other_xml(tmp_path, data, detail):
    path = tmp_path / "a.xml"
    path.write_text(data)
    [row] = read(str(path))
    assert row.reason == "damaged" and detail in row.detail


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic"),
        ("a [[b]], [[c|d]], [[e#f]] and [[g]]s", "a b, d, e and gs"),
        (
            "[[:de:x|y]] [[wikt:word|word]] [[Star Trek: Picard]]",
            "y word Star Trek: Picard",
        ),
        ("a [[de:Artikel]][[zh-yue:文]]", "a"),
        ("a[[File:x.jpg|thumb|A [[link]] and [[File:y.png]] here]] b", "a b"),
        ("[[Category:X|y]]\n[[分类:X]]text", "text"),
        ("a {{b {{c}} d|e={{f}}}} g", "a g"),
        ("{{Infobox\n|name=x\n|}}\nText", "Text"),
        ("one\n{| class=x\n! a\n{|\n| inner\n|}\n| [[b]]\n|}\ntwo", "one\n\ntwo"),
        ("a<ref>b</ref>c<ref name=d />e<ref name='f'>g {{h}}</ref>.", "ace."),
        ("a <!-- b\nc --> d <!-- e", "a d"),
        ("x<math>\\frac{{a}}{b}</math> y<gallery>\nA.jpg|b\n</gallery>z", "x yz"),
        ("[http://x.org label] [https://y.org] [mailto:a@b.c Mail]", "label Mail"),
        ("a&nbsp;b &amp;lt; &copy;<br />c<div style='x'>d</div>", "a b &lt; ©\nc\nd"),
        ("== One ==\n=== Two ===\ntext\n== Three ==\n", "One\n\nTwo\n\ntext"),
        ("* one\n* two\n## three\n: four\n----\nfive", "one\ntwo\nthree\nfour\n\nfive"),
        ("Ada ({{lang|x}}; ) was（{{a}}，） here .", "Ada was here."),
        ("__NOTOC__ -{zh-hans:计算机;zh-hant:電腦}- -{A}-", "计算机 A"),
        ("a {{unclosed [[b]] c", "a unclosed b c"),
        ("a }} b ]] c [[ d", "a b c d"),
        ("<ref>never closed. Text goes on.", "never closed. Text goes on."),
    ],
)
def test_wikitext(source, text):
    assert plain_text(source) == text


@pytest.mark.parametrize(
    "part",
    [
        *(
            "{{",
            "[[",
            "{|\n",
            "[[a|",
            "}}",
            "]]",
            "<ref>",
            "<ref",
            "<!--",
            "[http://a ",
        ),
        *("==", "= ", "(", "( ", "\n", " ", "\t", "\u3000", "'", "-{", "<", "<a ", "&"),
        *("{{[[", "[[File:", "\n|}", ":*#", "<ref></ref>", "=\n", "\n= a ="),
    ],
)
def test_wikitext_takes_linear_time(part):
    source = "Words. " + part * (300_000 // len(part)) + " more"
    begin = time.process_time()
    assert plain_text(source).startswith("Words.")
    assert time.process_time() - begin < 2
