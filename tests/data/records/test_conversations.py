"""Conversations in YAML, as literals."""

from __future__ import annotations

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
