"""Formats: what is read of each, what is refused, and that nothing stops a reader."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import tarfile
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.formats import FORMATS
from massivetext_keras.reading.json_values import raw_objects
from massivetext_keras.reading.read import format_of, read


def numbers(seed):
    """Text that does not compress to nothing."""
    chosen = random.Random(seed)
    return b"%r" % [chosen.random() for _ in range(99)]


# Not those that other tests register
OWN = [name for name in FORMATS if not FORMATS.is_outside(name)]

COMPRESS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".br": brotli.compress,
}


def rows_of(path, data, **arguments):
    """What is read of a file with some bytes."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    rows = list(read(str(path), **arguments))
    assert [row.position for row in rows] == list(range(len(rows)))
    assert {row.source for row in rows} <= {path.name}
    return rows


def brief(rows):
    """Texts of documents, reasons of problems."""
    return [getattr(row, "text", None) or row.reason for row in rows]


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", b"one\r\ntwo\rthree", ["one\ntwo\nthree"]),
        ("a.jsonl", b'{"text": "one"}\n\n{"body": "two"}', ["one", "two"]),
        ("a.csv", b'id,text\n1,"a, ""b""\nc"\n2,d\n', ['a, "b"\nc', "d"]),
        ("a.tsv", b'text\tid\n"a\t1\nb"\t2\n', ['"a', 'b"']),
        ("a.html", b"<p>one</p>", ["<p>one</p>"]),
        ("a.py", b"if a:\n\tb\n", ["if a:\n\tb\n"]),
        ("a.po", b'msgid "a"\nmsgstr "b"', ["b"]),
    ],
)
def test_reads_compressed_or_not(tmp_path, name, data, expected, compression):
    rows = rows_of(tmp_path / (name + compression), COMPRESS[compression](data))
    assert brief(rows) == expected


def test_what_a_document_knows(tmp_path):
    [row] = rows_of(
        tmp_path / "a.jsonl",
        '{"content": "x", "url": "http://a.org", "lang": "de", "title": "t", "n": 1}',
        subset="web",
    )
    assert row == Document(
        "x",
        subset="web",
        source="a.jsonl",
        url="http://a.org",
        language="de",
        columns={"title": "t"},
    )
    [row] = rows_of(tmp_path / "a.rs.gz", gzip.compress(b"fn main() {}"))
    assert (row.kind, row.columns) == ("code", {"programming_language": "Rust"})


def test_suffixes():
    names = ["a.TXT.gz", "b.json", "c.log", "d.WARC.gz", "e.py", "f", "g.gz"]
    found = [format_of(name) for name in names]
    assert found == ["text", "jsonl", "text", "warc", "code", "text", "text"]
    found = [format_of(name, by_name=False) for name in names]
    assert found == ["text", None, None, "warc", "code", None, None]


def test_format_by_name(tmp_path):
    [row] = rows_of(tmp_path / "a.log", '{"text": "one"}', format="jsonl")
    assert row.text == "one"
    with pytest.raises(
        ValueError, match="unknown format 'josnl': did you mean 'jsonl'"
    ):
        read("a.log", format="josnl")


def test_field_by_name_or_number(tmp_path):
    path = tmp_path / "a.tsv"
    rows = rows_of(path, "a good film\t1\na bad one\t0\n", text_field="0")
    assert brief(rows) == ["a good film", "a bad one"]
    [row] = rows_of(path, "head\tbody2\na\tb\n", text_field="body")
    assert row.detail == "line 1: no field 'body': did you mean 'body2'?"
    [row] = rows_of(path, "sentence\tlabel\na\tb\n")
    assert row.reason == "no_text" and row.detail.endswith("there are sentence, label")


def test_bad_records_are_named_and_reading_goes_on(tmp_path):
    lines = [
        b'{"text": "one"}',
        b"not json",
        b'"a string"',
        b'{"text": 3}',
        b'{"texts": "a"}',
        b"[" * 100_000,
        b'{"text": " "}',
        b'{"text": "x\xff\xfe"}',
        b'{"text": "half \\ud800", "a": NaN}',
        b'{"text": "\\ud83d\\ude00"}',
    ]
    rows = rows_of(tmp_path / "a.jsonl", b"\n".join(lines))
    assert brief(rows) == [
        *("one", "bad_record", "bad_record", "no_text", "no_text", "bad_record"),
        *("empty", "x\ufffd\ufffd", "half \ufffd", "\U0001f600"),
    ]
    assert rows[1].detail.startswith("line 2: not JSON: ")
    assert rows[3].detail == "line 4: 'text' is int, not text"
    assert [row.columns for row in rows[-3:]] == [{"invalid_bytes": 2}, {}, {}]


