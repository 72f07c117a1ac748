"""Plain text: a file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.streams import decode_line, read_whole


@format(suffixes=[".txt", ".text", ".md", ".rst"], textual=True, is_one=True)
def text(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads a file of plain text; line ends become `\\n`."""
    data = read_whole(stream, options.max_document_bytes)
    if data is None:
        yield options.too_large()
        return
    text, invalid = decode_line(data)
    document = Document(text.replace("\r\n", "\n").replace("\r", "\n"))
    if invalid:
        document.columns["invalid_bytes"] = invalid
    yield document
