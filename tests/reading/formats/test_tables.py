"""Parquet and gettext: what is read of each, and what is damaged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massivetext_keras.reading.read import read


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


def test_bytes_of_other_columns_that_are_not_valid(tmp_path):
    bad = pa.array([b"http://a.org/\xff", b"http://b.org"]).view(pa.string())
    kinds = [pa.string(), pa.large_string(), pa.string_view()]
    for kind in [*kinds, pa.dictionary(pa.int32(), pa.string())]:
        url = (
            bad.dictionary_encode() if pa.types.is_dictionary(kind) else bad.cast(kind)
        )
        table = {"text": ["a", "b"], "url": url, "title": url, "lang": ["de", None]}
        one, two = rows_of(tmp_path / "a.parquet", table)
        assert (one.text, one.url) == ("a", "http://a.org/\ufffd")
        assert one.columns == {"title": "http://a.org/\ufffd", "invalid_bytes": 2}
        assert (two.url, two.language, two.columns) == (
            *("http://b.org", None, {"title": "http://b.org"}),
        )


def test_columns_of_one_name(tmp_path):
    path = tmp_path / "a.parquet"
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    pq.write_table(pa.Table.from_arrays(columns, ["text", "text", "url"]), path)
    [row] = read(str(path))
    assert (row.reason, row.detail) == ("no_text", "2 columns are named 'text'")
    pq.write_table(pa.Table.from_arrays(columns, ["url", "url", "text"]), path)
    [row] = read(str(path))
    assert (row.text, row.url) == ("c", None)


@pytest.mark.parametrize(
    ("column", "reasons"),
    [
        (pa.array(["a", None]), ["a", "no_text"]),
        (pa.array([None, None], pa.null()), ["no_text", "no_text"]),
        (pa.array([["a"], ["b"]]), ["no_text", "no_text"]),
        (pa.array([{"x": "a"}, {"x": "b"}]), ["no_text", "no_text"]),
        (pa.array([], pa.string()), []),
        (pa.array(["a", "b"]).cast(pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b"]).cast(pa.string_view()), ["a", "b"]),
        (pa.array([b"a", b"\xff"]), ["a", "\ufffd"]),
        (pa.array([[b"\xff"], []], pa.list_(pa.binary())), ["no_text", "no_text"]),
        (pa.array([1, None]).view(pa.timestamp("ns")), ["no_text", "no_text"]),
    ],
)
def test_columns_of_any_kind(tmp_path, column, reasons):
    rows = rows_of(tmp_path / "a.parquet", {"text": column})
    assert [getattr(row, "text", None) or row.reason for row in rows] == reasons


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.timestamp("ns"), 1, "1970-01-01 00:00:00.000000001"),
        (pa.timestamp("ms"), 10**15, "<value out of range: 1000000000000000>"),
        (pa.timestamp("ms", "Mars/Base"), 1, "1970-01-01 00:00:00.001Z"),
        (pa.timestamp("ms", "+02:00"), 1, "1970-01-01 02:00:00.001+0200"),
        (pa.duration("ns"), 1, "1"),
        (pa.time64("ns"), 1, "00:00:00.000000001"),
        (pa.date64(), 10**8, "1970-01-02"),
    ],
)
def test_times_are_text(tmp_path, kind, value, text):
    table = {"text": ["a", "b"], "date": pa.array([value, None]).view(kind)}
    one, two = rows_of(tmp_path / "a.parquet", table)
    assert (one.columns, two.columns) == ({"date": text}, {})


def test_an_encrypted_file_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PARE" + bytes(99) + b"\x09\0\0\0PARE")
    [row] = read(str(tmp_path / "a.parquet"))
    assert row.reason == "damaged" and "ncrypt" in row.detail


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(st.text(), st.text() | st.none()), min_size=1))
def test_what_pyarrow_writes_is_read(tmp_path, rows):
    texts, titles = zip(*rows, strict=True)
    table = {"text": pa.array(texts), "title": pa.array(titles, pa.string())}
    found = rows_of(tmp_path / "a.parquet", table)
    for row, text, title in zip(found, texts, titles, strict=True):
        if text and not text.isspace():
            text, title = (x and x.removeprefix("\ufeff") for x in (text, title))
            assert getattr(row, "text", "") == text
            assert row.columns.get("title") == title


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
    rows = list(read(str(path)))
    bad = [row for row in rows if hasattr(row, "reason")]
    assert {row.reason for row in bad} == {"damaged"} and len(bad) < 10
    assert bad[0].detail.startswith("rows ")
    good = [row.text for row in rows if hasattr(row, "text")]
    assert good == sorted(good, key=lambda text: int(text[5:]))
    assert len(good) + 3 * len(bad) == 1000 and "text 0" in good and "text 999" in good


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


HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("Language: \\n", None),
        ("Language:\\n", None),
        ("Language: de\\n", "de"),
        ("Language: pt_BR\\n", "pt"),
        ("Language: zh-Hans\\n", "zh"),
        ("Language: ast\\n", "ast"),
        ("Language: sr@latin\\n", "sr"),
        ("Language: German\\n", None),
        ("Language-Team: German <de@li.org>\\n", None),
    ],
)
def test_the_language_of_a_catalogue(tmp_path, said, language):
    path = tmp_path / "a.po"
    path.write_text(
        f'{HEAD}"{said}"\n"MIME-Version: 1.0\\n"\n\nmsgid "a"\nmsgstr "b"\n'
    )
    [row] = read(str(path))
    assert (row.text, row.language) == ("b", language)


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ('#, fuzzy\n#~ msgid "old"\n#~ msgstr "x"\n\nmsgid "a"\nmsgstr "b"\n', "b"),
        ('#~ msgid "o"\n#~ "p"\n#~ msgstr "x"\n\nmsgid "a"\nmsgstr "b"\n', "b"),
        ('#, fuzzy\n#| msgid "p"\nmsgid "a"\nmsgstr "x"\nmsgid "c"\nmsgstr "d"', "d"),
        ('#, c-format, fuzzy\nmsgid "a"\nmsgstr "x"\nmsgid "c"\nmsgstr "d"', "d"),
        ('#, no-fuzzy-yet\nmsgid "a"\nmsgstr "b"\n', "b"),
        ('msgctxt "m"\nmsgid "a"\nmsgid_plural "as"\nmsgstr[0] "b"\nmsgstr[1] "bs"', 0),
        ('msgid ""\n"long "\n"one"\nmsgstr ""\n"b "\n"c"\n', "b c"),
        ('msgid "a"\nmsgstr "b\u2028c\x85d"\n', "b\u2028c\x85d"),
        ('msgid "a"\nmsgstr "f\\303\\274r \\x41\\t\\q\\\\"\n', "für A\tq\\"),
        ('msgid "a"\r\nmsgstr "b"\r\n', "b"),
    ],
)
def test_entries_of_a_catalogue(tmp_path, entries, text):
    path = tmp_path / "a.po"
    path.write_bytes(f"{HEAD}\n{entries}".encode())
    [row] = read(str(path))
    assert row.text == (text or "b\n\nbs")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1)
)
def test_what_gettext_writes_is_read(tmp_path, texts):
    path = tmp_path / "a.po"
    body = [
        f"\nmsgid {quoted(f'm{n}')}\nmsgstr {quoted(text)}"
        for n, text in enumerate(texts)
    ]
    path.write_bytes((HEAD + "\n".join(body) + "\n").encode())
    [row] = read(str(path))
    whole = "\n\n".join(texts)
    assert getattr(row, "text", "") == ("" if whole.isspace() else whole)


def quoted(text):
    """A string as gettext writes it (po-gram-gen), line by line."""
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    parts = text.splitlines(keepends=True) or [""]
    return "\n".join(
        '"' + "".join(names.get(character, character) for character in part) + '"'
        for part in parts
    )
