"""Parquet and gettext: what is read of each, and what is damaged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.formats import read


def rows_of(path, table, **arguments):
    pq.write_table(pa.table(table), path, row_group_size=3)
    return list(read(str(path), **arguments))


def test_rows(tmp_path):
    texts = ["one", None, "x" * 50, "vier", "", "six"]
    table = {"content": texts, "title": list("abcdef"), "n": range(6)}
    rows = rows_of(tmp_path / "a.parquet", table, max_document_bytes=40)
    found = [getattr(row, "text", None) or row.reason for row in rows]
    assert found == ["one", "no_text", "too_large", "vier", "empty", "six"]
    assert [row.position for row in rows] == list(range(6))
    assert rows[0].columns == {"title": "a"}
    assert rows[1].detail == "row 1: 'content' is null, not text"


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_kinds_of_columns(tmp_path, kind):
    rows = rows_of(
        tmp_path / "a.parquet", {"text": pa.array(["a", "ü", "a"]).cast(kind)}
    )
    assert [row.text for row in rows] == ["a", "ü", "a"]


def test_bytes_that_are_not_valid(tmp_path):
    [row] = rows_of(tmp_path / "a.parquet", {"text": pa.array([b"a\xff"])})
    assert (row.text, row.columns) == ("a\ufffd", {"invalid_bytes": 1})


def test_fields(tmp_path):
    path = tmp_path / "a.parquet"
    [row] = rows_of(path, {"html": ["<p>a"], "url": ["http://a.org"], "lang": ["de"]})
    assert (row.kind, row.url, row.language) == ("html", "http://a.org", "de")
    [row] = rows_of(path, {"a": ["x"], "b": ["y"]}, text_field="b")
    assert row.text == "y"
    [row] = rows_of(path, {"body2": ["x"]}, text_field="body")
    assert row.detail == "no field 'body': did you mean 'body2'?"
    [row] = rows_of(path, {"text": [3]})
    assert row.detail == "row 0: 'text' is int, not text"


def test_damaged_files(tmp_path):
    path = tmp_path / "a.parquet"
    rows_of(path, {"text": [f"text {n}" for n in range(1000)]})
    data = path.read_bytes()
    for wrong in (data[:-50], data[: len(data) // 2], b"", b"PAR1" * 3, data[4:]):
        path.write_bytes(wrong)
        *_, last = read(str(path))
        assert last.reason == "damaged" and "\n" not in last.detail
    path.write_bytes(data[:500] + bytes(300) + data[800:])
    *rows, last = read(str(path))
    assert last.reason == "damaged"
    assert [row.text for row in rows] == [f"text {n}" for n in range(len(rows))]


CATALOGUE = r"""# a comment
msgid ""
msgstr ""
"Language: zh_CN\n"
"Content-Type: text/plain; charset=GBK\n"

#, c-format
msgctxt "menu"
msgid "Open %s"
msgstr "打开 %s"

#, fuzzy
msgid "Close"
msgstr "关"

msgid "not translated"
msgstr ""

msgid "one file"
msgid_plural "many files"
msgstr[0] "一个\t"
"文件\"\\\x41\101\n"
msgstr[1] "许多文件"

#~ msgid "old"
#~ msgstr "旧"
"""


def test_catalogue(tmp_path):
    path = tmp_path / "zh_CN.po"
    path.write_bytes(CATALOGUE.encode("gbk"))
    [row] = read(str(path))
    assert row.text == '打开 %s\n\n一个\t文件"\\AA\n\n\n许多文件'
    assert row.language == "zh"


def test_a_template_is_english(tmp_path):
    path = tmp_path / "a.po"
    path.write_text(
        '#, fuzzy\nmsgid ""\nmsgstr "Content-Type: text/plain; charset=CHARSET\\n"\n'
        '\nmsgid "one"\nmsgid_plural "two"\nmsgstr[0] ""\nmsgstr[1] ""\n'
        '#, fuzzy\n\nmsgid "three"\nmsgstr ""\n'
    )
    [row] = read(str(path))
    assert (row.text, row.language) == ("one\n\ntwo", "en")
    path.write_text("no catalogue")
    [row] = read(str(path))
    assert row.reason == "bad_record"
