"""Tables and JSON as records, and what is wrong with them."""

from __future__ import annotations

import gzip
import json

import pytest

from massivetext_keras.data.records import FORMATS, Problems, read_records
from massivetext_keras.support.extras import need

FIELDS = ("text", "label")


def read(path, content: str | bytes, fields=FIELDS, problems=None, **how):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(content)
    return [r.fields for r in read_records(path, fields, problems=problems, **how)]


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_a_table_has_a_head_if_its_first_row_names_the_first_field(tmp_path, suffix):
    tab = {"tsv": "\t", "csv": ","}[suffix]
    path = tmp_path / f"a.{suffix}"
    named = read(path, f"id{tab}label{tab}text\n1{tab}good{tab}a film\n")
    assert named == [{"id": "1", "label": "good", "text": "a film"}]
    bare = read(path, f"a film{tab}good\n\nno{tab}bad{tab}\n")
    assert bare == [
        {"text": "a film", "label": "good"},
        {"text": "no", "label": "bad"},
    ]
    with pytest.raises(ValueError, match=rf"a.{suffix}:2: more than 2 columns"):
        read(path, f"a film{tab}good\nno{tab}bad{tab}more\n")


def test_a_head_with_other_names_is_no_example_that_nobody_sees(tmp_path, caplog):
    path = tmp_path / "a.tsv"
    glue = "sentence\tlabel\na film\tgood\n"
    assert read(path, glue) == [{"sentence": "a film", "label": "good"}]
    assert read(path, glue, columns={"text": 0, "label": 1}) == [
        {"text": "a film", "label": "good", "sentence": "a film"}
    ]
    assert not caplog.text
    assert len(read(path, "sentence\tclass\na film\tgood\n")) == 2
    assert "a.tsv:1, 'sentence' 'class', was read as an example" in caplog.text
    # a label may be the name of a field
    assert len(read(path, "A long text\tlabel\na film\timage\n")) == 2


def test_columns_by_number_and_by_name(tmp_path):
    path = tmp_path / "a.tsv"
    content = "ham\tGo until\n"
    found = read(path, content, columns={"text": 1, "label": 0})
    assert found == [{"text": "Go until", "label": "ham"}]
    found = read(path, "class\tbody\nham\tGo\n", columns={"text": "body"})
    assert found == [{"text": "Go", "class": "ham", "body": "Go"}]
    with pytest.raises(ValueError, match=r"no column 'boby' \(text\): did you mean 'b"):
        read(path, "class\tbody\nham\tGo\n", columns={"text": "boby"})
    with pytest.raises(ValueError, match=r"no column 'boby' \(text\): did you mean 'b"):
        read(path, "class\tbody\nham\t\n", columns={"text": "boby", "label": "class"})
    with pytest.raises(ValueError, match="no field 'txt': did you mean 'text'"):
        read(path, content, columns={"txt": 1})


def test_bytes_of_another_encoding_are_noted(tmp_path):
    path, content = tmp_path / "a.tsv", "a\tgut\nÄ\tschön\n"
    problems = Problems()
    found = read(path, content.encode("latin-1"), problems=problems)
    assert found[1] == {"text": "\ufffd", "label": "sch\ufffdn"}
    what = "bytes that are not utf-8 became U+FFFD: see encoding"
    assert problems.notes == {what: [f"{path}:2"]} and not problems.count
    with pytest.raises(ValueError, match=rf"a.tsv:2: {what.replace('+', '.')}"):
        read(path, content.encode("latin-1"))
    right = read(path, content, encoding="UTF8")
    assert read(path, content.encode("latin-1"), encoding="latin-1") == right
    with pytest.raises(ValueError, match="unknown encoding 'utf-61': did you mean"):
        read(path, content, encoding="utf-61")
    with pytest.raises(ValueError, match="unknown encoding 'base64'"):
        read(path, content, encoding="base64")


@pytest.mark.parametrize(
    ("written", "encoding"),
    [("utf-16", "utf-8"), ("utf-16", "latin-1"), ("utf-16-be", "UTF-16BE")],
)
def test_utf_16_is_cut_into_lines_by_its_characters(tmp_path, written, encoding):
    content = "Ċ\tgood\n嗨\u0a0d\tbad\n"  # their bytes have those of ends of lines
    found = read(tmp_path / "a.tsv", content.encode(written), encoding=encoding)
    assert found == [
        {"text": "Ċ", "label": "good"},
        {"text": "嗨\u0a0d", "label": "bad"},
    ]


def test_quotation_marks_are_text_in_tsv_and_not_in_csv(tmp_path):
    content = '"a, ""b""\nc",good\n'
    assert read(tmp_path / "a.csv", content) == [{"text": 'a, "b"\nc', "label": "good"}]
    assert read(tmp_path / "a.tsv", 'a "b\tgood\n')[0]["text"] == 'a "b'


