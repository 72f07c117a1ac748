"""Wikitext as plain text."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Collection

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
# Elements that go with what is in them
_DROPPED = (
    "ref|math|chem|gallery|timeline|score|imagemap|templatedata|table|syntaxhighlight"
    "|source|graph|hiero|mapframe|maplink|style|inputbox|categorytree|references"
)
_OPEN_CLOSE = re.compile(
    rf"<(?P<close>/?)(?P<name>{_DROPPED})\b[^<>]{{0,2000}}?(?P<alone>/?)>",
    re.I,
)
_BREAK = re.compile(
    r"<br\b[^<>]{0,200}>|</?(?:p|div|blockquote|poem|li)\b[^<>]{0,500}>", re.I
)
_TAG = re.compile(r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,2000})?/?>", re.I)
_BRACKETS = re.compile(
    r"\{\{|\}\}|(?:^|(?<=\n))[ :*#]{0,20}\{\||\n[ \t]*\|\}(?!\})|\[\[|\]\]"
)
_WEB_LINK = re.compile(
    r"\[(?:(?:https?:|ftp:)?//|mailto:)[^\s\[\]]{1,2000}(?:[ \t]+([^\[\]\n]*))?\]"
)
_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(r"__[A-Z]{3,30}__")
_LIST = re.compile(r"^[*#:;]+[ \t]*")
_RULE = re.compile(r"^-{4,}", re.M)
_VARIANT = re.compile(r"-\{(?:[^{}|]{0,200}\|)?([^{}]{0,500})\}-")
_SPACES = re.compile(r"[ \t]{2,}")
_BEFORE_MARK = re.compile(r" (?=[,.;)\]，。；）])")
_HOLLOW = re.compile(r"\([\s,;:]*+\)|（[\s，；：]*+）")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*")
_MOST_OPEN = 20  # links within each other
# Prefixes of links to pictures and categories, in all wikis and in some languages
HIDDEN = frozenset(
    [
        *("file", "image", "media", "category", "datei", "bild", "medium", "kategorie"),
        *("文件", "檔案", "档案", "图像", "圖像", "图片", "圖片", "分类", "分類"),
        *("fichier", "catégorie", "archivo", "imagen", "categoría", "immagine"),
        *("categoria", "файл", "категория", "ファイル", "画像", "カテゴリ"),
    ]
)


def plain_text(source: str, hidden: Collection[str] = HIDDEN) -> str:
    """The prose of wikitext.

    Templates, tables, references, comments, formulas, pictures with their captions,
    categories and links to other languages are removed; links become their labels;
    headings, lists and emphasis lose their marks, and a heading with nothing below it
    is removed. Brackets are matched in one pass, however deep they are nested; one that
    nothing closes is dropped.

    Args:
        source: wikitext.
        hidden: prefixes, in lower case, of links that show no text.

    >>> plain_text(
    ...     "'''Ada''' ({{lang|en|x}}) was [[London|a Londoner]].<ref>Book</ref>"
    ... )
    'Ada was a Londoner.'
    """
    text = _COMMENT.sub("", source)
    text = _without_elements(text)
    text = _without_brackets(text, hidden)
    text = _WEB_LINK.sub(r"\1", text)
    text = _VARIANT.sub(_variant, text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _SWITCH.sub("", _QUOTES.sub("", text))
    text = _RULE.sub("", text)
    text = html.unescape(text).replace("\xa0", " ")
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


def _without_brackets(text: str, hidden: Collection[str]) -> str:
    """Without templates and tables, and with the labels of links.

    A stack holds, for each bracket that is open, the text that was found in it.
    """
    stack: list[tuple[str, list[str]]] = [("", [])]
    at = links = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0].strip(" :*#\n\t")
        stack[-1][1].append(text[at : match.start()])
        at = match.end()
        if mark == "[[":
            if links < _MOST_OPEN:
                stack.append((mark, []))
                links += 1
        elif mark not in _CLOSES:
            stack.append((mark, []))
        elif stack[-1][0] == _CLOSES[mark]:
            _, parts = stack.pop()
            if mark == "]]":
                links -= 1
                stack[-1][1].append(_label("".join(parts), hidden))
        elif mark == "}}" and any(opening == "{{" for opening, _ in stack[-4:]):
            opening = ""
            while opening != "{{":  # what was open in it was never closed
                opening, _ = stack.pop()
                links -= opening == "[["
        if mark == "|}":
            stack[-1][1].append("\n")
    stack[-1][1].append(text[at:])
    return "".join(part for _, parts in stack for part in parts)


_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[["}


def _label(inside: str, hidden: Collection[str]) -> str:
    """What a link shows: nothing for pictures, categories and other languages."""
    target, _, label = inside.partition("|")
    label = label.rpartition("|")[2]
    if target.startswith(":"):
        return label or target[1:]
    prefix, colon, _ = target.partition(":")
    if colon:
        prefix = prefix.strip()
        if prefix.lower() in hidden or (not label and _LANGUAGE.fullmatch(prefix)):
            return ""
    return label or target.partition("#")[0]


def _paragraphs(text: str) -> str:
    """Paragraphs between empty lines, headings only where text follows them."""
    found: list[str] = []
    pending: list[tuple[int, str]] = []  # headings with their levels
    for line in text.split("\n"):
        if level := _level(line):
            while pending and pending[-1][0] >= level:
                pending.pop()
            pending.append((level, line.strip(" \t=")))
            continue
        line = _LIST.sub("", line).strip()
        if line:
            for _, title in pending:
                found += ["", title, ""]
            pending = []
            found.append(line)
        else:
            found.append("")
    blocks = itertools.groupby(found, bool)
    return "\n\n".join("\n".join(block) for is_text, block in blocks if is_text)


def _level(line: str) -> int:
    """2 for `== Heading ==`, and so on; 0 for other lines."""
    line = line.strip(" \t")
    if not (line.startswith("=") and line.endswith("=") and line.strip("= \t")):
        return 0
    before, after = len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("="))
    return min(before, after)
