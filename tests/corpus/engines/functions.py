"""Functions of stages, which workers import."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext_keras.corpus.engines import guard
from massivetext_keras.reading.document import Document

LENGTHS = pa.schema(
    {"position": pa.int64(), "length": pa.int64(), "reason": pa.string()}
)


def same(tables):
    yield from tables


def doubled(tables):
    for table in tables:
        yield table.set_column(0, "n", pc.multiply(table["n"], 2))


def joined(tables):
    """One row of each group: its key, and the names in order."""
    for table in tables:
        rows: dict = {}
        for key, name in zip(
            table["key"].to_pylist(), table["name"].to_pylist(), strict=True
        ):
            rows.setdefault(key, []).append(name)
        yield pa.table(
            {
                "key": pa.array(list(rows), table["key"].type),
                "names": pa.array(list(rows.values()), pa.list_(table["name"].type)),
            }
        )


def lengths(tables):
    """A row for each document, worked on one by one; some texts do harm."""
    for table in tables:
        rows = []
        for row in table.to_pylist():
            name = guard.Name("web", row["source"], row["position"])
            reason = guard.quarantined(name)
            length = None
            if reason is None:
                guard.begin(name)
                length = harm(row["text"])
                guard.count(1, len(row["text"]), 1)
            rows.append({"position": name.position, "length": length, "reason": reason})
        yield pa.Table.from_pylist(rows, LENGTHS)


def lengths_together(tables):
    """The same, with the documents of a table worked on together."""
    for table in tables:
        documents = [
            Document(row["text"], "web", row["source"], row["position"])
            for row in table.to_pylist()
        ]
        rows = []
        for some, result, reason in guard.each(documents, harm_all):
            for index, document in enumerate(some):
                length = result[index] if result else None
                rows.append(
                    {"position": document.position, "length": length, "reason": reason}
                )
        yield pa.Table.from_pylist(rows, LENGTHS)


def lengths_as_read(tables):
    """The same, where it is reading that does harm."""
    for table in tables:
        found = ((None, harm(text)) for text in table["text"].to_pylist())
        rows = [
            {"position": position, "length": row[1], "reason": row[0]}
            for position, row in enumerate(
                guard.reading(found, "web", "a", lambda reason: (reason, None))
            )
        ]
        yield pa.Table.from_pylist(rows, LENGTHS)


def harm_all(documents):
    for document in documents:
        document.columns["seen"] = document.columns.get("seen", 0) + 1
    found = [harm(document.text) for document in documents]
    assert all(document.columns["seen"] == 1 for document in documents)
    return found


def harm(text):
    """The length of a text, but for some."""
    if text == "hang in Python":
        while True:
            pass
    if text == "hang in C":
        re.match(r"(a|aa)+$", "a" * 60 + "b")
    if text == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "crash in C":
        ctypes.string_at(0)
    if text == "exit":
        os._exit(3)
    if text == "take memory slowly":
        held = []
        while True:
            held.append(b"x" * 4_000_000)
            time.sleep(0.001)
    if text == "take memory at once":
        return len(b"x" * 50_000_000_000)
    if text == "take memory in NumPy":
        return np.ones(4_000_000_000).sum()
    if text == "take memory in Arrow":
        return len(pa.repeat("x" * 1000, 1_000_000_000))
    if text == "raise":
        raise ValueError(f"no {text!r}\nplease")
    if text == "disk full":
        raise OSError(errno.ENOSPC, "No space left on device")
    return len(text)


def crash(tables):
    harm("crash")


def crash_at_the_first(tables):
    guard.begin(guard.Name("web", "a", 0))
    harm("crash")


def slow(tables):
    for table in tables:
        time.sleep(0.02)
        yield table


def slow_lengths(tables):
    return lengths(slow(tables))


class Numbered:
    """Every row with its place in its group."""

    def __init__(self, keys):
        self.keys = keys

    def __call__(self, tables):
        last, place = None, 0
        for table in tables:
            places = []
            for row in table.select(self.keys).to_pylist():
                place = place + 1 if row == last else 0
                last = row
                places.append(place)
            last = None  # groups end with their table
            yield table.append_column("place", pa.array(places, pa.int64()))
