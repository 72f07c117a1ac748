"""What is read of files: documents, and problems in the place of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(slots=True)
class Document:
    """A text, where it is from and what is known of it.

    Args:
        text: of the document; the whole page where `kind` is "html".
        subset: of the corpus, such as "web" or "books".
        source: the file that it is from, relative to where the search for it began.
        position: of the document in that file, from 0.
        url: where it was published, if that is known.
        kind: "text"; "html", which `extraction` makes text; "code", for which no rule
            made for prose holds.
        language: ISO 639-1 code, once a step identified it.
        columns: what else is kept beside the text; plain values.
        halves: of surrogate pairs, that became U+FFFD; a corpus does not keep it.
    """

    text: str
    subset: str = ""
    source: str = ""
    position: int = 0
    url: str | None = None
    kind: str = "text"
    language: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    halves: int = field(default=0, repr=False)


REASONS = {
    "too_large": "a document of more than max_document_bytes",
    "empty": "a document without text",
    "bad_record": "a record that cannot be parsed",
    "no_text": "a record without the field that holds the text",
    "no_page": "a response of a server that is no page: an error, a picture",
    "damaged": "a file that is not what its suffix says, or a damaged part of it",
    "unreadable": "a file that cannot be opened or read",
    "stopped": "the rest of a file whose reader crashed or hung",
}


class Problem(NamedTuple):
    """What was not read, and why.

    Attributes:
        source: the file, as `Document.source`.
        position: of it among the documents and problems of that file, from 0.
        reason: one of `REASONS`.
        detail: for people, with the line or place in the file where there is one.
        bytes: that were not read, where that is known.
    """

    source: str
    position: int
    reason: str
    detail: str = ""
    bytes: int = 0


def problem(reason: str, detail: str = "", size: int = 0) -> Problem:
    """A problem whose file and position `read` will fill in."""
    return Problem("", 0, reason, detail, size)
