"""The numbers of a report: counted right, and the same however rows are divided."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.duplicates.deduplication import Cluster
from massivetext_keras.corpus.report import data as report_data
from massivetext_keras.corpus.report.data import ReportData, bounds_of_bin

ROWS = [
    {
        "id": bytes([number]) * 16,
        "text": text,
        "subset": subset,
        "source": "a.jsonl",
        "position": number,
        "language": language,
        "reason": reason,
        "bytes": len(text.encode()),
        "value": value,
        "bounds": None if reason is None else ">= 5",
        "columns": columns,
    }
    for number, (text, subset, language, reason, value, columns) in enumerate(
        [
            ("to be or not to be", "web", "en", None, None, None),
            ("to be", "web", "en", "quality.words", 2.0, "{}"),
            ("生存还是毁灭", "books", "zh", None, None, '{"personal_data":{"ip":2}}'),
            ("sein", "web", "de", "quality.words", 1.0, '{"personal_data":{"ip":1}}'),
            ("", "books", None, "extraction.text", 0.0, '{"other":1}'),
        ]
    )
]
HELD = '"contamination":{"item":"quiz.jsonl:7"}'
MORE = [  # that hold an item of an evaluation set, and have a licence
    {**ROWS[0], "id": b"\x10" * 16, "columns": f'{{"license":" MIT ",{HELD}}}'},
    {
        **ROWS[0],
        "id": b"\x11" * 16,
        "reason": "contamination.jaccard",
        "columns": f'{{"licence":"MIT",{HELD}}}',
    },
    {
        **ROWS[0],
        "id": b"\x12" * 16,
        "reason": "deduplication.exact",
        "columns": f'{{"license":7,{HELD}}}',
    },
]
SCHEMA = pa.schema(
    [
        *(("id", pa.binary(16)), ("text", pa.string()), ("subset", pa.string())),
        *(("source", pa.string()), ("position", pa.int64())),
        *(("language", pa.string()), ("reason", pa.string()), ("bytes", pa.int64())),
        *(("value", pa.float64()), ("bounds", pa.string()), ("columns", pa.string())),
    ]
)


def gathered(rows, **how) -> ReportData:
    data = ReportData()
    data.add(pa.Table.from_pylist(list(rows), SCHEMA), **how)
    return data


def test_what_is_counted():
    values = gathered(ROWS).to_dict()
    assert values["subsets"] == {
        "books": {
            "kept": {"documents": 1, "bytes": 18, "words": 6},
            "dropped": {"documents": 1, "bytes": 0, "words": 0},
        },
        "web": {
            "kept": {"documents": 1, "bytes": 18, "words": 6},
            "dropped": {"documents": 2, "bytes": 9, "words": 0},
        },
    }
    assert list(values["languages"]) == ["de", "en", "und", "zh"]
    assert values["languages"]["en"]["kept"]["words"] == 6
    assert values["words_per_document"] == {"5": 2}  # 6 in [4 sqrt 2, 8)
    assert values["bytes"] == {"kept": {"8": 2}, "dropped": {"0": 1, "4": 2}}
    assert values["personal_data"] == {"ip": {"documents": 2, "spans": 3}}
    assert values["words"]["total"] == 12 and values["words"]["missed"] == 0
    counts = values["words"]["counts"]
    assert list(counts.items())[:3] == [("be", 2), ("to", 2), ("not", 1)]
    reason = values["reasons"]["quality.words"]
    assert (reason["documents"], reason["bytes"]) == (2, 9)
    assert reason["samples"][1] == {
        "id": "03" * 16,
        "subset": "web",
        "source": "a.jsonl",
        "position": 3,
        "language": "de",
        "bytes": 4,
        "value": 1.0,
        "bounds": ">= 5",
        "text": "sein",
    }


def test_what_records_and_steps_say_of_documents():
    values = gathered(ROWS + MORE).to_dict()
    assert values["masked"] == {"ip": {"documents": 1, "spans": 2}}
    assert values["personal_subsets"] == {"books": {"ip": 2}, "web": {"ip": 1}}
    files = {"books: a.jsonl": {"ip": 2}, "web: a.jsonl": {"ip": 1}}
    assert values["personal_files"] == files
    # One was cut and dropped for another reason.
    assert values["evaluation"] == {"quiz.jsonl:7": {"cut": 2, "dropped": 1}}
    licenses = {
        name: [entry[outcome]["documents"] for outcome in ("kept", "dropped")]
        for name, entry in values["licenses"].items()
    }
    assert licenses == {"": [2, 3], "7": [0, 1], "MIT": [1, 1]}
    assert values["licenses"]["MIT"]["kept"] == {
        "documents": 1,
        "bytes": 18,
        "words": 6,
    }


def test_the_file_has_the_licences_and_files_with_most():
    rows = [
        {
            **ROWS[2],
            "source": f"{n % 300}",
            "columns": f'{{"license":"{n % 300}","personal_data":{{"ip":1}}}}',
        }
        for n in range(350)
    ]
    values = gathered(rows).to_dict(most_names=60)
    assert len(values["licenses"]) == len(values["personal_files"]) == 60
    assert {str(n) for n in range(50)} <= set(values["licenses"])
    assert values["personal_files"]["books: 49"] == {"ip": 2}


def test_a_report_of_an_earlier_version_has_none_of_that():
    values = gathered(ROWS).to_dict()
    for name in ("licenses", "masked", "evaluation"):
        del values[name]
    data = ReportData.from_dict(values)
    assert data.licenses == data.masked == data.evaluation == {}
    assert data.personal_data["ip"]["spans"] == 3


@given(st.permutations(ROWS + MORE), st.integers(0, len(ROWS + MORE)), st.booleans())
def test_the_same_however_rows_are_divided(rows, cut, turned):
    parts = [gathered(rows[:cut]), gathered(rows[cut:])]
    first, second = parts[::-1] if turned else parts
    first.merge(ReportData.from_dict(json.loads(json.dumps(second.to_dict()))))
    assert json.dumps(first.to_dict()) == json.dumps(gathered(ROWS + MORE).to_dict())


def test_light_rows_are_counted_without_words_and_samples_without_text():
    names = ("id", "subset", "reason", "bytes")
    data = ReportData()
    rows = [{name: row[name] for name in names} for row in ROWS]
    data.add(pa.Table.from_pylist(rows))
    values = data.to_dict()
    assert values["words"]["total"] == 0 and values["words_per_document"] == {}
    assert values["reasons"]["quality.words"]["samples"][0]["text"] == ""
    assert values["subsets"]["web"]["kept"]["documents"] == 1


def test_only_the_samples_with_the_smallest_ids_are_kept():
    rows = [{**ROWS[1], "id": bytes([n]) * 16, "text": "x" * 999} for n in range(99)]
    [entry] = gathered(rows[::-1]).reasons.values()
    assert entry["documents"] == 99
    assert [s["id"][:2] for s in entry["samples"]] == [f"{n:02x}" for n in range(10)]
    assert {len(sample["text"]) for sample in entry["samples"]} == {600}


def test_problems_are_listed_further_and_json_has_no_nan():
    row = {**ROWS[1], "reason": "read.gzip", "value": float("nan"), "bounds": "cut off"}
    data = gathered({**row, "position": n, "id": b"\0" * 16} for n in range(300))
    samples = data.reasons["read.gzip"]["samples"]
    assert [sample["position"] for sample in samples] == list(range(200))
    assert samples[0]["value"] is None and samples[0]["bounds"] == "cut off"
    json.dumps(data.to_dict(), allow_nan=False)


def test_how_exact_word_counts_are():
    rows = [
        {**ROWS[0], "text": text}
        for text in ("a a a b b c", "c c c b d d", "a a b c d e")
    ]
    data = gathered(rows[:1], most_words=2)  # c has one
    data.merge(
        gathered(rows[1:2], most_words=2)
    )  # c and d of it are counted, b has one of them
    assert dict(data.words["counts"]) == {"a": 3, "b": 2, "c": 3, "d": 2}
    assert data.words["missed"] == 2 + 2
    whole = {"a": 3, "b": 3, "c": 4, "d": 2}
    for word, count in whole.items():
        assert 0 <= count - data.words["counts"][word] <= data.words["missed"]


def cluster(survivor: str, documents: int) -> Cluster:
    return Cluster(survivor, documents, 1, documents - 2, "web", "a.jsonl", 3, "most")


def test_only_the_largest_clusters_are_kept():
    data = ReportData()
    for number in range(50):
        data.add_cluster(cluster(f"{number:032x}", number % 7 + 2))
    other = ReportData()
    other.add_cluster(cluster("ff" * 16, 99))
    data.merge(other)
    assert [c["documents"] for c in data.clusters[:3]] == [99, 8, 8]
    assert data.clusters[1]["survivor"] < data.clusters[2]["survivor"]
    assert len(data.clusters) == 20 and data.clusters[0]["excerpt"] == "most"


def test_written_and_read(tmp_path):
    data = gathered(ROWS)
    data.steps, data.mixture = ["extraction", "quality"], {"web": 0.6, "books": 0.4}
    data.write(tmp_path)
    assert ReportData.read(tmp_path).to_dict() == data.to_dict()
    assert list(data.words["counts"])  # the file has the first 5,000, the value all


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"format": 9}', "format 9, not 1"),
        ('{"format": 1}', "damaged"),
    ],
)
def test_a_damaged_file(tmp_path, text, message):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        ReportData.read(tmp_path)


def test_bins_cover_all_sizes():
    for value in (*range(1, 300), 2**40 - 1, 2**40, 10**12):
        low, high = bounds_of_bin(report_data._bin(value))
        assert low <= value < high
