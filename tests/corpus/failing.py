"""A rule and a format that fail at some documents."""

from __future__ import annotations

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.reading.formats import FORMATS, format


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
