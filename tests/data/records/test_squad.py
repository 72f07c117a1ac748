"""Questions from SQuAD's JSON and from flat records; answers where they belong."""

from __future__ import annotations

import json
import logging

import pytest

from massivetext_keras.data import Answer, Problems, Question, read_records
from massivetext_keras.data.records.squad import FIRST, MOVED, NOWHERE, as_question
from massivetext_keras.tasks import QuestionAnswerer

CONTEXT = "Ada met Bob. Bob left."


def squad(*questions, context=CONTEXT) -> dict:
    paragraphs = [{"context": context, "qas": list(questions)}]
    return {"version": "1.1", "data": [{"title": "A", "paragraphs": paragraphs}]}


def asked(*answers: tuple[str, int], **more) -> dict:
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": "q", "question": "Who?", "answers": answers, **more}


def read(tmp_path, value, name="a.json", **how):
    (tmp_path / name).write_text(json.dumps(value))
    return QuestionAnswerer.read_examples(tmp_path / name, **how)


def test_both_versions(tmp_path):
    impossible = asked(is_impossible=True, plausible_answers=[{"text": "Ada"}])
    unknown = {"id": "test", "question": "Why?"}
    value = squad(asked(("Ada", 0), ("Bob", 13)), impossible, unknown)
    ada, bob = Answer("Ada", 0, 3), Answer("Bob", 13, 16)
    wanted = [
        Question(CONTEXT, "Who?", (ada, bob), "q"),
        Question(CONTEXT, "Who?", (), "q"),
        Question(CONTEXT, "Why?", None, "test"),
    ]
    assert read(tmp_path, value) == wanted
    assert read(tmp_path, value, "a.dat", format="squad") == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"answers": {"text": ["Ada"], "answer_start": [0]}},
        {"answers": [{"text": "Ada", "answer_start": 0}]},
        {"answers": {"text": ["Ada"]}},
        {"answers": ["Ada"]},
        {"answer": "Ada"},
        {"answer": "Ada", "answer_start": "0"},
        {"answer": "Ada", "answer_start": ""},
    ],
)
def test_flat_records(fields):
    question = as_question({"context": CONTEXT, "question": "Who?", **fields})
    assert question == Question(CONTEXT, "Who?", (Answer("Ada", 0, 3),))


@pytest.mark.parametrize("answers", [{"answers": {"text": [], "answer_start": []}}])
@pytest.mark.parametrize("answer", [{"answer": ""}, {"answers": []}])
def test_flat_records_without_an_answer(answers, answer):
    both = {"context": CONTEXT, "question": "Who?"}
    assert (
        as_question(both | answers).answers == as_question(both | answer).answers == ()
    )
    assert as_question(both).answers is None


@pytest.mark.parametrize(
    ("text", "start", "wanted", "note"),
    [
        ("Bob", 8, 8, None),
        ("Bob", 13, 13, None),
        ("Bob", 9, None, NOWHERE),  # which of the two?
        ("Bob", None, 8, FIRST),
        ("Ada", 5, 0, MOVED),
        ("Ada", -21, 0, MOVED),  # no place counted from the end
        ("Ada", 1000, 0, MOVED),
        ("Eve", 0, None, NOWHERE),
        ("ada", 0, None, NOWHERE),
        ("Eve", None, None, NOWHERE),
    ],
)
def test_wrong_offsets(text, start, wanted, note):
    notes: list[str] = []
    answers = {"text": [text, "left"], "answer_start": [start, 17]}
    fields = {"context": CONTEXT, "question": "", "answers": answers}
    found = as_question(fields, notes.append).answers
    assert notes == ([] if note is None else [note])
    places = [] if wanted is None else [Answer(text, wanted, wanted + len(text))]
    assert list(found) == [*places, Answer("left", 17, 21)]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"context": "a"}, "no question"),
        ({"question": "a", "context": 3}, "no context"),
        (
            {"answers": {"text": ["a"], "answer_start": []}},
            "not as many answers as plac",
        ),
        ({"answers": {"text": ["a"], "answer_start": ["x"]}}, "begins is no number"),
        ({"answers": [3]}, "an answer is no text"),
        ({"answers": 3}, "answers that are no list"),
        ({"answers": {"text": "Eve"}}, "no answer is where it is said to be"),
        ({"answer": "Eve"}, "no answer is where it is said to be"),
    ],
)
def test_what_is_no_question(fields, what):
    whole = {"context": CONTEXT, "question": "Who?"} if "answer" in str(fields) else {}
    with pytest.raises(ValueError, match=what):
        as_question(whole | fields)


def test_all_is_counted_and_said_once(tmp_path, caplog):
    value = squad(
        asked(("Ada", 3)), asked(("Ada", 0), ("Eve", 1)), asked(("Eve", 1)), "no", {}
    )
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path, value)) == 2
    path = tmp_path / "a.json"
    assert [record.getMessage() for record in caplog.records] == [
        "3 examples left out: no answer is where it is said to be in the context (1: "
        f"{path}:3); no object of JSON (1: {path}:4); no question (1: {path}:5); used "
        f"nevertheless: {MOVED} (1: {path}:1); {NOWHERE} (1: {path}:2)"
    ]
    with pytest.raises(ValueError, match=rf"a.json:1: {MOVED}"):
        read(tmp_path, value, strict=True)


def test_json_is_told_by_its_shape(tmp_path):
    rows = [{"context": CONTEXT, "question": "Who?", "answer": "Ada"}]
    wanted = [Question(CONTEXT, "Who?", (Answer("Ada", 0, 3),))]
    assert read(tmp_path, rows) == wanted
    assert read(tmp_path, {"version": "x", "data": rows}) == wanted
    with pytest.raises(ValueError, match="a.json: no list of objects"):
        read(tmp_path, {"rows": rows})
    with pytest.raises(ValueError, match="no SQuAD: no 'data' with 'paragraphs'"):
        read(tmp_path, rows, format="squad")


def test_tables_and_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    answers = [{"text": ["Ada"], "answer_start": [0]}, {"text": [], "answer_start": []}]
    columns = {
        "question": ["Who?", "Why?"],
        "context": [CONTEXT] * 2,
        "answers": answers,
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    wanted = [
        Question(CONTEXT, "Who?", (Answer("Ada", 0, 3),)),
        Question(CONTEXT, "Why?", ()),
    ]
    assert QuestionAnswerer.read_examples(tmp_path / "a.parquet") == wanted
    (tmp_path / "a.tsv").write_text(f"{CONTEXT}\tWho?\tAda\n{CONTEXT}\tWhy?\t\n")
    assert QuestionAnswerer.read_examples(tmp_path / "a.tsv") == wanted


def test_answers_of_cmrc2018(data_dir):
    """200 of 9,657 are not where they are said to be: 7 are elsewhere, once; 193
    nowhere. All 3,219 questions have an answer nevertheless."""
    notes = []
    path = data_dir / "qa/cmrc2018_dev.json"
    records = list(read_records(path, problems=Problems(strict=True)))
    questions = [as_question(record.fields, notes.append) for record in records]
    assert len(questions) == 3219
    assert notes.count(MOVED) == 7 and notes.count(NOWHERE) == 193 and len(notes) == 200
    found = [(question.context, x) for question in questions for x in question.answers]
    assert len(found) == 9657 - 193
    assert all(context[x.start : x.end] == x.text for context, x in found)
    assert QuestionAnswerer.options_for(questions[:50])["language"] == "zh"