def test_bad_lines_are_counted_and_named(tmp_path):
    problems = Problems()
    content = "one\tgood\nonly\ntwo\tbad\nalone\n"
    columns = {"text": 0, "label": 1}
    found = read(tmp_path / "a.tsv", content, problems=problems, columns=columns)
    assert [fields["text"] for fields in found] == ["one", "two"]
    path = tmp_path / "a.tsv"
    assert str(problems) == (
        f"2 examples left out: 1 columns, no 'label' (2: {path}:2, {path}:4)"
    )
    with pytest.raises(ValueError, match=r"a.tsv:2: 1 columns, no 'label'"):
        read(path, content, columns=columns)


def test_lines_of_json(tmp_path):
    path, problems = tmp_path / "a.jsonl", Problems()
    lines = [json.dumps({"text": "Über 中文", "label": ["a", "b"]}), "{", "[1]", ""]
    found = read(path, "\n".join(lines), problems=problems)
    assert found == [{"text": "Über 中文", "label": ["a", "b"]}]
    assert problems.places == {
        "no JSON": [f"{path}:2"],
        "no object of JSON": [f"{path}:3"],
    }
    renamed = read(path, '{"s": "x", "label": 1}\n', columns={"text": "s"})
    assert renamed == [{"s": "x", "label": 1, "text": "x"}]
    with pytest.raises(
        ValueError, match=r"no column 'labl' \(label\): did you mean 'l"
    ):
        read(path, '{"s": "x", "label": 1}\n', columns={"label": "labl"})


def test_a_list_in_json(tmp_path):
    path, problems = tmp_path / "a.json", Problems()
    assert read(path, '[{"text": "a"}, 3]', problems=problems) == [{"text": "a"}]
    assert problems.places == {"no object of JSON": [f"{path}:2"]}
    with pytest.raises(ValueError, match="a.json: no JSON"):
        read(path, "[")


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("data", "texts", "bad"),
    [
        ('[{"text": "a", "label": NaN},\n{"text": "b"}', "ab", ""),
        ('[{"text": "a"},\n{"text": "b"},\n]', "ab", ""),
        ('{\n"text": "a"\n}\n{\n"text": "b"\n}\n', "ab", ""),
        ('{"text": "a"},\n{"text": "b"}', "ab", ""),
        ('{"text": "a"} {"text": "b"}', "ab", ""),
        ('["a", "b"]', "ab", ""),
        ('["a",\n3, "b"]', "ab", "no object of JSON (1: {}:2)"),
        ('[null,\n{"text": "a"}]', "a", "no object of JSON (1: {}:1)"),
        ('[{"text": "a"}, {"text": "b"', "a", "no JSON (1: {}:2)"),
    ],
)
def test_json_is_read_as_in_a_corpus(tmp_path, name, data, texts, bad):
    path, problems = tmp_path / name, Problems()
    found = read(path, data, problems=problems)
    assert [fields["text"] for fields in found] == [*texts]
    assert str(problems).endswith(f"left out: {bad.format(path)}")


def test_a_list_of_texts_is_of_the_first_field(tmp_path):
    path, fields = tmp_path / "a.json", ("source", "target")
    assert read(path, '["a", "b"]', fields) == [{"source": "a"}, {"source": "b"}]
    with pytest.raises(ValueError, match=r"a.json:1: no object of JSON"):
        read(path, '{"data": ["a", "b"]}', fields)
    with pytest.raises(ValueError, match=r"a.jsonl:1: no object of JSON"):
        read(tmp_path / "a.jsonl", '"a"\n"b"\n', fields)
    assert read(path, '{"s": "a"}', columns={"text": "s"}) == [{"s": "a", "text": "a"}]
    assert read(path, '{"data": 3, "text": "a"}') == [{"data": 3, "text": "a"}]
    assert read(path, "[ ]") == []


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = {"sentence": ["a", "b"], "label": [0, 1]}
    pq.write_table(pyarrow.table(rows), tmp_path / "a.parquet")
    records = read_records(tmp_path / "a.parquet", FIELDS, columns={"text": "sentence"})
    assert [(r.fields["text"], r.fields["label"]) for r in records] == [
        ("a", 0),
        ("b", 1),
    ]
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and more")
    with pytest.raises(ValueError, match="b.parquet is damaged"):
        list(read_records(tmp_path / "b.parquet"))


def parquet(path, table, fields=FIELDS, **how):
    pyarrow, pq = need("pyarrow"), need("pyarrow.parquet")
    plain = {"compression": "none", "use_dictionary": False}
    pq.write_table(pyarrow.table(table), path, row_group_size=100, **plain)
    return [record.fields for record in read_records(path, fields, **how)]


