"""Rules and a format that are not the package's: some fail, one reads a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.contents import read_once
from massivetext_keras.corpus.rules import rule
from massivetext_keras.reading.formats import FORMATS, format
from massivetext_keras.support.arguments import Files


@rule
def fails_at(batch: Batch, *, phrase: str = "do not read this") -> list[Check]:
    if any(phrase in text for text in batch.texts):
        raise RecursionError("too deep")
    return []


@format(suffixes=[".failing"], textual=True)
def failing(stream, options):
    for number, row in enumerate(FORMATS["jsonl"].read(stream, options)):
        if options.name == "b.jsonl" and number == 10:
            raise KeyError("no such state")
        yield row


@rule
def odd_columns(batch: Batch) -> list[Check]:
    for document in batch.documents:
        document.columns |= {"big": 2**70, "raw": b"\xff", "half": "\udc00"}
        if document.text == "bad":
            raise ValueError("in \udc00")
    return []


READ: list[str] = []


@read_once
def list_of(path: str) -> list[str]:
    READ.append(path)
    return Path(path).read_text().splitlines()


@rule
def listed(
    batch: Batch, *, file: Annotated[str, Files(lambda path: [path])]
) -> list[Check]:
    known = list_of(file)
    return [Check("known", [text in known for text in batch.texts], at_most=0)]
