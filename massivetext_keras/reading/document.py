"""A text that was read, where it is from and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
    """

    text: str
    subset: str = ""
    source: str = ""
    position: int = 0
    url: str | None = None
    kind: str = "text"
    language: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
