"""The first stage: no record stops it, and none takes the place of another."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from massivetext_keras.corpus import recipes
from massivetext_keras.corpus.cleaning import apply, clean
from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.engines.guard import Guard, Name
from massivetext_keras.corpus.pipeline import build
from massivetext_keras.corpus.recipes import Recipe
from massivetext_keras.corpus.report.summary import summary
from massivetext_keras.corpus.shards.manifest import read_manifest
from massivetext_keras.reading.document import Document
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.small_corpus import documents

PLAIN = Recipe("plain", {"normalize": {}})
ODD = [
    r'{"text": "one", "score": NaN, "id": 123456789012345678901234567890}',
    r'{"text": "two", "title": "half \ud83d of a pair", "id": -Infinity}',
    r'{"text": "three", "url": "http://a.org/\udfff", "lang": "\ud800"}',
    r'{"text": "four", "id": 1e400, "date": 18446744073709551616}',
    r'{"text": "five", "id": 1, "id": 2, "author": null, "title": {"a": [1]}}',
    r'{"texts": "six", "\ud83d": 1}',
    r'{"text": "seven", "x": ' + "[" * 5000 + "]" * 5000 + "}",
    r'{"text": "eight", "id": ' + "9" * 5000 + "}",
    r'{"text": "half \ud83d of a pair' + " and more" * 20 + '"}',
]


def lines(folder, side="*"):
    """As `documents`, but with all digits of an integer."""
    return [json.loads(line) for line in documents(folder, side, parse=bytes)]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_no_record_ends_a_build(tmp_path, format):
    (tmp_path / "a.jsonl").write_text("\n".join(ODD))
    manifest = build(
        tmp_path / "a.jsonl", tmp_path / "corpus", PLAIN, PlainEngine(), format=format
    )
    assert manifest.documents == {"read": 9, "kept": 6}
    counts = {name: entry["documents"] for name, entry in manifest.dropped.items()}
    assert counts == {"read.bad_record": 2, "read.no_text": 1}
    assert read_manifest(tmp_path / "corpus", check=True) == manifest
    assert "kept" in summary(tmp_path / "corpus")
    if format == "jsonl":
        found = {row["text"]: row for row in lines(tmp_path / "corpus")}
        dropped = {row["reason"]: row for row in lines(tmp_path / "corpus", "dropped")}
    else:
        rows = [
            row | json.loads(row["columns"] or "{}")
            for path in sorted((tmp_path / "corpus").glob("*.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
        found = {row["text"]: row for row in rows if not row["reason"]}
        dropped = {row["reason"]: row for row in rows if row["reason"]}
    assert found["one"]["record_id"] == 123456789012345678901234567890
    assert found["two"]["title"] == "half \ufffd of a pair"
    assert found["two"].get("record_id") is None
    assert found["three"]["url"] == "http://a.org/\ufffd"
    assert found["three"]["language"] == "\ufffd"
    assert found["four"]["date"] == 18446744073709551616
    assert found["five"]["record_id"] == 2 and "title" not in found["five"]
    assert "half \ufffd of a pair" + " and more" * 20 in found
    assert dropped["read.no_text"]["bounds"].endswith("there are texts, \ufffd")


def test_what_cannot_be_worked_on_can_be_written(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "bad"}\n{"text": "good"}\n')
    recipe = Recipe("mine", {"tests.corpus.own_rules:odd_columns": {}})
    manifest = build(tmp_path / "a.jsonl", tmp_path / "corpus", recipe, PlainEngine())
    assert manifest.documents == {"read": 2, "kept": 1}
    [bad] = lines(tmp_path / "corpus", "dropped")
    assert (bad["reason"], bad["bounds"]) == (
        "quarantine.document",
        "ValueError: in \ufffd",
    )
    [good] = lines(tmp_path / "corpus")
    assert (good["big"], good["raw"], good["half"]) == (2**70, "\ufffd", "\ufffd")


def test_files_whose_names_are_not_utf_8_are_read(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, text in {b"caf\xe9.txt": "one", b"caf\xe8.txt": "two"}.items():
        with open(os.path.join(os.fsencode(raw), name), "w") as file:
            file.write(text)
    manifest = build(raw, tmp_path / "corpus", PLAIN, PlainEngine())
    assert manifest.documents == {"read": 2, "kept": 2}
    found = {row["text"]: row["source"] for row in documents(tmp_path / "corpus")}
    assert found == {"one": r"caf\udce9.txt", "two": r"caf\udce8.txt"}


def test_the_id_of_a_document_is_its_own(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "id": "their own"}\n')
    build(tmp_path / "a.jsonl", tmp_path / "corpus", PLAIN, PlainEngine())
    [row] = documents(tmp_path / "corpus")
    assert row["id"] == xxhash.xxh3_128_hexdigest(b"one")
    assert row["record_id"] == "their own"


def test_of_two_files_of_one_name_only_the_one_that_does_harm_is_left_out(tmp_path):
    for subset in ("web", "books"):
        (tmp_path / subset).mkdir()
        (tmp_path / subset / "a.jsonl").write_text(
            f'{{"text": "{subset} one"}}\n{{"text": "{subset} two"}}\n'
        )
    inputs = {name: tmp_path / name for name in ("web", "books")}
    held = Guard(quarantine={Name("web", "a.jsonl", 0): "crashed"})
    guard.use(held)
    try:
        build(inputs, tmp_path / "corpus", PLAIN, PlainEngine())
    finally:
        guard.use(Guard())
    kept = sorted(row["text"] for row in documents(tmp_path / "corpus"))
    assert kept == ["books one", "books two", "web two"]


@pytest.mark.parametrize("text", ["\u200b\u200b", "\ufeff", "\x00", "\u3000\u200b\n"])
def test_a_document_that_a_step_leaves_no_text_is_dropped(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps({"text": text}) for text in (text, "A text. " * 30))
    )
    recipe = recipes.load_recipe("curated")
    manifest = build(tmp_path / "a.jsonl", tmp_path / "corpus", recipe, PlainEngine())
    assert manifest.documents == {"read": 2, "kept": 1}
    assert list(manifest.dropped) == ["normalize.empty"]


def test_thai_of_which_no_line_is_left_is_dropped():
    steps = Recipe(steps={"c4_lines": {}, "c4_pages": {}}).bound()
    kept, dropped = apply(steps, [Document("สวัสดี javascript ครับ ขอบคุณ")])
    assert len(kept) == 0
    assert [one.reason for one in dropped] == ["c4_lines.empty"]


def test_what_is_not_left_is_told_by_its_reasons(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "\\u200b"}\n{"text": " "}\n')
    with pytest.raises(ValueError) as caught:
        build(tmp_path / "a.jsonl", tmp_path / "corpus", PLAIN, PlainEngine())
    reasons = "1 by read.empty, 1 by normalize.empty were dropped"
    assert str(caught.value) == f"no document is left: {reasons}"


def test_pages_are_worked_on_together_as_the_texts_in_them_would_be(tmp_path):
    page = f"<html><!-- {'x' * 100_000} --><body><p>A page.</p></body></html>"
    record = (
        "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/html\r\n"
        f"Content-Length: {len(page)}\r\n\r\n{page}\r\n\r\n"
    )
    path = tmp_path / "pages.warc"
    path.write_bytes(10 * record.encode())
    file = {"subset": "", "path": os.fsencode(path), "name": "pages.warc"}
    table = pa.Table.from_pylist([file | {"bytes": 0, "format": "warc"}])
    tables = [*clean(iter([table]), recipe=Recipe("as they are"))]
    assert [len(table) for table in tables] == [0, 10]