def test_columns_of_parquet_that_nobody_asked_for_harm_nothing(tmp_path):
    pyarrow, path = need("pyarrow"), tmp_path / "a.parquet"
    times = pyarrow.array([1]).view(pyarrow.timestamp("ns"))
    table = {"text": ["a"], "label": ["x"], "time": times, "other": [b"\xff"]}
    assert parquet(path, table) == [{"text": "a", "label": "x"}]
    assert parquet(path, table, ("prompt",)) == [{}]
    how = {"all_fields": True, "problems": Problems()}
    (whole,) = parquet(path, table, **how)
    assert (whole["time"], whole["other"]) == (
        "1970-01-01 00:00:00.000000001",
        "\ufffd",
    )
    assert parquet(path, table, columns={"label": "time"})[0]["label"] == whole["time"]
    with pytest.raises(
        ValueError, match=r"no column 'tmie' \(label\): did you mean 't"
    ):
        parquet(path, table, columns={"label": "tmie"})
    table = {"text": [f"text {n}" for n in range(400)]}
    parquet(path, {**table, "other": [f"other {n}" for n in range(400)]})
    data = path.read_bytes()
    place = data.index(b"other 150") - 300
    path.write_bytes(data[:place] + bytes(200) + data[place + 200 :])
    problems = Problems()
    assert len([*read_records(path, FIELDS)]) == 400
    how = {"all_fields": True, "problems": problems}
    assert len([*read_records(path, FIELDS, **how)]) == 300
    assert str(problems).startswith(
        f"1 example left out: {path} is damaged: rows 101 to 200: "
    )


def test_values_of_parquet(tmp_path):
    pyarrow, path = need("pyarrow"), tmp_path / "a.parquet"
    for label, found in [
        ([["a", "ü"], None, []], [["a", "ü"], None, []]),
        ([[b"a"], None, [b"b"]], [["a"], None, ["b"]]),
        ([{"x": ["a", None]}, None, {"x": None}],) * 2,
        (pyarrow.array([[1, 2], None, [3, 4]], pyarrow.list_(pyarrow.int8(), 2)),) * 2,
        (pyarrow.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
        ([0.5, None, 2.0], [0.5, None, 2.0]),
    ]:
        found = found.to_pylist() if isinstance(found, pyarrow.Array) else found
        rows = parquet(path, {"text": [b"a", b"b", None], "label": label})
        assert [row["label"] for row in rows] == found
        assert [row["text"] for row in rows] == ["a", "b", None]
    shared = [[{"from": "human", "value": "Hi."}]]
    table = {"conversations": shared, "system": ["Be brief."], "n": [1]}
    messages = [{"role": "system", "content": "Be brief."}]
    messages += [{"role": "user", "content": "Hi."}]
    (row,) = parquet(path, table, ("prompt", "reply", "messages"))
    assert row["messages"] == messages and "n" not in row


def test_lines_of_text_and_other_encodings(tmp_path):
    assert read(tmp_path / "a.txt", "one\ntwo\r\n") == [
        {"text": "one"},
        {"text": "two"},
    ]
    latin = read(tmp_path / "b.txt", "Fluß\n".encode("latin-1"), encoding="latin-1")
    assert latin == [{"text": "Fluß"}]
    found = read(tmp_path / "b.txt", b"a\xff\n", problems=Problems())
    assert found == [{"text": "a\ufffd"}]


def test_compressed_files_and_folders(tmp_path):
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(b"two\tb\n"))
    (tmp_path / "a.tsv").write_text("one\ta\n")
    texts = [r.fields["text"] for r in read_records(tmp_path, FIELDS)]
    assert texts == ["one", "two"]
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(b"two\tb\n")[:-9])
    with pytest.raises(ValueError, match="b.tsv.gz is damaged"):
        list(read_records(tmp_path, FIELDS))


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no.tsv"):
        list(read_records(tmp_path / "no.tsv"))
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(ValueError, match="unknown suffix '.xyz'; give a format: tsv"):
        list(read_records(tmp_path / "a.xyz"))
    with pytest.raises(ValueError, match="unknown format 'tvs': did you mean 'tsv'"):
        list(read_records(tmp_path / "a.xyz", format="tvs"))
    assert read(tmp_path / "empty.tsv", "") == []
    assert {"tsv", "csv", "jsonl", "json", "parquet", "text"} <= set(FORMATS)


