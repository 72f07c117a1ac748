"""A corpus in a few lines."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.report.summary import summarize, summary
from tests.corpus.report.test_data import ROWS, SCHEMA

SPLITS = {
    "books": {"train": {"documents": 1, "bytes": 18}},
    "web": {
        "train": {"documents": 1200, "bytes": 13},
        "test": {"documents": 0, "bytes": 0},
    },
}


@pytest.fixture
def corpus(tmp_path):
    data = ReportData()
    data.add(pa.Table.from_pylist(ROWS, SCHEMA))
    data.write(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"subsets": SPLITS}))
    return tmp_path


def test_the_exact_text(corpus):
    assert (
        summary(corpus)
        == """\
              documents   bytes  words
read                  5      45
kept                  2      36     12
kept of read     40.0 %  80.0 %

subset  documents  bytes  words  of bytes
books           1     18      6    50.0 %
web             1     18      6    50.0 %

language  documents  bytes  words  of bytes
en                1     18      6    50.0 %
zh                1     18      6    50.0 %

subset  split  documents  bytes
books   train          1     18
web     train      1,200     13
        test           0      0

dropped by       documents  bytes  of read
quality.words            2      9   40.0 %
extraction.text          1      0   20.0 %"""
    )


def test_values(corpus):
    values = summarize(corpus)
    assert values["read"] == {"documents": 5, "bytes": 45}
    assert values["kept"] == {"documents": 2, "bytes": 36, "words": 12}
    assert values["splits"] == SPLITS
    assert list(values["dropped"]) == ["quality.words", "extraction.text"]
    json.dumps(values)


def test_long_lists_are_cut(tmp_path):
    data = ReportData()
    rows = [{**ROWS[1], "reason": f"rule.number_{n:02}"} for n in range(20)]
    data.add(pa.Table.from_pylist(rows, SCHEMA))
    data.write(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    text = summary(tmp_path)
    assert "rule.number_14" in text and "rule.number_15" not in text
    assert text.endswith("and 5 more")


def test_no_corpus(tmp_path):
    with pytest.raises(FileNotFoundError):
        summary(tmp_path)
