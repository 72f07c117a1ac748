"""Dumps of wikis: which pages are read, and what remains of their wikitext."""

from __future__ import annotations

import bz2
import time
from xml.sax.saxutils import escape

import pytest

from massivetext_keras.reading.read import read
from massivetext_keras.reading.wikitext import plain_text

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
        ("Ada ({{lang|x}}; ) was（{{a}}，） here .", "Ada was here ."),
        ("__NOTOC__ -{zh-hans:计算机;zh-hant:電腦}- -{A}-", "计算机 A"),
        ("a {{unclosed [[b]] c", "a unclosed b c"),
        ("a }} b ]] c [[ d", "a b c d"),
        ("<ref>never closed. Text goes on.", "never closed. Text goes on."),
        # apostrophes
        ("the ''Titanic'''s crew", "the Titanic's crew"),
        ("l'''Iliade'' d'Homère", "l'Iliade d'Homère"),
        ("''''four'''' and ''''''six''''''", "'four' and 'six'"),
        ("'''''both''''' of '''''them'' it'''", "both of them it"),
        ("''a'' '''b ''c'' d", "a b c d"),
        ("'''bold'' only", "'bold only"),
        ("a '''b'' l'''c'''", "a b l'c"),
        ("rock 'n' roll ''it''s''", "rock 'n' roll its"),
        ("[[a|''b'']]'s and '''[[c]]'''", "b's and c"),
        ("''x''<nowiki/>'s and ''y''<nowiki />''z", "x's and yz"),
        # text that looks like what is removed
        ("the .NET Framework, a .com", "the .NET Framework, a .com"),
        ("It uses<ref>a</ref> .NET 4 {{b}} .", "It uses .NET 4."),
        ("{{a}} .NET and {{b}} .htaccess ({{c}} .de)", ".NET and .htaccess (.de)"),
        ("cost<ref>a</ref> .50 <ref>b</ref> ...", "cost .50..."),
        (
            "2<sup>100 000</sup> and 2<sup>''n''<sup>2</sup></sup>",
            "2^(100 000) and 2^(n²)",
        ),
        ("calls printf() here; f( ) too", "calls printf() here; f( ) too"),
        ("Bonjour ; oui : non ! ( , ) [ , ]", "Bonjour ; oui : non ! ( , ) [ , ]"),
        ("List<String> a", "List<String> a"),
        ("x<y and y>z, 1 < 2 > 0", "x<y and y>z, 1 < 2 > 0"),
        ("a<b and b>c, x<p or p>y", "a<b and b>c, x<p or p>y"),
        ("<b>a</b> <i class=x>b</i><p >c</p><u/>d", "a b\nc\nd"),
        # what is left out in brackets, with what separates it
        ("A ({{l|B}}; born 1900, {{x}}) is", "A (born 1900) is"),
        ("A ({{x}}, b, {{y}}, c; {{z}}) in {{w}}, d", "A (b, c) in, d"),
        ("（{{x}}，b；{{y}}） f(,) g(;a) h(b,)", "（b） f(,) g(;a) h(b,)"),
        ("(a,<ref>x</ref> b) a, <math>x</math>, and c", "(a, b) a, and c"),
        ("a <- b -> c <3 <T, U> <stdio.h>", "a <- b -> c <3 <T, U> <stdio.h>"),
        (
            "AT&T a&copy b &notit; x&lt;y &#8212; &#x41;",
            "AT&T a&copy b &notit; x<y — A",
        ),
        ("__FILE__ __init__ __NOTOC__x", "__FILE__ __init__ x"),
        ("see [[#History]] of [[a#b]]", "see #History of a"),
        ("[[a|b|c]] and [1] and a[i]", "b|c and [1] and a[i]"),
        # elements
        ("<nowiki>[[a]] ''b'' {{c}} <ref></nowiki> d", "[[a]] ''b'' {{c}} <ref> d"),
        ("<nowiki>&lt;b&gt; * </nowiki>", "<b> * "),
        ("a <!-- <nowiki> --> b <nowiki><!-- c --></nowiki>", "a b <!-- c -->"),
        ("x<pre>\n* a  b\n  ''c''\n</pre>y", "x\n\n* a  b\n  ''c''\n\ny"),
        ("<code>a[i]</code> <code><nowiki>[[x]]</nowiki></code>", "a[i] [[x]]"),
        ("a<includeonly>b [[c]]</includeonly>d<noinclude>e</noinclude>", "ade"),
        ("<onlyinclude>a</onlyinclude> b <includeonly>c", "a b"),
        ("a<ref>open. B<ref>x</ref> C<ref name=y>z</ref> D", "aopen. B C D"),
        ("a<ref>x</ref> b<ref name=q> c<ref>y</ref> d", "a b c d"),
        ("a<ref group=n>b<ref>c</ref>d</ref>e</ref> f", "ae f"),
        ("a<table><tr><td>b<table>c</table></table>d", "ad"),
        ("a<math>x<ref>y</math>b</ref> c", "ab c"),
        ("a<syntaxhighlight lang=c><!-- x</syntaxhighlight> b", "a b"),
        (
            "100<sup>2</sup>=10000, H<sub>2</sub>O, 19<sup>th</sup>",
            "100²=10000, H₂O, 19th",
        ),
        ("漢字<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢字漢(かん)"),
        ("a<br>b</br>c<hr/>d<wbr>e<span lang=fr>f</span>", "a\nb\nc\ndef"),
        # what is left out leaves nothing behind
        ("a {{b}}, c ({{d}}) e {{f}}.", "a, c e."),
        ("a{{b}}c ({{d}}; 1900) [[File:x.png]] e", "ac (1900) e"),
        ("{{a}} b\n{{c}}\nd", "b\n\nd"),
        ("{{{1|x}}} {{{a|}}} y {{!}}", "x y |"),
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


def test_a_damaged_part_of_a_dump_is_passed_over(tmp_path):
    path = tmp_path / "dump.xml.bz2"
    parts = [HEAD] + [page(f"P{n}", f"Text {n}.") * 2 for n in range(4)]
    members = [bz2.compress(part.encode()) for part in [*parts, "</mediawiki>"]]
    members[2] = members[2][:-40] + bytes(40)
    path.write_bytes(b"".join(members))
    *rows, last = read(str(path))
    assert [row.text for row in rows] == [f"Text {n}." for n in (0, 0, 2, 2, 3, 3)]
    assert {row.language for row in rows} == {"de"} and last.reason == "damaged"
    assert rows[-1].url == "https://de.wikipedia.org/wiki/P3"
    path.write_bytes(b"".join(members[:2]) + members[3][:-60])
    *rows, last = read(str(path))
    assert [row.text for row in rows] == ["Text 0."] * 2 and last.reason == "damaged"


def test_a_page_that_is_no_xml_is_one(tmp_path):
    pages = [page(f"P{n}", f"Text {n}.") for n in range(5)]
    pages[1] = pages[1].replace("Text", "Te\x0bxt")
    pages[3] = pages[3].replace("</revision>", "")
    rows = rows_of(tmp_path / "dump.xml.bz2", *pages)
    found = [getattr(row, "text", None) or row.reason for row in rows]
    assert found == ["Text 0.", "damaged", "Text 2.", "damaged", "Text 4."]
    assert rows[1].detail.startswith("not XML: not well-formed (invalid token)")
    assert {row.language for row in rows[::2]} == {"de"}