def test_tables_of_other_programs(tmp_path):
    path, problems = tmp_path / "a.csv", Problems()
    wanted = [{"text": "Yes, it is", "label": "good"}]
    assert read(path, "text;label\nYes, it is;good\n") == wanted
    assert read(path, "text\tlabel\nYes, it is\tgood\n") == wanted
    assert read(path, "sep=|\r\ntext|label\r\nYes, it is|good\r\n") == wanted
    assert read(path, 'text,label\r"Yes, it is",good\r') == wanted
    assert read(path, 'text,label\n"He said \\"yes, I do\\"",good\n') == [
        {"text": 'He said "yes, I do"', "label": "good"}
    ]
    rows = "".join(f"row {n},good\n" for n in range(58))
    found = read(path, f'text,label\n"open,bad\n{rows}', problems=problems)
    assert [fields["text"] for fields in found] == [f"row {n}" for n in range(58)]
    what = "no row of a table: a quotation mark that nothing closes"
    assert problems.places == {what: [f"{path}:2"]}
    assert read(path, "a text; with more\n") == [{"text": "a text; with more"}]
    assert read(path, "Yes, it is;good\nNo, it is;bad\n")[1] == {
        "text": "No, it is",
        "label": "bad",
    }
    with pytest.raises(ValueError, match=r"a\.csv: columns with one name: 'text'"):
        read(path, "text,text\na,b\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_a_byte_order_mark_says_how_to_read(tmp_path, name, encoding):
    record = {"text": "Ċ für 嗨\u0a0d", "label": "good"}
    tab = {"a.csv": ",", "a.tsv": "\t"}.get(name)
    content = json.dumps(record, ensure_ascii=False) + "\n"
    if tab:
        content = f"{tab.join(record)}\n{tab.join(record.values())}\n"
    assert read(tmp_path / name, content.encode(encoding)) == [record]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_without_a_mark_what_is_written_says_how_to_read(tmp_path, encoding):
    rows = "text,label\nодин и один,да\nдва и три,нет\n我的书在这里，你看,да\n"
    texts = ["один и один", "два и три", "我的书在这里，你看"]
    for name, tab in (("a.csv", ","), ("a.tsv", "\t")):
        data = rows.replace(",", tab).encode(encoding)
        assert [fields["text"] for fields in read(tmp_path / name, data)] == texts
    text = texts[2] + "。我不知道"
    assert read(tmp_path / "a.txt", text.encode(encoding)) == [{"text": text}]
    with pytest.raises(ValueError, match=r"a.txt:1: bytes that are not utf-8"):
        read(tmp_path / "a.txt", text.encode("gb18030"))


def test_json_by_its_content(tmp_path):
    lines = '{"text": "a"}\n{"text": "b"}\n'
    texts = [{"text": "a"}, {"text": "b"}]
    for name in ("a.json", "a.ndjson", "a.jsonl", "wiki_00", "a.unknown"):
        assert read(tmp_path / name, lines) == texts
    assert read(tmp_path / "a.json", '{"text": "a"}') == texts[:1]
    for name in ("b", "a.jsonl", "a.ndjson"):
        assert read(tmp_path / name, json.dumps(texts)) == texts
        assert read(tmp_path / name, json.dumps(texts, indent=1)) == texts


def test_what_is_no_text_is_refused(tmp_path):
    for name in ("a.csv", "a.zip", "a.txt"):
        with pytest.raises(ValueError, match="is no text, but a zip archive: unpack"):
            read(tmp_path / name, b"PK\x03\x04" + bytes(30))
    with pytest.raises(ValueError, match="is no text, but binary data"):
        read(tmp_path / "a.tsv", bytes(range(256)))


def test_what_is_good_of_damaged_files_is_read(tmp_path):
    one, two, three = (
        gzip.compress(line) for line in (b"one\ta\n", b"two\tb\n", b"three\tc\n")
    )
    problems = Problems()
    damaged = one + two[:-8] + bytes(8) + three + b"behind it"
    found = read(tmp_path / "a.tsv.gz", damaged, problems=problems)
    assert [fields["text"] for fields in found] == ["one", "three"]
    assert problems.count == 2


def test_bytes_of_parquet_that_are_not_valid(tmp_path):
    pyarrow, pq = need("pyarrow"), need("pyarrow.parquet")
    path, problems = tmp_path / "a.parquet", Problems()
    text = pyarrow.array([b"a", b"b\xff"]).view(pyarrow.string())
    pq.write_table(pyarrow.table({"text": text, "label": ["x", "y"]}), path)
    found = [r.fields for r in read_records(path, FIELDS, problems=problems)]
    assert found == [{"text": "a", "label": "x"}, {"text": "b\ufffd", "label": "y"}]
    assert list(problems.notes.values()) == [[f"{path}:2"]]
    table = pyarrow.Table.from_arrays([text, text], ["text", "text"])
    pq.write_table(table, path)
    with pytest.raises(ValueError, match="columns with one name: 'text'"):
        list(read_records(path, FIELDS))
