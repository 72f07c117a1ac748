"""Questions made of text alone: each asks for what was cut out of a sentence."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.data import cloze_questions

CONTEXT = (
    "In 1994 the Danube rose by 40 percent. An engine of Ada Lovelace computes large "
    "numbers. It rained."
)
ASKS = {"who", "what", "which", "where", "when", "how", "many", "much", "in", "year"}


def test_what_is_asked_for_is_where_it_is_said_to_be():
    asked = collections.defaultdict(str)
    for seed in range(60):
        for question in cloze_questions([CONTEXT], dropped=0.0, seed=seed):
            (answer,) = question.answers
            assert question.context[answer.start : answer.end] == answer.text
            begin = CONTEXT.index("An engine")
            sentence = CONTEXT[:begin] if answer.start < begin else CONTEXT[begin:]
            words = sentence.replace(answer.text, "").replace(".", "").split()
            new = {*question.question.rstrip("?").split()} - {*words}
            assert new <= ASKS
            asked[answer.text] += question.question.lower()
    assert {"1994", "Danube", "40 percent", "Ada Lovelace"} <= asked.keys()
    assert "An" not in asked and "In" not in asked
    assert "when" in asked["1994"] and "how many" in asked["40 percent"]
    assert "who" in asked["Ada Lovelace"] and "rained" not in str(asked)


def test_words_are_dropped_and_questions_are_not_long():
    long = f"Ada {'very ' * 60}often met Bob and Eve."
    for dropped in (0.0, 0.5):
        sizes = [
            len(question.question.split())
            for seed in range(40)
            for question in cloze_questions([long], dropped=dropped, seed=seed)
        ]
        assert 10 < sum(sizes) / len(sizes) < 20
    short = "Ada met Bob and Eve and Tom near here."
    (whole,) = cloze_questions([short], dropped=0.0)
    assert whole == cloze_questions([short], dropped=0.0)[0]
    (cut,) = cloze_questions([short], dropped=0.9)
    assert len(cut.question.split()) < len(whole.question.split())


def test_no_more_than_there_is():
    assert cloze_questions([]) == cloze_questions(["", "Ada ran.", "\n \t"]) == []
    assert len(cloze_questions([CONTEXT], per_context=9)) == 2
    assert len(cloze_questions([CONTEXT] * 3, per_context=1)) == 3


@pytest.mark.parametrize("joiner", ["", " "])
@given(
    parts=st.lists(st.sampled_from(["Ada", "met", ".", "é", "🙂", "12", "\n", "中"]))
)
def test_any_text(joiner, parts):
    for question in cloze_questions([joiner.join(parts)], dropped=0.1):
        (answer,) = question.answers
        assert question.context[answer.start : answer.end] == answer.text != ""
