"""C4's rules for lines and pages and mC4's, at both sides of each threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.c4_lines import POLICY_PHRASES, c4_lines
from massivetext_keras.corpus.rules.c4_pages import c4_pages
from massivetext_keras.corpus.rules.mc4_pages import mc4_pages
from massivetext_keras.reading.document import Document


def lines_of(text: str, **arguments) -> str:
    batch = Batch([Document(text)])
    c4_lines(batch, **arguments)
    return batch.texts[0]


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("Just three words.", True),
        ("Two words.", False),
        (f"It is {'x' * 999}.", True),
        (f"It is {'x' * 1000}.", False),
        ("Ends with a stop.", True),
        ("Ends with a question?", True),
        ("Ends with a shout!", True),
        ('Ends with a "quote"', True),
        ("Ends with a comma,", False),
        ("Ends with a colon:", False),
        ("Ends with no sign", False),
        ("Ends with an ellipsis...", False),
        ("Ends with an ellipsis…", False),
        ("Ends with a bracket)", False),
        ("Please enable JavaScript here.", False),
        ("Please enable Java here.", True),
        *[(f"See our {phrase.upper()} for more.", False) for phrase in POLICY_PHRASES],
        ("We like cookies with milk.", True),
        ("她在学校里学习。", True),
        ("她在学校里学习！", True),
        ("她在学校里学习？", True),
        ("她在学校里学习；", True),
        ("「她在学校里学习」", True),
        ("她在学校里学习……", True),
        ("她在学校里学习", False),
        ("她在学校里学习，", False),
        ("她学。", True),
        ("她。", False),
        ("请阅读我们的隐私政策。", False),
        ("น้ำดี", True),
        ("„So ist es gut“", True),
    ],
)
def test_lines(line, stays):
    assert lines_of(f"A line that stays.\n{line}\nAnd one more line.") == (
        f"A line that stays.\n{line}\nAnd one more line."
        if stays
        else "A line that stays.\nAnd one more line."
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"min_words": 2}, "Two words."),
        ({"max_word_length": 1001}, f"It is {'x' * 1000}."),
        ({"terminal_punctuation": False}, "Ends with no sign"),
        ({"phrases": []}, "Use of cookies in javascript."),
        ({"remove_citations": False}, 'Ends with [3] and "quote"'),
    ],
)
def test_what_each_threshold_is_called(arguments, line):
    assert lines_of(line) != line
    assert lines_of(line, **arguments) == line


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("So it is said.[12]", "So it is said."),
        ("So it[1] is said.[citation needed]", "So it is said."),
        ("So sagt man es.[Literaturangabe benötigt]", "So sagt man es."),
        ("据说是这样的。[需要引证]", "据说是这样的。"),
        ("So it is said.[by whom?]", ""),
        ("History of it[edit]", ""),
    ],
)
def test_citations(line, left):
    assert lines_of(line) == left


def test_paragraphs_stay_apart():
    text = "One two three.\nGone\n\nFour five six.\nSeven eight nine.\n\n\nGone\n"
    assert lines_of(text) == "One two three.\n\nFour five six.\nSeven eight nine."
    untouched = "  One two three.\n\n\nFour five six.  \n"
    assert lines_of(untouched) == untouched
    assert lines_of("Gone\n\nGone") == ""


def test_lines_of_batches_and_of_code():
    batch = Batch(
        [
            Document("Gone\nOne two three."),
            Document("x[0] = 1\nprint(x)", kind="code"),
            Document("A[1] b c."),
            Document(""),
        ]
    )
    [check] = c4_lines(batch)
    assert batch.texts == ["One two three.", "x[0] = 1\nprint(x)", "A b c.", ""]
    assert np.array_equal(check.values, [0.5, np.nan, 1, 0], equal_nan=True)
    assert reasons([check], 4) == [None] * 4


PARTS = [
    "One two three.",
    "No end",
    "\n",
    "\n\n",
    "[1]",
    "cookie policy.",
    "我学习。",
    "ไทย",
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@given(st.lists(TEXTS, max_size=4))
def test_a_batch_is_its_documents_alone(texts):
    together = Batch(map(Document, texts))
    checks = [*c4_lines(together), *c4_pages(together)]
    for index, text in enumerate(texts):
        alone = Batch([Document(text)])
        ours = [*c4_lines(alone), *c4_pages(alone)]
        assert alone.texts == together.texts[index : index + 1]
        assert np.array_equal(
            [check.values[0] for check in ours],
            [check.values[index] for check in checks],
            equal_nan=True,
        )
        again = Batch([Document(alone.texts[0])])
        c4_lines(again)
        assert again.texts == alone.texts


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        ("So. " * 5, "So. " * 4, "sentences"),
        ("好。" * 5, "好。" * 4, "sentences"),
        ("So! Or? No. “Yes.” (Is it so?)", "So, or; no: 3.5 a.b x.", "sentences"),
        ("So. " * 5 + "}", "So. " * 5 + "{", "curly_brackets"),
        ("So. " * 5 + "Lorem", "So. " * 5 + "Lorem IPSUM", "lorem_ipsum"),
    ],
)
def test_pages_at_both_sides(kept, dropped, reason):
    batch = Batch([Document(kept), Document(dropped), Document(dropped, kind="code")])
    assert reasons(c4_pages(batch), 3) == [None, reason, None]


def test_pages_of_thai_have_no_sentences_to_count():
    batch = Batch([Document("น้ำดี")])
    assert np.isnan(c4_pages(batch)[0].values[0])


def test_long_lines_at_both_sides():
    kept = "\n".join(["字" * 200] * 3)
    batch = Batch(
        [
            Document(kept),
            Document(kept[:-1]),
            Document("字" * 800),
            Document("short"),
            Document(kept[:-1], kind="code"),
        ]
    )
    drops = [None, "long_lines", "long_lines", None, None]
    assert reasons(mc4_pages(batch), 5) == drops
    [check] = mc4_pages(batch, unspaced_only=False)
    assert check.values[:4].tolist() == [3, 2, 1, 0]
    assert reasons([check], 5)[3] == "long_lines"
    assert reasons(mc4_pages(batch, min_long_lines=2, long_line=199), 5)[1] is None


def test_phrases_may_be_in_any_form_of_unicode_and_case():
    text = "Eine Zeile mit Wörtern.\nUnsere DATENSCHUTZERKLÄRUNG ist hier."
    batch = Batch([Document(text)])
    c4_lines(batch, phrases=["Datenschutzerkla\u0308rung"])
    assert batch.texts == ["Eine Zeile mit Wörtern."]
