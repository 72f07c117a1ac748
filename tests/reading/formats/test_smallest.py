"""The smallest file of each format is a document, and an empty one is none."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.reading.document import Document
from tests.reading.formats.test_formats import COMPRESS, OWN, brief, rows_of


def parquet(text: str) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": [text]}), file)
    return file.getvalue()


# Of each format a file with one document, "one", and what an empty file is.
SMALLEST = {
    "text": (b"one", ["empty"]),
    "jsonl": (b'{"text": "one"}', []),
    "csv": (b"text\none", []),
    "tsv": (b"text\none", []),
    "parquet": (parquet("one"), ["damaged"]),
    "html": (b"one", ["empty"]),
    "warc": (
        b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\n"
        b"WARC-Target-URI: http://a.org/\r\nContent-Length: 3\r\n\r\none\r\n\r\n",
        [],
    ),
    "mediawiki": (
        b"<mediawiki><page><title>a</title><ns>0</ns><id>1</id><revision><id>2</id>"
        b"<model>wikitext</model><format>text/x-wiki</format><text>one</text>"
        b"</revision></page></mediawiki>",
        ["damaged"],
    ),
    "gettext": (b'msgid "a"\nmsgstr "one"', ["empty"]),
    "code": (b"one", ["empty"]),
}


@pytest.mark.parametrize("name", OWN)
def test_the_smallest_file_and_an_empty_one(tmp_path, name):
    smallest, of_nothing = SMALLEST[name]
    # Parquet is read from its end, to which no compressed stream can jump.
    for suffix in [""] if name == "parquet" else COMPRESS:
        compress, path = COMPRESS[suffix], tmp_path / f"a{suffix}"
        [row] = rows_of(path, compress(smallest), format=name)
        assert isinstance(row, Document) and row.text == "one"
        assert brief(rows_of(path, compress(b""), format=name)) == of_nothing
    assert brief(rows_of(tmp_path / "a.gz", b"", format=name)) == of_nothing