def test_bad_rows_of_csv(tmp_path):
    data = b'text,id\na,1\nb\xff,2\n\n"open\nc,3\n'
    rows = rows_of(tmp_path / "a.csv", data)
    assert brief(rows) == ["a", "b\ufffd", "bad_record", "c"]
    assert rows[2].detail == "line 5: a quotation mark that nothing closes"
    assert rows[1].columns == {"id": "2", "invalid_bytes": 1}
    data = b'id,text\n1,"' + b"x" * 300 + b'"\n2,two\n3\n4,"' + b"y\n" * 200 + b'"\n5,z'
    rows = rows_of(tmp_path / "a.csv", data, max_document_bytes=200)
    assert brief(rows) == ["too_large", "two", "no_text", "too_large", "z"]
    assert rows[0].detail.startswith("line 2: ") and rows[2].detail.startswith("line 4")


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".zst"])
def test_a_file_that_was_cut_off(tmp_path, compression):
    pad = [b"%x" % hash((n,)) * 9 for n in range(8000)]
    lines = b"".join(b'{"text": "%d %s"}\n' % both for both in enumerate(pad))
    data = COMPRESS[compression](lines)
    *rows, last = rows_of(tmp_path / f"a.jsonl{compression}", data[:-2000])
    assert last.reason == "damaged" and "end early" in last.detail
    assert 100 < len(rows) < 8000
    assert all(row.text.startswith(f"{n} ") for n, row in enumerate(rows))
    if compression == ".zst":  # frames are put behind each other
        assert len(rows_of(tmp_path / "b.jsonl.zst", data + data)) == 16_000
    middle = len(data) // 2
    wrong = data[:middle] + b"\x00" * 50 + data[middle + 50 :]
    *rows, last = rows_of(tmp_path / f"a.jsonl{compression}", wrong)
    assert last.reason == "damaged" and "end early" not in last.detail
    row, last = rows_of(tmp_path / f"a.txt{compression}", data[:-2000])
    assert last.reason == "damaged"
    assert lines.startswith(row.text.encode()) and len(row.text) > 10_000
    [row] = rows_of(tmp_path / f"a.txt{compression}", b"plain text")
    assert row.reason == "damaged"


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".zst"])
def test_a_bomb_is_neither_held_nor_read_to_its_end(tmp_path, compression):
    bomb = COMPRESS[compression](bytes(60_000_000))
    for name in ("a.txt", "a.jsonl", "a.html", "a.csv", "a.po", "a.py"):
        path = tmp_path / (name + compression)
        path.write_bytes(bomb)
        tracemalloc.start()
        [row] = read(str(path), max_document_bytes=100_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert row.reason in {"too_large", "damaged"}
        assert peak < 36_000_000


def test_a_long_line_is_skipped_without_being_held(tmp_path):
    path = tmp_path / "a.jsonl"
    with open(path, "wb") as file:
        file.write(b'{"text": "one"}\n{"text": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"text": "two"}\n')
    tracemalloc.start()
    rows = list(read(str(path), max_document_bytes="1MB"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert brief(rows) == ["one", "too_large", "two"]
    assert rows[1].detail == "line 2: more than 1,000,000 bytes"
    assert peak < 8_000_000


@pytest.mark.parametrize(("size", "kept"), [(100, True), (101, False)])
@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.py", "a.jsonl", "a.csv"])
def test_the_largest_document(tmp_path, name, size, kept):
    text = "ä" * (size // 2) + "b" * (size % 2)
    before = {"a.csv": "text\n"}.get(name, "")
    if name == "a.jsonl":
        text = f'{{"text":"{text[6:]}"}}' + " "
    [row] = rows_of(tmp_path / name, before + text, max_document_bytes=100)
    assert isinstance(row, Document) == kept
    if not kept:
        assert row.reason == "too_large"


@pytest.mark.parametrize("name", OWN)
def test_rubbish_is_a_problem_or_a_text_but_no_error(tmp_path, name):
    rubbish = bytes(range(256)) * 40 + b"\0" * 1000 + b'"<{[' * 500
    printed = bytes(range(32, 256)) * 40 + b'"<{[' * 500  # what may be a text
    for data in (rubbish, rubbish[128:], rubbish[::-1], printed):
        rows = rows_of(tmp_path / "a", data, format=name)
        assert rows
        for row in rows:
            assert isinstance(row, Problem) or row.text.encode()


def test_a_file_that_is_not_there(tmp_path):
    [row] = read(str(tmp_path / "a.txt"))
    assert (row.reason, row.detail) == ("unreadable", "No such file or directory")


def test_utf16_and_other_encodings(tmp_path):
    [row] = rows_of(tmp_path / "a.txt", "für".encode("utf-16"))
    assert row.text == "für"
    [row] = rows_of(tmp_path / "a.txt", "中文".encode("gbk"), encoding="gbk")
    assert row.text == "中文"
    [row] = rows_of(tmp_path / "a.txt", b"a\0b\xe9")
    assert (row.text, row.columns) == ("a\0b\ufffd", {"invalid_bytes": 1})


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.py"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_how_to_read(tmp_path, name, encoding):
    text = "Fräulein Ċ 嗨\u0a0d end"  # with bytes of a line's end
    before = {"a.csv": "id,text\n1,", "a.tsv": "id\ttext\n1\t"}.get(name, "")
    whole = json.dumps({"text": text}) if name == "a.jsonl" else before + text
    [row] = rows_of(tmp_path / name, f"{whole}\n".encode(encoding))
    assert row.text.rstrip("\n") == text and "invalid_bytes" not in row.columns


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".zst"])
def test_what_is_good_of_a_damaged_file_is_read(tmp_path, compression):
    compress = COMPRESS[compression]
    text = b"some words that stand here " * 30
    rows = rows_of(tmp_path / f"a.txt{compression}", compress(text) + b"garbage" * 9)
    assert brief(rows) == [text.decode(), "damaged"]
    assert rows[1].detail.startswith("63 bytes that are no ")
    objects = [b'{"text": "%d"}\n' % n for n in range(4)]
    members = [*map(compress, objects)]
    members[1] = members[1][:-9] + bytes(9)
    rows = rows_of(tmp_path / f"a.jsonl{compression}", b"".join(members))
    assert brief(rows) == ["0", "2", "3", "damaged"]
    members = [compress(line) for line in (b"id,text\n", b"1,a\n", b"2,b", b"3,c\n")]
    members[2] = members[2][:-7]
    rows = rows_of(tmp_path / f"a.csv{compression}", b"".join(members))
    assert brief(rows) == ["a", "c", "damaged"]


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.zip", b"PK\x03\x04" + bytes(40), "a zip archive: unpack it first"),
        ("a.docx", b"PK\x03\x04" + bytes(26) + b"word/", "a Word document"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(9), "a 7-Zip archive"),
        ("a.rar", b"Rar!\x1a\x07\x00", "a RAR archive"),
        ("a.pdf", b"%PDF-1.7\n%\xe2", "a PDF document: convert it to text first"),
        ("a.txt", b"%PDF-1.7\n%\xe2", "a PDF document"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
        ("a.jsonl", bytes(range(256)), "binary data"),
        ("a.html", b"\x89PNG\r\n\x1a\n", "a picture"),
        ("a.html", random.Random(1).randbytes(9000), "binary data"),
        ("a.dat", random.Random(2).randbytes(9000), "binary data"),
        ("a.dat", random.Random(3).randbytes(100), "binary data"),
        ("a.txt", brotli.compress(numbers(1)), "binary data"),
        ("a.txt", zlib.compress(numbers(2)), "binary data"),
        ("a.txt", pickle.dumps(["some text"] * 9, protocol=2), "a Python pickle"),
        ("a.txt", pickle.dumps({"text": "a" * 99}, protocol=4), "a Python pickle"),
        ("a.txt", struct.pack("<QI", 20, 7**11) + b"\n\x12some", "a file of TFRecords"),
        ("a.txt", b"FEA1\0\0\0\0" + b"text " * 99, "an Arrow file"),
        ("a.txt", b"\xff\xff\xff\xff\x78\1\0\0" + b"text " * 99, "an Arrow file"),
        ("a.txt", b"GGUF\3\0\0\0" + b"text " * 99, "the weights of a model"),
        ("a.txt", b"a".ljust(60, b"\0") + b"BOOKMOBI", "a MOBI book"),
        ("a.txt", b"070701" + b"0000A1FF" * 13 + b"a\0text", "a cpio archive"),
        ("a.txt", b"head\x1b\0\0\0" + b"a record " * 99, "binary data"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, name, data, what):
    [row] = rows_of(tmp_path / name, data)
    assert row.reason == "damaged"
    assert row.detail.startswith(f"it is no text, but {what}")


LEGACY = [
    ("Grüße aus Köln, schöne Übergrößenträger. ", ["latin-1", "cp850", "mac_roman"]),
    ("Все счастливые семьи похожи друг на друга. ", ["koi8-r", "cp1251", "cp866"]),
    ("吾輩は猫である。名前はまだ無い。", ["shift_jis", "euc_jp", "iso2022_jp"]),
    ("人人生而自由，在尊严和权利上一律平等。", ["gb18030", "gbk"]),
    ("모든 국민은 인간으로서의 존엄과 가치를 가지며 ", ["euc_kr", "johab"]),
    ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι. ", ["iso8859-7"]),
    ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาค ", ["tis-620"]),
]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(text, encoding) for text, encodings in LEGACY for encoding in encodings],
)
def test_text_in_any_encoding_is_text(tmp_path, text, encoding):
    data = (text * 99).encode(encoding)
    [row] = rows_of(tmp_path / "a.txt", data)
    assert row.text == data.decode("utf-8", "replace")
    [row] = rows_of(tmp_path / "b.txt", data, encoding=encoding)
    assert row.text == text * 99
    [row] = rows_of(tmp_path / "c.txt", b"\x01".join([text.encode(encoding)] * 99))
    assert row.text.count("\x01") == 98  # between fields, as Hive writes them


@pytest.mark.parametrize(
    "text",
    [
        *("a\0b " * 9 + "some words " * 99, "words " * 99 + "\0" * 40),
        *("".join(map(chr, range(1, 32))) + "words " * 99, "words \x80\x99 " * 99),
        "GIF89a is a format of pictures, BM and II and MZ are others. " * 9,
    ],
)
def test_text_with_some_controls_is_text(tmp_path, text):
    [row] = rows_of(tmp_path / "a.txt", text)
    assert row.text == text.replace("\r", "\n")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.txz"])
def test_tar_archives_are_refused(tmp_path, name):
    (tmp_path / "one.txt").write_text("one")
    kind = "gz" if name.endswith("gz") else "xz" if name.endswith("xz") else ""
    with tarfile.open(tmp_path / name, f"w:{kind}") as archive:
        archive.add(tmp_path / "one.txt")
    [row] = read(str(tmp_path / name))
    assert row.detail == "it is no text, but a tar archive: unpack it first"


@pytest.mark.parametrize(
    "word", ["ORCHESTRA", "PARENT", "PAR1S", "MZ", "II", "PK", "ID3"]
)
def test_words_are_no_magic(tmp_path, word):
    assert brief(rows_of(tmp_path / "a.txt", f"{word} of a text")) == [
        f"{word} of a text"
    ]


@pytest.mark.parametrize(
    ("name", "data", "texts"),
    [
        ("wiki_00", '{"id": "1", "text": "one"}\n{"text": "two"}\n', ["one", "two"]),
        ("wiki_00.bz2", bz2.compress(b'{"text": "one"}\n'), ["one"]),
        ("part-0.xz", lzma.compress(b'{"text": "one"}\n'), ["one"]),
        ("a.json", '[{"text": "a [}"},\n {"text": "b\\\\"}, 3]', ["a [}", "b\\", 0]),
        ("a.json", '{\n "text": "one"\n}\n', ["one"]),
        ("a.json", '{"data": [{"text": "a"}, {"content": "b"}]}', ["a", "b"]),
        ("a.json", '{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
        ("a.jsonl", '[{"text": "one"}, {"text": "two"}]', ["one", "two"]),
        ("a.ndjson", '{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
        ("dump", "<mediawiki><page><ns>0</ns><title>A</title>x</page>", ["empty", 1]),
        (
            "dump.bz2",
            bz2.compress(b'<?xml version="1.0"?>\n<mediawiki>\n<page></page>'),
            ["empty", 1],
        ),
        ("README", "{this} is a text", ["{this} is a text"]),
    ],
)
def test_what_a_name_does_not_say_the_content_does(tmp_path, name, data, texts):
    wrong = {0: "bad_record", 1: "damaged"}
    rows = rows_of(tmp_path / name, data)
    assert brief(rows) == [wrong.get(text, text) for text in texts]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ('[{"text": "a", "x": NaN},\n{"text": "b"}', ["a", "b"]),
        ('[{"text": "a"},\n{"text": "b"},\n]', ["a", "b"]),
        ('{\n"text": "a"\n}\n{\n"text": "b"\n}\n', ["a", "b"]),
        ('{"text": "a"},\n{"text": "b"},\n', ["a", "b"]),
        ('{"text": "a"} {"text": "b"}', ["a", "b"]),
        ('{"text": "a"}\n{"text": "b"}{"text": "c"}, {"te', ["a", "b", "c", 0]),
        ('{"text": "a"}\n{"text": "b"} "c"\n', ["a", 0]),
        ('["one", "t\\"[o",\n"three"]', ["one", 't"[o', "three"]),
        ('["one", null, ["x", "y"], {"text": "two"}, "thr', ["one", 0, 0, "two", 0]),
        ('["one", "two"]\n["three", "four"]\n', [0, 0]),
        ('[null,\n{"text": "a"}, "b"]', [0, "a", 0]),
        ('[["a", "b"],\n["c"]]', [0, 0]),
        ('\ufeff[{"text": "a"}]', ["a"]),
        ("[", []),
    ],
)
def test_objects_of_json_however_they_lie(tmp_path, name, data, texts):
    rows = rows_of(tmp_path / name, data)
    assert brief(rows) == [text or "bad_record" for text in texts]


@pytest.mark.parametrize("before", ["", " " * 300_000])
def test_an_object_whose_lines_begin_with_commas(tmp_path, before):
    data = f'{{"text": "{before}a"\n, "label": "b"\n}}\n'
    data = data if not before else data.replace("\n,", ",\n")
    assert brief(rows_of(tmp_path / "a.json", data)) == [before + "a"]


@given(st.lists(FIELD, min_size=1, max_size=4), st.sampled_from([None, 0, 1]))
def test_strings_of_a_list_are_found(texts, indent):
    data = json.dumps(texts, ensure_ascii=False, indent=indent).encode()
    found = list(raw_objects(io.BytesIO(data), 10**6))
    assert [json.loads(raw.data) for raw in found] == texts
    assert all(raw.is_text for raw in found)


@given(st.lists(st.dictionaries(FIELD, FIELD, max_size=3), max_size=4))
def test_objects_of_a_list_are_found(records):
    text = json.dumps(records, ensure_ascii=False, indent=1)
    found = list(raw_objects(io.BytesIO(text.encode()), 10**6))
    if records and records[0]:
        assert [json.loads(raw.data) for raw in found] == records


def test_a_large_object_of_a_list_is_not_held(tmp_path):
    data = '[{"text": "one"}, {"text": "' + "x" * 3_000_000 + '"}, {"text": "two"}]'
    rows = rows_of(tmp_path / "a.json", data, max_document_bytes=1000)
    assert brief(rows) == ["one", "too_large", "two"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["csv", "tsv", "jsonl", "json", "po", "xml", "warc", "html"]),
    st.text("\",;\t\n\r\\ ab\x00\u2028'{}[]:<>&#"),
    st.sampled_from(
        ["", "text,b\n", "msgid", "WARC/1.0\r\n", "<mediawiki><page>", "["]
    ),
)
def test_no_text_is_an_error(tmp_path, suffix, text, before):
    for row in rows_of(tmp_path / f"a.{suffix}", before + text):
        assert isinstance(row, Problem) or row.text
