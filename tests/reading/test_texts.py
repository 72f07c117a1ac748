"""Readers: what is found, what is read, what is counted, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import lzma
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus import ReadReport, expand, read_documents, read_file
from massivetext_keras.reading.encodings import decode_line


@pytest.fixture
def tree(tmp_path):
    files = {
        "a.txt": "first",
        "b.md": "second",
        "books/c.rst": "third",
        "books/deep/d.TXT": "fourth",
        "books/e.jsonl": '{"text": "fifth"}\n{"text": "sixth"}\n',
        "books/table.tsv": "seventh",
        "books/picture.png": "no",
        ".hidden.txt": "no",
        ".git/config.txt": "no",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with gzip.open(tmp_path / "books/f.txt.gz", "wt") as file:
        file.write("eighth")
    return tmp_path


EVERYTHING = [
    *("a.txt", "b.md", "books/c.rst", "books/deep/d.TXT"),
    *("books/e.jsonl", "books/f.txt.gz"),
]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["."], EVERYTHING),
        (["**"], EVERYTHING),
        (["*.txt", "."], EVERYTHING),
        (["b.md", "a.txt", "./a.txt"], ["a.txt", "b.md"]),
        (["*"], ["a.txt", "b.md"]),
        (["**/*.tsv"], ["books/table.tsv"]),
        (["books/table.tsv"], ["books/table.tsv"]),
        (["books/[cf]*"], ["books/c.rst", "books/f.txt.gz"]),
        ([".hidden.txt"], [".hidden.txt"]),
    ],
)
def test_expand(tree, patterns, expected):
    found = expand([tree / pattern for pattern in patterns])
    assert [path.relative_to(tree).as_posix() for path in found] == expected
    assert expand([str(tree / pattern) for pattern in patterns]) == found


def test_expand_takes_one_path_and_relative_ones(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [str(path) for path in expand("*.txt")] == ["a.txt"]
    assert expand(tree / "a.txt") == [tree / "a.txt"]


def test_expand_takes_links_once_and_odd_names(tree):
    (tree / "link.txt").symlink_to(tree / "a.txt")
    (tree / "odd[1].txt").write_text("odd")
    names = [path.name for path in expand([tree / "a.txt", tree / "link.txt"])]
    assert names == ["a.txt"]
    assert expand(tree / "odd[1].txt") == [tree / "odd[1].txt"]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("boks/*.txt", r"; did you mean '.*books'\?$"),
        ("books/c.rts", r"; did you mean '.*books/c\.rst'\?$"),
        ("a.txt/b", r"; '.*a\.txt' is a file$"),
        ("zzzzzzzzzz", r"zzzzzzzzzz'$"),
    ],
)
def test_nothing_found(tree, pattern, hint):
    with pytest.raises(FileNotFoundError, match=hint) as caught:
        read_documents(tree / pattern)
    assert "\n" not in str(caught.value) and pattern in str(caught.value)


def test_reads_every_kind(tree):
    report = ReadReport()
    documents = list(read_documents([tree, tree / "books/table.tsv"], report))
    words = ["first", "second", "third", "fourth", "fifth", "sixth", "eighth"]
    assert documents == [*words, "seventh"]
    assert report == ReadReport(
        files=7, documents=8, bytes=sum(map(len, words)) + len("seventh")
    )


def test_counts_what_is_not_utf8(tmp_path, caplog):
    data = {
        "a.txt": b"caf\xe9 \xf0\x9f\x98 end",  # latin-1, and a cut emoji
        "b.txt": "gen\ufffduine \U0001f600".encode(),
        "c.jsonl": b'{"text": "x\xff"}\n{"text": "y\\ud800"}\n'
        b'{"text": "\\ud83d\\ude00"}',
    }
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    report = ReadReport()
    with caplog.at_level(logging.WARNING):
        documents = list(read_documents(tmp_path, report))
    assert documents[0] == "caf\ufffd \ufffd end"
    assert documents[1] == "gen\ufffduine \U0001f600"
    assert documents[2:] == ["x\ufffd", "y\ufffd", "\U0001f600"]
    a, c = str(tmp_path / "a.txt"), str(tmp_path / "c.jsonl")
    assert report.invalid == {a: 4, c: 1 + 3}
    assert report.bytes == len("".join(documents).encode()) == 14 + 15 + 4 + 4 + 4
    assert [record.getMessage() for record in caplog.records] == [
        f"8 bytes were not UTF-8 and became U+FFFD, in 2 of 3 files: {a}, {c}"
    ]


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_decoding_is_pythons(data):
    text, invalid = decode_line(data)
    assert text == data.decode("utf-8-sig", "replace")
    # An independent count: what surrogateescape has to smuggle through.
    escaped = data.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= character <= "\udcff" for character in escaped)
    assert invalid == bad


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_jsonl_round_trip(tmp_path_factory, texts):
    texts = ["always here", *texts]
    path = tmp_path_factory.mktemp("round") / "x.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            record = {"text": text}
            file.write(json.dumps(record, ensure_ascii=number % 2 == 0) + "\r\n")
    kept = [text for text in texts if text.strip(" \ufeff") and text.strip()]
    read = [text.removeprefix("\ufeff") for text in read_documents(path)]
    assert read == [t for t in (k.removeprefix("\ufeff") for k in kept) if t.strip()]


def test_line_ends_marks_and_empty_files(tmp_path, caplog):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    (tmp_path / "b.txt").write_bytes(b" \n\t\n")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.jsonl").write_text('\n{"text": " "}\n{"text": "four\\r\\n"}\n\n')
    report = ReadReport()
    documents = list(read_documents(tmp_path, report))
    assert documents == ["one\ntwo\nthree\n", "four\r\n"]
    assert (report.files, report.documents) == (4, 2)
    assert (report.empty_files, report.empty_documents) == (2, 1)
    assert not caplog.records


def test_no_text_at_all(tmp_path):
    with pytest.raises(ValueError, match="holds no text files"):
        read_documents(tmp_path)
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(ValueError, match=r"no text in '.*' \(1 files\)$"):
        list(read_documents(tmp_path))
    with pytest.raises(ValueError, match="at least one"):
        read_documents([])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "x.jsonl:2 is not JSON"),
        ('"a string"', "x.jsonl:2 is not an object of JSON"),
        ('{"txt": "a"}', "x.jsonl:2: no field text, .*; there are txt"),
        ('{"text": 3}', "x.jsonl:2: 'text' is int, not text"),
        ("[" * 100_000, "x.jsonl:2 is not JSON"),
    ],
)
def test_bad_jsonl_names_file_and_line(tmp_path, line, message):
    (tmp_path / "x.jsonl").write_text('{"text": "fine"}\n' + line + "\n")
    documents = read_documents(tmp_path)
    assert next(documents) == "fine"
    with pytest.raises(ValueError, match=message):
        next(documents)


@pytest.mark.parametrize(
    "content", [b"plain", gzip.compress(b"cut " * 99)[:-9]], ids=["plain", "cut"]
)
def test_damaged_gzip_is_named(tmp_path, content):
    (tmp_path / "x.txt.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.txt\.gz is damaged"):
        list(read_documents(tmp_path))


@pytest.mark.parametrize("suffix", ["jsonl.zst", "jsonl.gz", "jsonl.bz2", "parquet"])
def test_reads_shards(tmp_path, suffix):
    texts = ["one\r\n", "zwei ü", "三", " "]
    path = tmp_path / f"train-00000-of-00001.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"text": texts, "id": list("abcd")}), path)
    else:
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        compress = {"zst": zstandard.compress, "gz": gzip.compress, "bz2": bz2.compress}
        path.write_bytes(compress[suffix.split(".")[1]](lines.encode()))
    report = ReadReport()
    assert list(read_documents(tmp_path, report)) == texts[:3]
    assert (report.documents, report.empty_documents) == (3, 1)
    assert len(list(read_file(path, max_bytes=6))) < 3


def test_a_corpus_stands_for_what_is_for_training(tmp_path):
    for name in ["manifest.json", "report.json", "web/cover.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    for subset in ("web", "books"):
        for side in ("train", "validation", "test"):
            path = tmp_path / subset / f"{side}-00000-of-00001.jsonl.zst"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zstandard.compress(b'{"text": "%s"}' % side.encode()))
    assert list(read_documents(tmp_path)) == ["train", "train"]
    assert list(read_documents(f"{tmp_path}/**")) == ["train", "train"]
    assert list(read_documents(tmp_path / "web")) == ["train"]
    assert list(read_documents(tmp_path / "web/validation-*")) == ["validation"]
    (tmp_path / "manifest.json").unlink()
    assert len(list(read_documents(tmp_path))) == 6


def test_reads_real_text(data_dir):
    [text] = read_documents(data_dir / "lm/tinyshakespeare.txt")
    assert len(text) == 1_115_394
    assert text.startswith("First Citizen:\nBefore we proceed any further")


def test_importing_the_corpus_loads_no_tensorflow():
    code = (
        "import sys, massivetext_keras.corpus; "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ndjson", b'{"text": "one"}\n{"text": "two"}\n'),
        ("a.json", b'{"text": "one"}\n{"text": "two"}\n'),
        ("a.json", b'[{"text": "one"},\n{"text": "two"}]'),
        ("wiki_00", b'{"text": "one"}\n{"text": "two"}\n'),
        ("a.jsonl", '{"text": "one"}\n{"text": "two"}\n'.encode("utf-16")),
        ("a.jsonl.xz", lzma.compress(b'{"text": "one"}\n{"text": "two"}\n')),
    ],
)
def test_json_whatever_its_name(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert list(read_documents(tmp_path / name)) == ["one", "two"]


def test_text_with_a_mark_and_what_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("für Ċ".encode("utf-16"))
    assert list(read_documents(path)) == ["für Ċ"]
    for data, what in ((b"%PDF-1.7", "a PDF document"), (bytes(99), "binary data")):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"a.txt is no text, but {what}"):
            list(read_documents(path))


def test_what_stands_behind_compressed_data_is_warned_of(tmp_path, caplog):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"text") + b"garbage")
    assert list(read_documents(path)) == ["text"]
    assert "a.txt.gz: 7 bytes that are no gzip data" in caplog.text
    path.write_bytes(gzip.compress(b"text")[:-9])
    with pytest.raises(ValueError, match="is damaged: the compressed data end early"):
        list(read_documents(path))
