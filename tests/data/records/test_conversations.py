"""Conversations in YAML, as literals, and in the fields of others."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.data import Problems, read_records
from massivetext_keras.tasks import CausalLM

TALKS = """\ufeffcategories:
- greetings
conversations:
- - Hello
  - Hi: not a mapping in quotes
- - "Is it so?"
  - Yes
  - 42
  - |
    A block

    of text.
- just a text
- - Hi
  - - nested
- - Hi
  - ""
- []
- - 你好
  - 嗨
"""


def test_a_corpus_of_chatterbot(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text(TALKS.replace("Hi: not a mapping in quotes", "Hi!"))
    problems = Problems()
    found = list(read_records(path, problems=problems))
    talks = [CausalLM.example(record.fields) for record in found]
    assert [talk.texts for talk in talks] == [
        ("Hello", "Hi!"),
        ("Is it so?", "Yes", "42", "A block\n\nof text."),
        ("你好", "嗨"),
    ]
    assert talks[1].roles == ("user", "assistant", "user", "assistant")
    assert [record.where for record in found] == [f"{path}:{i}" for i in (4, 6, 19)]
    assert problems.places == {
        "no list of texts": [f"{path}:13"],
        "what a message says is no text": [f"{path}:14"],
        "a message is empty": [f"{path}:16", f"{path}:18"],
    }


def test_a_mapping_where_a_text_should_be(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(TALKS)
    problems = Problems()
    assert len(list(read_records(path, problems=problems))) == 2
    assert problems.places["what a message says is no text"][0] == f"{path}:4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "no YAML"),
        ("- a\n- b\n", "no list of `conversations`"),
        ("conversations: 3\n", "no list of `conversations`"),
        ("", "no list of `conversations`"),
        ("a: \x01", "no YAML"),
    ],
)
def test_other_files(tmp_path, text, message):
    path = tmp_path / "a.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"a.yml: {message}"):
        list(read_records(path))


def test_real_corpora(data_dir):
    problems = Problems()
    files = sorted((data_dir / "chat").glob("*/*.yml"))
    found = list(read_records(files, problems=problems))
    assert (len(found), problems.count) == (2492, 1)
    assert "trivia.yml" in str(problems) and "no list of texts" in str(problems)
    assert sum(len(record.fields["messages"]) for record in found) == 5350


@pytest.mark.parametrize(
    "fields",
    [
        {
            "conversations": [
                {"from": "human", "value": "Hi."},
                {"from": "gpt", "value": "Yes?"},
            ]
        },
        {
            "messages": [
                {"from": "User", "value": "Hi."},
                {"from": "bot", "value": "Yes?"},
            ]
        },
        {
            "conversation": [
                {"role": "user", "content": [{"type": "text", "text": "Hi."}]},
                {"role": "assistant", "content": "Yes?"},
            ]
        },
    ],
)
def test_conversations_of_others(tmp_path, fields):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "1", **fields}) + "\n")
    [record] = read_records(path, ("prompt", "reply", "messages"))
    assert record.fields["messages"] == [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
    ]
    [field] = fields
    [record] = read_records(path, ("messages",), columns={"messages": field})
    assert record.fields["messages"][0]["role"] == "user"


def test_what_stands_beside_as_system_is_the_first_message(tmp_path):
    path = tmp_path / "a.jsonl"
    hello = {"from": "human", "value": "Hi."}
    rows = [
        {"system": "Be kind.", "conversations": [hello]},
        {"system": "Be kind.", "conversations": [{"from": "system", "value": "!"}]},
        {"system": " ", "conversations": [hello]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [
        [(message["role"], message["content"]) for message in record.fields["messages"]]
        for record in read_records(path, ("messages",))
    ]
    assert said == [
        [("system", "Be kind."), ("user", "Hi.")],
        [("system", "!")],
        [("user", "Hi.")],
    ]


def test_roles_that_nobody_knows_stay(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps([{"conversations": [{"from": "tool", "value": "x"}, 3]}])
    )
    [record] = read_records(path, ("messages",))
    assert record.fields["messages"] == [{"role": "tool", "content": "x"}, 3]
