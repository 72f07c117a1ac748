"""Text as bytes: which encoding, what is not valid in it, and the same in UTF-8."""

from __future__ import annotations

import codecs
import io
import unicodedata
from collections import Counter
from typing import BinaryIO, overload

from massivetext_keras.reading.compression import Damage

_BUFFER = 2**18
_LOOKED_AT = 2**13  # bytes of a file without a mark
_MARKS = {  # the longer ones first: that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
_FEWEST = 16  # bytes that tell UTF-16 without a mark
_ZEROS = 0.7  # of every second byte
_UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Control characters that no text has
CONTROLS = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x08\x1b"})
_BLANKS = "\t\n\v\f\r"
# The most frequent of Chinese, but for those whose bytes are two letters of ASCII
_COMMON = frozenset(
    "，。、的一是不了在人有我他这个们中大为上国和地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "這個們為國說時會對於著過發後裡種經麼學現當沒動還進樣開從實與及此日月文市者民名高新"
)
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "IDEOGRAPHIC")
_FEW = 400  # characters that are looked at first
_DIFFERENT = 3  # frequent ones, at least
_KANA = ("\u3040", "\u3081")  # that no two bytes of GB 18030 are
_RARE = ("\u3400", "\u4dbf")  # Han, extension A


def encoding_of(head: bytes, named: str = "utf-8") -> str:
    """The encoding that a byte-order mark names, or that of text full of zeros.

    Where nobody names another encoding than UTF-8, what is none may be UTF-16 or UTF-32
    without a mark: it is, if it is writing then (`_is_written`).

    Args:
        head: the first bytes of a text.
        named: of it, if its bytes do not say another.

    >>> encoding_of("a".encode("utf-16")), encoding_of(b"a"), encoding_of(b"t\\0" * 9)
    ('utf-16', 'utf-8', 'utf-16-le')
    >>> encoding_of("один, два, три".encode("utf-16-be"))
    'utf-16-be'
    """
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    head = head[: min(len(head) // 2 * 2, _LOOKED_AT)]
    if len(head) < _FEWEST:
        return named
    if b"\0" in head:
        for name, zeros, others in (
            ("utf-16-le", head[1::2], head[::2]),
            ("utf-16-be", head[::2], head[1::2]),
        ):
            if zeros.count(0) >= _ZEROS * len(zeros) and not (
                others.count(0) or 10 * controls_in(others) > len(others)
            ):
                return name
    if named in ("utf-8", "utf-8-sig") and not _is_utf8(head):
        return next((name for name in _UNMARKED if _is_text_in(head, name)), named)
    return named


def _is_text_in(head: bytes, wide: str) -> bool:
    """Whether bytes are text in UTF-16 or UTF-32; most others are told by a few."""
    is_longer = wide.startswith("utf-32")
    if len(head) < _FEWEST * (1 + is_longer):
        return False
    try:
        text = codecs.getincrementaldecoder(wide)().decode(head)
    except UnicodeDecodeError:
        return False
    return all(_is_written(part, is_longer) for part in (text[:_FEW], text))


def _is_utf8(head: bytes) -> bool:
    """Whether bytes are UTF-8, perhaps cut at the end, without the controls that no
    text has: UTF-16 has these as halves of its units."""
    if controls_in(head):
        return False
    try:
        codecs.utf_8_decode(head, "strict", False)
    except UnicodeDecodeError:
        return False
    return True


def controls_in(data: bytes) -> int:
    """How many of `CONTROLS` there are in bytes.

    >>> controls_in(b"a\\0b\\n")
    1
    """
    return len(data) - len(data.translate(None, CONTROLS))


def _is_written(text: str, sure: bool = False) -> bool:
    """Whether characters are writing, and not what other bytes look like as UTF-16.

    Its letters are of a script, and of Latin. Blanks, digits or ASCII's punctuation are
    between them, which have zeros as UTF-16, as nothing has in encodings of one or two
    bytes; or they are Chinese or Japanese, and a tenth of them kana or among the most
    frequent: two bytes of GB 18030, Shift-JIS or Latin-1 make rare ones. With ASCII
    between them there may be two scripts, and it is enough that a national standard has
    the characters.

    Args:
        sure: nothing else looks like this.

    >>> _is_written("один, два"), _is_written("天地玄黄、日本の文字")
    (True, True)
    >>> _is_written("敨汬\u206f潷汲")  # hello world
    False
    """
    counts = Counter(text)
    plain = sum(count for x, count in counts.items() if x < "\x80")
    common = [
        count for x, count in counts.items() if x in _COMMON or _KANA[0] < x < _KANA[1]
    ]
    is_chinese = len(common) >= _DIFFERENT and 10 * sum(common) >= len(text) - plain
    has_ascii = 100 * plain >= len(text)
    if not (is_chinese or has_ascii or sure):
        return False
    scripts: Counter[str] = Counter()
    unknown, chinese = 0, ""
    for character, count in counts.items():
        kind = unicodedata.category(character)
        is_rare = kind in ("Cc", "Cn", "Co") or _RARE[0] <= character <= _RARE[1]
        if is_rare and character not in _BLANKS:
            unknown += count if character != "\0" else len(text)
        elif kind[0] in "LM" and character >= "\x80":
            script = unicodedata.name(character, "").partition(" ")[0]
            if script in _CJK:
                script, chinese = "CJK", chinese + character
            scripts[script] += count
    letters = sum(scripts.values())
    if 100 * unknown > len(text):
        return False
    if not letters:
        return 2 * plain >= len(text)
    main = {script for script, _ in scripts.most_common(1 + has_ascii)} | {"LATIN"}
    if 20 * sum(scripts[script] for script in main) < 19 * letters:
        return False
    return "CJK" not in main or is_chinese or sure or _is_standard(chinese)


def _is_standard(characters: str) -> bool:
    """Whether Chinese or Japanese characters are in use, as a third of all are."""
    return len(characters) > _DIFFERENT and any(
        20 * len(characters.encode(name, "ignore").decode(name)) >= 19 * len(characters)
        for name in ("gb2312", "shift_jis")
    )


def decode(data: bytes, encoding: str = "utf-8") -> tuple[str, int]:
    """The text of bytes without a byte-order mark, and how many were not valid.

    Each run of bytes that are not valid becomes U+FFFD, as `errors="replace"` does. A
    mark says more than the name of an encoding.

    Args:
        data: a whole text.
        encoding: of it.

    >>> decode(b"caf\\xe9 au lait")
    ('caf\\ufffd au lait', 1)
    """
    encoding = encoding_of(data, encoding)
    if encoding == "utf-8":
        return decode_line(data)
    try:
        return data.decode(encoding).removeprefix("\ufeff"), 0
    except UnicodeDecodeError:
        valid = data.decode(encoding, "ignore")
        invalid = len(data) - len(valid.encode(encoding))
        text = data.decode(encoding, "replace").removeprefix("\ufeff")
        return text, max(invalid, 1)


def decode_line(data: bytes) -> tuple[str, int]:
    """A part of a text in UTF-8 without a mark, and how many bytes were not valid.

    >>> decode_line(b"\\xef\\xbb\\xbf{}")
    ('{}', 0)
    """
    try:
        text, invalid = data.decode(), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        invalid = max(len(data) - len(data.decode("utf-8", "ignore").encode()), 1)
    return text.removeprefix("\ufeff"), invalid


@overload
def valid(text: str) -> str: ...


@overload
def valid(text: None) -> None: ...


def valid(text):
    """A text that UTF-8 has a form for: U+FFFD for half of a surrogate pair.

    >>> valid("a\\ud83d"), valid("\\ud83d\\ude00")
    ('a\\ufffd', '😀')
    """
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_utf8(stream: BinaryIO, encoding: str = "utf-8") -> io.BufferedReader:
    """The same text in UTF-8, in lines that end in `\\n`.

    Where `\\r` alone ends lines it becomes `\\n`; `\\r\\n` stays. Bytes that are not
    valid in their encoding are not valid in UTF-8 either: those who decode the lines
    count them.

    Args:
        stream: of bytes.
        encoding: of them, if no mark says another.

    >>> list(as_utf8(io.BytesIO("für\\rdich".encode("utf-16"))))
    [b'f\\xc3\\xbcr\\n', b'dich']
    """
    stream = buffered(stream)
    encoding = encoding_of(stream.peek(_LOOKED_AT), encoding)
    if encoding not in ("utf-8", "utf-8-sig"):
        stream = _recoded(stream, encoding)
    head = stream.peek(_LOOKED_AT)
    if b"\r" in head[:-1] and b"\n" not in head:
        stream = with_newlines(stream)
    return stream


def with_newlines(stream: BinaryIO) -> io.BufferedReader:
    """The same text in UTF-8 with `\\n` for each `\\r`.

    >>> with_newlines(io.BytesIO(b"one\\rtwo")).read()
    b'one\\ntwo'
    """
    return _recoded(buffered(stream))


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """A stream whose first bytes can be seen before they are read."""
    if hasattr(stream, "peek"):
        return stream  # type: ignore[return-value]  # whatever class has it
    return io.BufferedReader(stream, _BUFFER)  # type: ignore[arg-type]  # has readinto


def _recoded(
    stream: io.BufferedReader, encoding: str | None = None
) -> io.BufferedReader:
    return io.BufferedReader(_Recoded(stream, encoding), _BUFFER)


def _passed_on(error: UnicodeError) -> tuple[str, int]:
    """What is not valid as bytes that are not valid in UTF-8 (PEP 383)."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.startswith(("utf-16", "utf16", "utf-32", "utf32")):
        return "\udcff", error.end  # a unit
    data = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + max(byte, 0x80)) for byte in data), error.end


_INVALID = "massivetext_keras.invalid"
codecs.register_error(_INVALID, _passed_on)


class _Recoded(io.RawIOBase):
    """The bytes of a stream in UTF-8, or, without an encoding, with `\\n` for `\\r`."""

    def __init__(self, stream: io.BufferedReader, encoding: str | None = None):
        self._stream, self._left = stream, b""
        self._decoder = None
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding)(_INVALID)

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        while not self._left:
            data = self._stream.read1(_BUFFER)
            self._left = self._recode(data)
            if not data:
                break
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def _recode(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data.replace(b"\r", b"\n")
        text = self._decoder.decode(data, final=not data)
        return text.encode("utf-8", "surrogateescape")

    @property
    def damages(self) -> list[Damage]:
        return getattr(getattr(self._stream, "raw", None), "damages", [])

    def go_on(self) -> bool:
        go_on = getattr(getattr(self._stream, "raw", None), "go_on", None)
        return bool(go_on and go_on())

    def close(self) -> None:
        self._stream.close()
        super().close()
