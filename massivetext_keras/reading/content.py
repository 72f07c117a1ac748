"""What is no text, by the first bytes of a file, whatever its name says."""

from __future__ import annotations

import io
import re

from massivetext_keras.reading.encodings import (
    CONTROLS,
    as_utf8,
    controls_in,
    encoding_of,
)

_UNPACK = "unpack it first"
_CONVERT = "convert it to text first"
# What begins so is no text; for people, what it is and what to do about it.
_KNOWN: list[tuple[bytes, str] | tuple[bytes, str, str | None]] = [
    (rb"PK\x03\x04.{26}word/|PK\x03\x04.{0,4000}word/document\.xml", "a Word document"),
    (rb"PK\x03\x04.{0,4000}xl/(?:workbook|worksheets)", "an Excel workbook"),
    (rb"PK\x03\x04.{0,4000}ppt/", "a PowerPoint presentation"),
    (rb"PK\x03\x04.{26}mimetypeapplication/epub", "an EPUB book"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument file"),
    (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb".{257}ustar[\0 ]", "a tar archive", _UNPACK),
    (rb"!<arch>\n", "an ar archive", _UNPACK),
    (rb"MSCF\0\0\0\0", "a CAB archive", _UNPACK),
    (rb"\x04\x22\x4d\x18", "LZ4 data", "decompress it first"),
    (rb"\x1f[\x9d\xa0]", "data of compress (.Z)", "decompress it first"),
    (rb"\x1f\x8b\x08[\0-\x1f]", "gzip data inside gzip data", "decompress it first"),
    (rb"LZIP\x01", "lzip data", "decompress it first"),
    (rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}", "a cpio archive", _UNPACK),
    (rb"\xc7\x71.{19}\0|\x71\xc7.{18}\0", "a cpio archive", _UNPACK),
    (rb"\xff\x06\0\0sNaPpY", "Snappy data", "decompress it first"),
    (rb"\s{0,1024}%PDF-\d", "a PDF document"),
    (rb"%!PS-Adobe", "a PostScript document"),
    (rb"\{\\rtf\d", "an RTF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.doc, .xls, .ppt)"),
    (rb".{31}\0.{28}(?:BOOKMOBI|TEXtREAd)", "a MOBI book"),
    (rb"SQLite format 3\0", "an SQLite database"),
    (
        rb"ARROW1\0\0|FEA1[^ -~\s]|\xff{4}.{3}\0",
        "an Arrow file",
        "convert it to Parquet first",
    ),
    (rb"PAR1[^ -~\s]", "a Parquet file", "give its format, parquet"),
    (rb"PARE.{0,3}\0", "an encrypted Parquet file", "decrypt it first"),
    (rb"ORC[^ -~\s]", "an ORC file", "convert it to Parquet first"),
    (rb"Obj\x01", "an Avro file", "convert it to Parquet first"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (rb"\x93NUMPY", "a NumPy array", _CONVERT),
    (
        rb"\x80[\4\5]\x95.{6}\0\0"
        rb"|\x80[\2\3](?:[\]})]q\0|\(?X.{3}\0|c[\w.]{1,99}\n|\x8a\x0a)",
        "a Python pickle",
        _CONVERT,
    ),
    (rb"[^\0].{3}\0{4}.{4}\n", "a file of TFRecords", _CONVERT),
    (rb"GGUF[\1-\x0f]\0\0\0|.{6}\0\0\{\"", "the weights of a model", None),
    (
        rb"\x89PNG\r\n\x1a\n|GIF8[79]a.{6}\0|\xff\xd8\xff|II\*\0|MM\0\*",
        "a picture",
        None,
    ),
    (rb"RIFF.{4}WEBP", "a picture", None),
    (rb"RIFF.{4}WAVE|ID3[\x02-\x04]|fLaC\0|OggS\0", "a sound", None),
    (rb"\0\0\0.ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", "a film", None),
    (rb"\x7fELF|MZ.{0,60}\0\0|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program", None),
]
_BINARY = [
    (re.compile(known[0], re.S), known[1], known[2] if len(known) > 2 else _CONVERT)
    for known in _KNOWN
]
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # more of them, which no keyboard has
_FEWEST, _MOST = 64, 2**13  # bytes that are looked at
_MOST_CONTROLS = 0.1  # of them
# The same of what is not UTF-8: other encodings of text have no controls either, but
# one or two that separate fields
_MOST_BESIDE, _MOST_INVALID, _MOST_KINDS = 0.02, 0.1, 2
_NUMBER = b"\0\0\0"  # a small number of four bytes: files of numbers begin with some


def not_text(head: bytes, encoding: str = "utf-8") -> str | None:
    """What a file is that holds no text, and what to do; None for one of text.

    Args:
        head: its first bytes, decompressed.
        encoding: of it if it is text, and if no mark says another.

    >>> not_text(b"%PDF-1.7"), not_text(bytes(range(256)))
    ('a PDF document: convert it to text first', 'binary data')
    >>> not_text("für".encode("utf-16"))
    """
    if what := is_binary(head):
        return what
    head = head[:_MOST]
    is_recoded = encoding_of(head, encoding) not in ("utf-8", "utf-8-sig")
    if is_recoded:
        head = as_utf8(io.BytesIO(head), encoding).read()
    return "binary data" if is_noise(head, is_recoded) else None


def is_binary(head: bytes) -> str | None:
    """What a file is by what it begins with, and what to do; None if it may be text.

    Args:
        head: its first bytes, decompressed.

    >>> is_binary(b"%PDF-1.7"), is_binary("für".encode())
    ('a PDF document: convert it to text first', None)
    """
    for pattern, what, advice in _BINARY:
        if pattern.match(head):
            return f"{what}: {advice}" if advice else what
    return None


def is_noise(head: bytes, is_recoded: bool = False) -> bool:
    """Whether bytes in UTF-8 or another encoding with one byte for ASCII are no text.

    Control characters tell: many of them; or numbers of four bytes at the beginning; or
    some of several kinds beside bytes that are not UTF-8. Compressed, encrypted and
    random data have a tenth of them, but text in Latin-1, KOI8-R, GB18030, Shift-JIS or
    EUC-KR has none, however little of it is UTF-8. Less than 64 bytes are text.

    Args:
        head: the first bytes.
        is_recoded: from an encoding in which all bytes are valid, so that the control
            characters that Unicode took from Latin-1 stand for bytes that are not.

    >>> (
    ...     is_noise(bytes(100)),
    ...     is_noise(b"a\\0b"),
    ...     is_noise("привет ".encode("koi8-r") * 9),
    ... )
    (True, False, False)
    """
    head = head[:_MOST]
    controls = controls_in(head)
    if not controls or len(head) < _FEWEST:
        return False
    if controls > _MOST_CONTROLS * len(head) or _NUMBER in head[:_FEWEST]:
        return True
    if controls <= _MOST_BESIDE * len(head):
        return False
    valid = head.decode("utf-8", "ignore").encode()
    invalid = len(head) - len(_C1.sub(b"", valid) if is_recoded else valid)
    kinds = len({*head}.intersection(CONTROLS))
    return kinds > _MOST_KINDS and invalid > _MOST_INVALID * len(head)
