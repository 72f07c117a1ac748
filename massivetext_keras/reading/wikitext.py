"""Wikitext as plain text.

It is not left to mwparserfromhell 0.7, whose `strip_code` keeps references, captions of
pictures, categories and the spaces of templates, and reads 0.07 MB/s, not 1.0.
"""

from __future__ import annotations

import html
import itertools
import re
from collections import defaultdict
from collections.abc import Collection
from html.entities import html5

from massivetext_keras.reading.exponents import with_exponents

# What was left out stands as _GONE, so that the blanks around it can go too; what is
# shown as it is written, as the number of it.
_GONE = "\x01"
_KEPT = re.compile("\x02(\\d+)\x03")
_RESERVED = "\x01\x02\x03"
# Elements in which nothing is wikitext, up to the first mark that closes them
_SHOWN = "nowiki|pre"
_RAW = (
    "math|chem|ce|gallery|timeline|score|imagemap|templatedata|syntaxhighlight|source"
    "|graph|hiero|mapframe|maplink|inputbox|categorytree|templatestyles|includeonly"
)
_NESTED = "ref|references|table|style"
_ELEMENT = re.compile(
    rf"<!--|<(?P<close>/?)(?P<name>{_SHOWN}|{_RAW}|{_NESTED})(?=[\s/>])"
    r"[^<>]{0,2000}?(?P<alone>/?)>",
    re.I,
)
_ENDS = {
    "!--": re.compile("-->"),
    **{
        name: re.compile(rf"</{name}\s*>", re.I)
        for name in f"{_SHOWN}|{_RAW}".split("|")
    },
}
_TO_THE_END = ("!--", "includeonly")  # without a mark that closes them
_NOWIKI = re.compile(r"</?nowiki\s*/?>", re.I)
_PARAMETER = re.compile(r"\{\{\{[^{}|]{0,200}(?:\|([^{}|]{0,500}))?\}\}\}")
# One letter is a variable as well: a<b and b>c
_ATTRIBUTES = r"(?:\s[^<>=]{0,500}=[^<>]{0,2000}|\s*/?)"
_BREAK = re.compile(
    rf"</?(?:br|hr)\b[^<>]{{0,200}}>|</?p{_ATTRIBUTES}>"
    r"|</?(?:div|blockquote|poem|li|dd|dt|center|h[1-6])(?=[\s/>])[^<>]{0,500}>",
    re.I,
)
# The elements of HTML and of extensions that MediaWiki knows; another one is text.
_TAG = re.compile(
    "</?(?:(?:abbr|bdi|bdo|big|caption|cite|code|data|del|dfn|dl|em|font|indicator|ins"
    "|kbd|langconvert|link|mark|meta|noinclude|nowiki|ol|onlyinclude|includeonly|rb"
    "|rp|rt|rtc|ruby|samp|section|small|span|strike|strong|sub|sup|td|th|time|tr"
    f"|translate|tt|tvar|ul|var|wbr|{_SHOWN}|{_RAW}|{_NESTED})"
    rf"(?=[\s/>|])[^<>]{{0,2000}}|[bipqsu]{_ATTRIBUTES})>",
    re.I,
)
_BRACKETS = re.compile(
    r"\{\{|\}\}|(?:^|(?<=\n))[ :*#]{0,20}\{\||\n[ \t]*\|\}(?!\})|\[\[|\]\]"
)
_WEB_LINK = re.compile(
    r"\[(?:(?:https?:|ftp:)?//|mailto:)[^\s\[\]]{1,2000}(?:[ \t]+([^\[\]\n]*))?\]"
)
_QUOTES = re.compile(r"('{2,})")
_SWITCH = re.compile(
    "__(?:(?:NO|FORCE)?TOC|NOEDITSECTION|(?:NO)?NEWSECTIONLINK|NOGALLERY|HIDDENCAT|NOCC"
    "|EXPECTUNUSED(?:CATEGORY|TEMPLATE)|NO(?:CONTENT|TITLE)CONVERT|NOTC|START|END"
    "|(?:NO)?INDEX|STATICREDIRECT|NOGLOBAL|DISAMBIG|ARCHIVEDTALK|NOTALK"
    "|(?:KEIN_)?INHALTSVERZEICHNIS(?:_ERZWINGEN)?|ABSCHNITTE_NICHT_BEARBEITEN"
    "|BEGRIFFSKLÄRUNG|SOMMAIRE|(?:AUCUN|SANS|FORCER)SOMMAIRE|TDC|NOTDC|FORZARTDC"
    "|INDICE|NOINDICE|FORZAINDICE|ОГЛ(?:АВЛЕНИЕ)?|БЕЗ_?ОГЛ(?:АВЛЕНИЯ)?|目次|目次非表示"
    "|目次強制|目录|无目录|無目錄)__"
)
_LIST = re.compile(r"^[*#:;]+[ \t]*")
_RULE = re.compile(r"^-{4,}", re.M)
_VARIANT = re.compile(r"-\{(?:[^{}|]{0,200}\|)?([^{}]{0,500})\}-")
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
)
_SPACES = re.compile(r"[ \t]{2,}")
# Brackets, and what separates what is in them, or in a sentence
_OPENS, _SHUTS = tuple("(（"), tuple(")）")
_SIGNS = ",;:，；："
_BEHIND = (*_SHUTS, *",;，；")
# Beside these no space is needed where something was left out; but .NET and .50 begin
_BEGINS = ("\n", "[", *_OPENS)
_ENDS_HERE = re.compile(rf"[\n\]。{''.join(_BEHIND)}]|\.(?![^\W_])")
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
    nothing closes is dropped. Emphasis is what MediaWiki takes for it, so that other
    apostrophes stay; what is in nowiki and pre is shown as it is written.

    Args:
        source: wikitext.
        hidden: prefixes, in lower case, of links that show no text.

    >>> plain_text(
    ...     "'''Ada''' ({{lang|en|x}}) was [[London|a Londoner]].<ref>Book</ref>"
    ... )
    'Ada was a Londoner.'
    >>> plain_text("the ''Titanic'''s crew")
    "the Titanic's crew"
    """
    kept: list[str] = []
    if any(mark in source for mark in _RESERVED):
        source = source.translate(dict.fromkeys(map(ord, _RESERVED)))
    text = _without_elements(source, kept)
    if "{{{" in text:
        text = _PARAMETER.sub(r"\1", text)
    text = text.replace("{{!}}", "|")
    text = _without_brackets(text, hidden)
    text = _WEB_LINK.sub(lambda match: match[1] or _GONE, text)
    text = _VARIANT.sub(_variant, with_exponents(text))
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _SWITCH.sub("", text)
    if "''" in text:
        text = "\n".join(map(_without_quotes, text.split("\n")))
    if "----" in text:
        text = _RULE.sub("", text)
    text = _with_characters(text)
    if "  " in text or "\t" in text:
        text = _SPACES.sub(" ", text)
    text = _paragraphs(_closed_up(text))
    return _KEPT.sub(lambda match: kept[int(match[1])], text) if kept else text


def _with_characters(text: str) -> str:
    """Entities as characters: those that end in a semicolon, as MediaWiki has it."""
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    return text.replace("\xa0", " ")


def _character(match: re.Match) -> str:
    name = match[0][1:]
    return html.unescape(match[0]) if name[0] == "#" else html5.get(name, match[0])


def _closed_up(text: str) -> str:
    """Without the marks of what was left out, and what stood around it alone.

    A space stays where one was beside it, but at the ends of lines, after an opening
    bracket and before what closes. Brackets in which nothing is left go, and so does
    what separated it from others: `(_; 1900, _)` is `(1900)`.
    """
    before, *rest = text.split(_GONE)
    parts: list[str] = []
    spaced = False
    for left, after in zip(range(len(rest) - 1, -1, -1), rest, strict=True):
        spaced |= before.endswith(" ") or after.startswith(" ")
        before, after = before.rstrip(" "), after.lstrip(" ")
        if before.endswith(_OPENS):
            after = after.lstrip(_SIGNS + " ")
        if after.startswith(_BEHIND):
            before = before.rstrip(_SIGNS + " ")
        if before.endswith(_OPENS) and after.startswith(_SHUTS):
            before, after = before[:-1], after[1:]
            spaced |= before.endswith(" ") or after.startswith(" ")
            before, after = before.rstrip(" "), after.lstrip(" ")
        if not after and left:
            continue  # what follows is left out, too
        is_edge = not before or before.endswith(_BEGINS) or not after
        is_edge = is_edge or bool(_ENDS_HERE.match(after))
        parts += [before, " " if spaced and not is_edge else ""]
        before, spaced = after, False
    return "".join([*parts, before])


def _without_quotes(line: str) -> str:
    """A line without the marks of emphasis, as MediaWiki finds them (Parser, doQuotes).

    Two are for italics, three for bold, five for both; more, and the first of four, are
    apostrophes. Where both kinds are left open, one for bold begins with an apostrophe:
    that behind a word of one letter, or another word, or a space.
    """
    parts = _QUOTES.split(line)
    if len(parts) == 1:
        return line
    sizes = {}
    for place in range(1, len(parts), 2):
        size = len(parts[place])
        right = 3 if size == 4 else min(size, 5)
        parts[place - 1] += "'" * (size - right)
        sizes[place], parts[place] = right, ""
    bold = [place for place, size in sizes.items() if size == 3]
    italics = sum(size in (2, 5) for size in sizes.values())
    if italics % 2 and sum(size in (3, 5) for size in sizes.values()) % 2 and bold:
        parts[_apostrophe(parts, bold) - 1] += "'"
    return "".join(parts)


def _apostrophe(parts: list[str], bold: list[int]) -> int:
    """Which of the marks for bold has an apostrophe for its first character."""
    other = space = 0
    for place in bold:
        before = parts[place - 1]
        if before[-1:] == " ":
            space = space or place
        elif before[-2:-1] == " ":
            return place
        else:
            other = other or place
    return other or space


def _variant(match: re.Match) -> str:
    """`-{zh-hans:A;zh-hant:B}-` -> `A`; `-{A}-` -> `A`."""
    first = match[1].split(";")[0]
    return first.rpartition(":")[2].strip()


def _without_elements(text: str, kept: list[str]) -> str:
    """Without the elements that show no prose, and without comments.

    Of `_NESTED` elements a mark that closes belongs to the last that opens; one that
    nothing closes, or that closes nothing, is left for `_TAG`.

    Args:
        text: wikitext.
        kept: gets what is shown as it is written; a number stands for it.
    """
    gone: list[tuple[int, int, str]] = []  # start, end, what stands there instead
    opened: dict[str, list[int]] = defaultdict(list)
    unclosed: set[str] = set()
    at = 0
    while match := _ELEMENT.search(text, at):
        start, at = match.span()
        name = (match["name"] or "!--").lower()
        if name in _ENDS:
            if not (match["close"] or name in unclosed):
                end, at, shown = _raw(text, match, name, kept)
                if end is None:
                    unclosed.add(name)
                else:
                    gone.append((start, end, shown))
        elif match["alone"]:
            gone.append((start, at, _GONE))
        elif not match["close"]:
            opened[name].append(start)
        elif opened[name]:
            start = opened[name].pop()
            while gone and gone[-1][0] > start:
                gone.pop()
            for starts in opened.values():
                while starts and starts[-1] > start:
                    starts.pop()
            gone.append((start, at, _GONE))
    parts, at = [], 0
    for start, end, shown in gone:
        parts += [text[at:start], shown]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _raw(
    text: str, match: re.Match, name: str, kept: list[str]
) -> tuple[int | None, int, str]:
    """Where an element ends (None: nowhere), where to go on, and what it shows."""
    begin = end = match.end()
    inside = ""
    if not (match["close"] is not None and match["alone"]):
        closing = _ENDS[name].search(text, begin)
        if closing is None and name not in _TO_THE_END:
            return None, begin, ""
        end = closing.end() if closing else len(text)
        inside = text[begin : closing.start() if closing else len(text)]
    if name == "!--":
        return end, end, ""
    if name not in ("nowiki", "pre"):
        return end, end, _GONE
    kept.append(_with_characters(_NOWIKI.sub("", inside) if name == "pre" else inside))
    mark = f"\x02{len(kept) - 1}\x03"
    return end, end, f"\n{mark}\n" if name == "pre" else mark


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
            elif mark == "}}":
                stack[-1][1].append(_GONE)
        elif mark == "}}" and any(opening == "{{" for opening, _ in stack[-4:]):
            opening = ""
            while opening != "{{":  # what was open in it was never closed
                opening, _ = stack.pop()
                links -= opening == "[["
            stack[-1][1].append(_GONE)
        if mark == "|}":
            stack[-1][1].append("\n")
    stack[-1][1].append(text[at:])
    return "".join(part for _, parts in stack for part in parts)


_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[["}


def _label(inside: str, hidden: Collection[str]) -> str:
    """What a link shows: nothing for pictures, categories and other languages."""
    target, _, label = inside.partition("|")
    if target.startswith(":"):
        return label or target[1:]
    prefix, colon, _ = target.partition(":")
    if colon:
        prefix = prefix.strip()
        if prefix.lower() in hidden or (not label and _LANGUAGE.fullmatch(prefix)):
            return _GONE
    return label or target.partition("#")[0] or target


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
