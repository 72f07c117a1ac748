"""What is no text, by the first bytes of a file, whatever its name says."""

from __future__ import annotations

import re

_UNPACK = "unpack it first"
_CONVERT = "convert it to text first"
# What begins so is no text; for people, what it is and what to do about it.
_BINARY = [
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
    (rb"\xff\x06\0\0sNaPpY", "Snappy data", "decompress it first"),
    (rb"\s{0,1024}%PDF-\d", "a PDF document"),
    (rb"%!PS-Adobe", "a PostScript document"),
    (rb"\{\\rtf\d", "an RTF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.doc, .xls, .ppt)"),
    (rb"SQLite format 3\0", "an SQLite database"),
    (rb"ARROW1\0\0", "an Arrow file", "convert it to Parquet first"),
    (rb"PAR1[^ -~\s]", "a Parquet file", "give its format, parquet"),
    (rb"PARE.{0,3}\0", "an encrypted Parquet file", "decrypt it first"),
    (rb"ORC[^ -~\s]", "an ORC file", "convert it to Parquet first"),
    (rb"Obj\x01", "an Avro file", "convert it to Parquet first"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (rb"\x93NUMPY", "a NumPy array", _CONVERT),
    (rb"\x89PNG\r\n\x1a\n|GIF8[79]a|\xff\xd8\xff|II\*\0|MM\0\*", "a picture", None),
    (rb"RIFF.{4}WEBP", "a picture", None),
    (rb"RIFF.{4}WAVE|ID3[\x02-\x04]|fLaC\0|OggS\0", "a sound", None),
    (rb"\0\0\0.ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", "a film", None),
    (rb"\x7fELF|MZ.{0,60}\0\0|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program", None),
]
_BINARY = [
    (re.compile(pattern, re.S), what, *(advice or [_CONVERT]))
    for pattern, what, *advice in _BINARY
]
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\f\r\x0b\x08\x1b"})
_FEWEST, _MOST = 64, 2**13  # bytes that are looked at
_MOST_CONTROLS = 0.1  # of them


def is_binary(head: bytes) -> str | None:
    """What a file is that holds no text, and what to do; None for one that may.

    Args:
        head: its first bytes, decompressed.

    >>> is_binary(b"%PDF-1.7"), is_binary("für".encode())
    ('a PDF document: convert it to text first', None)
    """
    for pattern, what, advice in _BINARY:
        if pattern.match(head):
            return f"{what}: {advice}" if advice else what
    return None


def is_noise(head: bytes) -> bool:
    """Whether bytes in UTF-8 or another encoding with one byte for ASCII are no text.

    >>> is_noise(bytes(100)), is_noise(b"a\\0b")
    (True, False)
    """
    head = head[:_MOST]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return len(head) >= _FEWEST and controls > _MOST_CONTROLS * len(head)
