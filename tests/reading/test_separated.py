"""Rows of CSV, as programs and people write them, and what is wrong with them."""

from __future__ import annotations

import csv
import io
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massivetext_keras.reading.read import read
from massivetext_keras.reading.separated import separated_rows


def rows_of(path, data, **arguments):
    """What is read of a file of CSV."""
    path.write_bytes(data.encode())
    return list(read(str(path), **arguments))


def brief(rows):
    """Texts of documents, reasons of problems."""
    return [getattr(row, "text", None) or row.reason for row in rows]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('id,text\n1,"one, and more"\n', ["one, and more"]),
        ("id,text\n1,one, and more\n2,two\n", ["bad_record", "two"]),
        ('id,text\n1,"He said \\"come, please\\" x"\n', ['He said "come, please" x']),
        ('id,text\n1,"C:\\temp\\"\n2,two\n', ["C:\\temp\\", "two"]),
        ('id,text\n1,"a\nb"\n2,"c ""d"""\n', ["a\nb", 'c "d"']),
        ('id,text\n1,5" pipe\n', ['5" pipe']),
        ('id,text\n1,"open\n2,two\n3,"three"\n', ["bad_record", "two", "three"]),
        ("id,text\r1,one\r2,two\r", ["one", "two"]),
        ("id;text\n1;one, and two\n", ["one, and two"]),
        ("sep=;\nid;text\n1;one\n", ["one"]),
        ("id\ttext\n1\tone, two\n", ["one, two"]),
        ("id|text\n1|one, two\n", ["one, two"]),
        ("text\na; b\nc; d\n", ["a; b", "c; d"]),
        ("id,text,more\n1,one\n", ["one"]),
        ("id,text\n1\n", ["no_text"]),
        ("text,text\na,b\n", ["no_text"]),
        ("id,text\n1,a\rb\n2,x\n", ["bad_record", "x"]),
        ("id;text\n1;a\u2028b\x0bc\n2;x\n", ["a\u2028b\x0bc", "x"]),
        ('id,text\n1,"a\rb"\n2,x\n', ["a\rb", "x"]),
        ('id, text\n1, "Hello, you"\n2, x\n', ["Hello, you", "x"]),
        ('id,text,n\n1,"Hello, you" ,3\n2,"x"\t,4\n', ["Hello, you", "x"]),
        ('id,text\n1,"a"b"\n2,x\n', ["bad_record", "x"]),
        ('id;text\n1;"open\n2;two\n', ["bad_record", "two"]),
        ("id,text\n1,a\\b,c\n2,x\n", ["bad_record", "x"]),
        ('id,text\n1,"a\\\nb",c\n2,"x\ny"\n3,z\n', ["bad_record", "x\ny", "z"]),
        ('id,text\r1,"one\ntwo"\r2,two\r', ["one\ntwo", "two"]),
        ('id,text\r1,"a ""\n"" b"\r2,two', ['a "\n" b', "two"]),
        ('id,text\n1,"a\rb"\n2,"c\r"\n', ["a\rb", "c\r"]),
        ("id,text\n1,one\\, two\n", ["one, two"]),
        ("id,text\n1,x\n2,one\\, t\\\\wo\\n\n3,z\n", ["x", "one, t\\wo\\n", "z"]),
        ("id,text\n1,one\\, two\\\nthree\n2,x\n3,y\n", ["one, two\nthree", "x", "y"]),
        ("id;text\n1;one\\; two\n2;x\n", ["one; two", "x"]),
        ("id,text\n1,C:\\,D\n", ["C:,D"]),
        ("id,text\nC:\\,x\n1,one\\, two\n", ["x", "bad_record"]),
        ("id,text\n1,one\\, two, three\n2,x\n", ["bad_record", "x"]),
        ("id,text\n1,one, two\\n\n2,x\n", ["bad_record", "x"]),
    ],
)
def test_what_programs_write_as_csv(tmp_path, data, text):
    assert brief(rows_of(tmp_path / "a.csv", data)) == text


def test_a_mark_that_nothing_closes_takes_no_other_row(tmp_path):
    data = 'id,text\n1,"open\n' + "".join(f"{n},row {n}\n" for n in range(2, 60))
    rows = rows_of(tmp_path / "a.csv", data)
    assert brief(rows) == ["bad_record", *(f"row {n}" for n in range(2, 60))]
    assert rows[0].detail == "line 2: a quotation mark that nothing closes"


def test_a_field_beyond_what_is_held_is_one_problem(tmp_path):
    lines = 'id,text\n1,"' + "some words, as it is\n" * 9000 + '"\n2,two\n'
    rows = rows_of(tmp_path / "a.csv", lines, max_document_bytes=1000)
    assert brief(rows) == ["too_large", "two"]
    lines = 'id,text\n1,"' + "".join(f"{n},some words\n" for n in range(12_000))
    rows = rows_of(tmp_path / "a.csv", lines, max_document_bytes=1000)
    assert brief(rows) == ["bad_record", *["some words"] * 11_999]


def test_a_backslash_before_a_comma_late_in_a_file(tmp_path):
    rows = "".join(f"{n},row {n}\n" for n in range(9000))
    found = rows_of(tmp_path / "a.csv", f"id,text\n{rows}1,one\\, two\n2,a\\,b\n")
    assert brief(found[-3:]) == ["row 8999", "one, two", "a,b"]
    found = rows_of(tmp_path / "a.csv", f"id,text\n{rows}C:\\,x\n1,one\\, two\n")
    assert brief(found[-2:]) == ["x", "bad_record"]


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=5),
    st.sampled_from(
        [
            {},
            {"quoting": csv.QUOTE_ALL},
            {"delimiter": ";"},
            {"delimiter": "\t", "quoting": csv.QUOTE_ALL},
            {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL},
            {"lineterminator": "\r", "quoting": csv.QUOTE_ALL},
        ]
    ),
)
def test_what_csv_writes_is_read(tmp_path, rows, how):
    file = io.StringIO(newline="")
    csv.writer(file, **how).writerows([("id", "text", "title"), *rows])
    read = rows_of(tmp_path / "a.csv", file.getvalue())
    kept = [row for row in rows if any(row)]
    assert [getattr(row, "text", "") for row in read if row.position >= 0] == [
        text.removeprefix("") if text and not text.isspace() else ""
        for _, text, _ in kept
    ]


@given(st.text('",;\n\r\\ ab', max_size=60))
def test_every_line_of_a_table_is_in_a_row_or_an_error(text):
    data = ("id,text\n" + text).encode()
    found = [*separated_rows(io.BytesIO(data), ",", 10**6, ["text"])]
    lines = [row.line for row in found]
    assert lines == sorted(set(lines)) and lines[0] == 1
    for row, behind in itertools.pairwise([*found, None]):
        if row.error:  # the next row begins with the next line
            rest = data.split(b"\n")[row.line : behind.line - 1 if behind else None]
            assert not any(line.strip(b'\r", ;') for line in rest)
