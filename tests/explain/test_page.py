"""The page and the table: words in colours, whatever they are."""

from __future__ import annotations

import numpy as np

from massivetext_keras.explain import Explanation, page, table, write_page
from massivetext_keras.explain.page import pieces


def explanation(text: str, tokens: list[str], scores: list[float]) -> Explanation:
    starts = [text.index(token) for token in tokens]
    offsets = [(at, at + len(token)) for at, token in zip(starts, tokens, strict=True)]
    named = "occlusion", "ham", "logit"
    scores = np.array(scores, np.float32)
    return Explanation(text, *named, tuple(tokens), np.array(offsets), scores, 0.5, 2.0)


FOUND = explanation("<b>good</b> bad", ["go", "od", "bad"], [1.0, 1.0, -0.5])


def test_pieces_are_the_text():
    found = pieces(FOUND)
    assert "".join(piece.text for piece in found) == FOUND.text
    scored = {piece.text: piece[1:] for piece in found if piece.kind}
    assert scored == {"good": ("for", 100, "+2"), "bad": ("against", 25, "-0.5")}


def test_the_page_has_coloured_words_and_no_script(tmp_path):
    write_page([FOUND], tmp_path / "new" / "page.html")
    text = (tmp_path / "new" / "page.html").read_text()
    assert text == page([FOUND])
    assert '<mark class="for" style="--share:100%" title="+2">good</mark>' in text
    assert '<mark class="against" style="--share:25%" title="-0.5">bad</mark>' in text
    assert "&lt;b&gt;<mark" in text and "<b>good" not in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert "occlusion of ham: logit 2, base 0.5" in text


def test_the_table_has_bars():
    lines = table(FOUND).splitlines()
    assert lines[0] == "occlusion of ham: logit 2, base 0.5"
    assert lines[1].split() == ["word", "score"]
    good = next(line for line in lines if line.startswith("good"))
    assert good.split() == ["good", "+2.0000", "+" * 20]
    assert lines[-1].split() == ["bad", "-0.5000", "-" * 5]


def test_a_text_without_tokens_has_a_page():
    empty = explanation("", [], [])._replace(offsets=np.zeros([0, 2], int))
    assert pieces(empty) == [] and "Why ham?" in page([empty])
    assert table(empty).splitlines()[1].split() == ["word", "score"]
