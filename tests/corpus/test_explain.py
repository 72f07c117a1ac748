"""What a recipe makes of one document, told exactly."""

from __future__ import annotations

import functools
import gzip
import json

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Check
from massivetext_keras.corpus.explain import explain, explain_document
from massivetext_keras.corpus.rules.gopher_quality import gopher_quality
from massivetext_keras.corpus.rules.personal_data import personal_data
from massivetext_keras.pages.aligned import aligned
from massivetext_keras.reading.document import Document


def upper_first(batch, *, letters="a"):
    for document in batch.documents:
        document.language = "en"
        document.columns["title"] = "T"
    batch.rewrite([text.replace(letters, letters.upper()) for text in batch.texts])
    return []


def unmeasured(batch, *, most=0.5):
    return [
        Check("share", np.full(len(batch), np.nan), at_most=most),
        Check("lines", np.array([1234567.0]), at_least=0.25, below=2e6),
    ]


def broken(batch):
    raise RuntimeError("no such word list")


STEPS = [
    ("upper_first", upper_first, {"letters": "b"}),
    ("unmeasured", unmeasured, {}),
    ("gopher_quality", gopher_quality, {"min_words": 5, "min_stop_words": 1}),
    ("personal_data", functools.partial(personal_data, max_spans=0), {}),
    ("broken", broken, {}),
    ("idle", lambda batch: [], {}),
]
TEXT = "To be or not to be\nthat is the question\n\n" + "w" * 90 + "o end.\tada@b.org\n"
EXPECTED = """\
a.jsonl, document 3, web: 148 characters

step            check                    value  kept if
upper_first     148 -> 148 characters
                - To be or not to be
                + To Be or not to Be
                - …wwwwwwwwwwwwwwwwwwo end.\\tada@b.org
                + …wwwwwwwwwwwwwwwwwwo end.\\tada@B.org
                language: en
                title: T
unmeasured      share             not measured  <= 0.5
                lines                1,234,567  >= 0.25 and < 2e+06  keep
gopher_quality  words                       13  >= 5 and <= 100,000  keep
                word_length              10.31  >= 3 and <= 10       DROP
                number_signs                 0  <= 0.1               keep
                ellipses                     0  <= 0.1               keep
                bullet_lines                 0  <= 0.9               keep
                ellipsis_lines               0  <= 0.3               keep
                alphabetic_words             1  >= 0.8               keep
                stop_words                   4  >= 1                 keep
personal_data   spans                        1  <= 0                 fails
                148 -> 158 characters
                - …wwwwwwwwwwwwwwwwwwwwwwo end.\\tada@B.org
                + …wwwwwwwwwwwwwwwwwwwwwwo end.\\t|||EMAIL_ADDRESS|||
                personal_data: {'email': 1}
broken          failed: RuntimeError: no such word list
idle            nothing to do

dropped: gopher_quality.word_length; a build goes no further
"""


def document() -> Document:
    return Document(TEXT, subset="web", source="a.jsonl", position=3)


def test_the_exact_text_of_one_document():
    given = document()
    assert f"{explain_document(given, STEPS)}\n" == EXPECTED
    assert given == document()


def test_plain_values():
    values = json.loads(json.dumps(explain_document(document(), STEPS).to_dict()))
    assert values["reason"] == "gopher_quality.word_length"
    assert values["text"].endswith("|||EMAIL_ADDRESS|||\n")
    first, second, *_, broken_step, idle = values["steps"]
    assert first["characters"] == [148, 148]
    assert first["fields"] == {"language": "en", "title": "T"}
    assert second["checks"] == [
        {"check": "share", "value": None, "bounds": "<= 0.5", "kept": True},
        {
            "check": "lines",
            "value": 1234567.0,
            "bounds": ">= 0.25 and < 2e+06",
            "kept": True,
        },
    ]
    assert broken_step["failure"] == "RuntimeError: no such word list"
    assert idle == {
        "step": "idle",
        "checks": [],
        "characters": None,
        "changes": [],
        "fields": {},
        "failure": None,
    }


def test_spaces_at_the_end_are_seen():
    def strip(batch):
        batch.rewrite([text.strip() for text in batch.texts])
        return []

    told = explain_document(Document("a\u00a0b \t  "), [("strip", strip, {})])
    assert told.steps[0].changes == ["- a\\xa0b \\t··", "+ a\\xa0b"]


def test_a_step_that_raises_drops():
    told = explain_document(Document("x"), STEPS[4:])
    assert told.reason == "quarantine.document"
    assert str(told).splitlines()[0] == "text: 1 characters"
    assert str(told).endswith("dropped: quarantine.document")
    assert str(explain_document(Document("x"), STEPS[5:])).endswith("\n\nkept")


def test_many_changes_are_counted_and_very_long_texts_not_compared():
    lines = [("upper_first", upper_first, {"letters": "b"})]
    told = explain_document(Document("b\n" * 50), lines)
    assert told.steps[0].changes[:2] == ["- b", "+ B"]
    assert told.steps[0].changes[-1] == "… 94 lines more"
    told = explain_document(Document("b\n" * 5000), lines)
    assert told.steps[0].changes == [] and told.steps[0].characters == (10000, 10000)


def test_every_document_of_a_file(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = [{"text": "to be"}, {"text": 3}, {"text": "be it so", "url": "http://a.b"}]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    told = list(explain(path, STEPS[1:2], {"subset": "web"}))
    assert [one.position for one in told] == [0, 1, 2]
    assert [one.reason for one in told] == [
        None,
        "read.no_text (line 2: 'text' is int, not text)",
        None,
    ]
    assert str(told[1]) == (
        "a.jsonl.gz, document 1: 0 characters\n\n"
        "dropped: read.no_text (line 2: 'text' is int, not text)"
    )


@pytest.mark.parametrize(
    ("rows", "right", "expected"),
    [
        ([], (), []),
        ([["a", "b"], ["ccc", "d"]], (), ["a    b", "ccc  d"]),
        ([["a", "b"], ["中文", "dd"]], (1,), ["a      b", "中文  dd"]),
        ([["a", "b", "c"], ["x", "longer"]], (1,), ["a  b  c", "x  longer"]),
    ],
)
def test_columns(rows, right, expected):
    assert aligned(rows, right) == expected
