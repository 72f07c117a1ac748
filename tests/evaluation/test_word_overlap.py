"""The baseline that counts words."""

from __future__ import annotations

import pytest

from massivetext_keras.evaluation.word_overlap import sliding_window_answer


@pytest.mark.parametrize(
    ("question", "context", "wanted"),
    [
        (
            "Who built the tower in Paris?",
            "Ada wrote programs. Gustave Eiffel built the tower in Paris. Bo slept.",
            "Gustave Eiffel",
        ),
        # "rare" tells more than "common", which is everywhere
        ("common rare?", "common cat common dog. common rare cow. common", "cow"),
        (
            "Wo wohnt der Hund?",
            "Die Katze schläft. Im Garten wohnt der Hund.",
            "Garten",
        ),
        ("गाँव में कौन रहता है?", "शहर में बिल्ली, गाँव में कुत्ता रहता है।", "कुत्ता"),
        ("谁在北京？", "猫在上海。李明在北京。", "李明"),
        ("cat?", "The cat.", ""),  # nothing else is said
        ("", "", ""),
    ],
)
def test_phrases_beside_words_of_the_question(question, context, wanted):
    text, start, end = sliding_window_answer(question, context)
    assert text == wanted
    assert (start, end) == (-1, -1) if not wanted else context[start:end] == wanted


def test_candidates_are_short():
    context = "sat: cats dogs cows hens pigs"
    assert sliding_window_answer("sat?", context, most_words=2)[0] == "cats dogs"
