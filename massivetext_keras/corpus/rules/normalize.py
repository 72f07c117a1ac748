"""Text as it was meant: encodings mended, Unicode composed, white space in order."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Literal

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.support.arguments import Share
from massivetext_keras.support.extras import need

# What of Unicode has no place in a text. Joiners (Persian, Hindi, emoji) and marks of
# direction have one.
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # C0 and C1, but for white space
    "\xad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb"  # soft hyphens, zero width
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates
    "\ufdd0-\ufdef\ufffe\uffff]"  # no characters at all
)
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f]")
_WIDE_INDENT = re.compile("^[ \t\u3000]*\u3000[ \t\u3000]*", re.M)
# Neither tries a run of blanks again from each of its places.
_TRAILING = re.compile("(?<![ \t\u3000])[ \t\u3000]++\n")
_RUN = re.compile(r"(?<=[^ \t\n])[ \t]{2,}")
_EMPTY_LINES = re.compile(r"\n{3,}")
_CODE_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MOST_PASSES = 20


@rule
def normalize(
    batch: Batch,
    *,
    form: Literal["NFC", "NFKC"] = "NFC",
    mojibake: bool = True,
    max_invalid: Share | None = 0.01,
) -> list[Check]:
    """Normalises texts; doing it again changes nothing.

    In this order: text that was decoded in the wrong encoding is mended (ftfy: Speer,
    2019), line ends become `\\n`, controls, soft hyphens and characters of no width are
    removed, spaces of any width become one space (kept at the beginning of a line, and
    removed there if they are ideographic), lines lose the blanks at their end, two
    empty lines and more become one, and what can be composed is composed (UAX 15).

    Of code, only line ends and controls are changed. Pages that are still HTML are left
    alone.

    Args:
        batch: its texts are rewritten.
        form: "NFC", or "NFKC" for what is merely compatible too, such as ﬁ and ２.
        mojibake: mend it, "fÃ¼r" to "für".
        max_invalid: share of U+FFFD in a text, 0 to 1, above which it is dropped; None
            for any.

    Returns:
        `invalid`, the share of U+FFFD.

    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch([Document("fÃ¼r\\u200b  dich\\r\\n\\n\\n\\nHe\\u0301 \\n")])
    >>> _ = normalize(batch)
    >>> batch.texts
    ['für dich\\n\\nHé']
    """
    texts = []
    for document in batch.documents:
        if document.kind == "html":
            texts.append(document.text)
        elif document.kind == "code":
            texts.append(_code(document.text))
        else:
            texts.append(_prose(document.text, form, mojibake))
    batch.rewrite(texts)
    invalid = [text.count("\ufffd") / max(len(text), 1) for text in texts]
    return [Check("invalid", np.array(invalid), at_most=max_invalid)]


def _code(text: str) -> str:
    text = _SURROGATES.sub("\ufffd", text)
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _CODE_CONTROLS.sub("", text)


def _prose(text: str, form: Literal["NFC", "NFKC"], mojibake: bool) -> str:
    # What is removed may bring together what looks like mojibake, so again.
    for _ in range(_MOST_PASSES):
        suspect = mojibake and not text.isascii() and _suspicious().search(text)
        mended = _mend(text) if suspect else text
        clean = _clean(mended, form)
        if clean == text or not (mojibake and _suspicious().search(clean)):
            return clean
        text = clean
    return text


def _clean(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """Everything but mojibake."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
        text = _BLANKS.sub(" ", text)
    text = _CONTROLS.sub("", _BREAKS.sub("\n", text))
    if not text.isascii():
        if not unicodedata.is_normalized(form, text):
            text = unicodedata.normalize(form, text)
        text = _WIDE_INDENT.sub("", text)
    text = text.rstrip(" \t\n\u3000")
    if any(end in text for end in (" \n", "\t\n", "\u3000\n")):
        text = _TRAILING.sub("\n", text)
    if "  " in text or "\t" in text:
        text = _RUN.sub(" ", text)
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.lstrip("\n")


def _mend(text: str) -> str:
    """With the lines that look like mojibake mended, each by itself."""
    search, fix = _suspicious().search, need("ftfy").fix_encoding
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not line.isascii() and search(line + "\n"):
            lines[index] = fix(line)
    return "\n".join(lines)


@functools.cache
def _suspicious() -> re.Pattern:
    """What any text that ftfy would mend matches, and few others do.

    Of the patterns of its `badness` only some need one character that is not ASCII: C1
    controls, Â and Ã before a space, œ before no letter. The others need two such
    characters of its categories next to each other, one of them at least neither a
    small letter with an accent, nor of Greek or Cyrillic, nor common punctuation.
    """
    categories = need("ftfy.badness").MOJIBAKE_CATEGORIES
    common = ("lower_accented", "lower_common", "upper_common", "common", "kaomoji")
    rare = "".join(value for name, value in categories.items() if name not in common)
    rare += "Ù\u0402\xb5"
    every = "".join(categories.values()) + rare
    return re.compile(
        f"[{every}](?:(?<=[{categories['c1']}])|(?<=[ÂÃ]) |(?<=[Œœ])(?![A-Za-z])"
        f"|(?<=[{rare}])[{every}]|[{rare}])"
    )
