"""Wikitext as plain text."""

from __future__ import annotations

import html
import re

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_DROPPED = (  # elements that go with what is in them
    *(
        "ref",
        "math",
        "chem",
        "gallery",
        "timeline",
        "score",
        "imagemap",
        "templatedata",
    ),
    *("table", "syntaxhighlight", "source", "graph", "hiero", "mapframe", "maplink"),
    *("style", "inputbox", "categorytree", "references"),
)
_OPEN_CLOSE = re.compile(
    rf"<(?P<close>/?)(?P<name>{'|'.join(_DROPPED)})\b[^<>]{{0,2000}}?(?P<alone>/?)>",
    re.I,
)
_BREAK = re.compile(
    r"<br\b[^<>]{0,200}>|</?(?:p|div|blockquote|poem|li)\b[^<>]{0,500}>", re.I
)
_TAG = re.compile(r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,2000})?/?>", re.I)
_BRACKETS = re.compile(
    r"\{\{|\}\}|(?:^|(?<=\n))[ :*#]{0,20}\{\||\n[ \t]*\|\}|\[\[|\]\]"
)
_WEB_LINK = re.compile(
    r"\[(?:https?:|ftp:|mailto:)?//[^\s\[\]]{1,2000}(?:[ \t]+([^\[\]\n]*))?\]"
)
_MAIL_LINK = re.compile(r"\[mailto:[^\s\[\]]{1,500}(?:[ \t]+([^\[\]\n]*))?\]")
_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(r"__[A-Z]{3,30}__")
_HEADING = re.compile(r"^(={1,6})[ \t]*(.*?)[ \t]*\1[ \t]*$", re.M)
_LIST = re.compile(r"^[*#:;]+[ \t]*", re.M)
_RULE = re.compile(r"^-{4,}", re.M)
_VARIANT = re.compile(r"-\{(?:[^{}|]{0,200}\|)?([^{}]{0,500})\}-")
_SPACES = re.compile(r"[ \t]{2,}")
_BEFORE_MARK = re.compile(r" +(?=[,.;)\]，。；）])")
_HOLLOW = re.compile(r"\(\s*[,;:\s]*\)|（[\s，；：]*）")
_BLANK = re.compile(r"\s*\n\s*\n\s*")
_FEW_WORDS = re.compile(r"^[\w-]{1,40}$")


def plain_text(source: str) -> str:
    """The prose of wikitext.

    Templates, tables, references, comments, formulas, pictures with their captions,
    categories and links to other languages are removed; links become their labels;
    headings, lists and emphasis lose their marks, and a heading with nothing below it
    is removed. Brackets are matched in one pass, however deep they are nested; one that
    nothing closes is dropped.

    >>> plain_text(
    ...     "'''Ada''' ({{lang|en|x}}) was [[London|a Londoner]].<ref>Book</ref>"
    ... )
    'Ada was a Londoner.'
    """
    text = _COMMENT.sub("", source)
    text = _without_elements(text)
    text = _without_brackets(text)
    text = _WEB_LINK.sub(r"\1", text)
    text = _MAIL_LINK.sub(r"\1", text)
    text = _VARIANT.sub(_variant, text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _SWITCH.sub("", _QUOTES.sub("", text))
    text = _RULE.sub("", text)
    text = html.unescape(html.unescape(text)).replace("\xa0", " ")
    text = _SPACES.sub(" ", _HOLLOW.sub("", text))
    text = _BEFORE_MARK.sub("", text)
    return _paragraphs(text)


def _variant(match: re.Match) -> str:
    """`-{zh-hans:A;zh-hant:B}-` -> `A`; `-{A}-` -> `A`."""
    first = match[1].split(";")[0]
    return first.rpartition(":")[2].strip()


def _without_elements(text: str) -> str:
    """Without the elements of `_DROPPED` and all that is in them."""
    kept, at, inside, depth = [], 0, "", 0
    for match in _OPEN_CLOSE.finditer(text):
        name = match["name"].lower()
        if inside:
            if name == inside and not match["alone"]:
                depth += -1 if match["close"] else 1
                if not depth:
                    inside, at = "", match.end()
            continue
        kept.append(text[at : match.start()])
        at = match.end()
        if not (match["close"] or match["alone"]):
            inside, depth, opened = name, 1, match.end()
    if inside:  # nothing closes it: only the mark goes
        kept.append(_OPEN_CLOSE.sub("", text[opened:]))
    else:
        kept.append(text[at:])
    return "".join(kept)


def _without_brackets(text: str) -> str:
    """Without templates and tables, and with the labels of links.

    A stack holds, for each bracket that is open, the text that was found in it.
    """
    stack: list[tuple[str, list[str]]] = [("", [])]
    at = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0].strip(" :*#\n\t")
        stack[-1][1].append(text[at : match.start()])
        at = match.end()
        if mark in _CLOSES:
            opening = _CLOSES[mark]
            if stack[-1][0] == opening:
                _, parts = stack.pop()
                if mark == "]]":
                    stack[-1][1].append(_label("".join(parts)))
            elif mark == "}}" and any(kind == "{{" for kind, _ in stack[-4:]):
                while stack[-1][0] != "{{":  # what was open in it was never closed
                    stack.pop()
                stack.pop()
            if mark == "|}":
                stack[-1][1].append("\n")
        else:
            stack.append((mark, []))
    stack[-1][1].append(text[at:])
    return "".join(part for _, parts in stack for part in parts)


_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[["}


def _label(inside: str) -> str:
    """What a link shows: nothing for pictures, categories and other languages."""
    target, bar, label = inside.partition("|")
    if target.startswith(":"):
        return label or target[1:]
    prefix, colon, _ = target.partition(":")
    if (
        colon
        and _FEW_WORDS.match(prefix.strip())
        and not target[len(prefix) + 1 :].startswith(" ")
    ):
        return ""
    return label.rpartition("|")[2] if bar and label else target.split("#")[0]


def _paragraphs(text: str) -> str:
    """Paragraphs between empty lines, headings only where text follows them."""
    pending: list[str] = []  # headings with their levels
    found: list[str] = []
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading:
            level = len(heading[1])
            while pending and len(_HEADING.match(pending[-1])[1]) >= level:
                pending.pop()
            pending.append(line)
            continue
        line = _LIST.sub("", line).strip()
        if line:
            for title in pending:
                found += ["", _HEADING.match(title)[2], ""]
            pending = []
            found.append(line)
        elif found and found[-1]:
            found.append("")
    return _BLANK.sub("\n\n", "\n".join(found)).strip()
