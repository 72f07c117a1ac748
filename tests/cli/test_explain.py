"""The verb `explain`: a table, a page, and targets of each task."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import QuestionAnswerer, TextClassifier, TokenClassifier
from tests.tasks.tiny import encoder_task

TEXT = "the unbelievable cat sat"


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("explain") / "classifier"
    encoder_task(TextClassifier, labels=["ham", "spam"]).save_preset(folder)
    return f"--preset={folder}"


def test_the_terminal_gets_a_table(good, preset):
    how = f"--text={TEXT}", "--target=spam", "--of=probability"
    out = good("explain", preset, *how, "--method=occlusion,gradient_x_input")
    first, second = out.rstrip("\n").split("\n\n")
    assert first.startswith("occlusion of spam: probability 0.")
    assert second.startswith("gradient_x_input of spam: probability 0.")
    words = [line.split()[0] for line in first.splitlines()[2:]]
    assert words == ["the", "unbelievable", "cat", "sat"]


def test_a_page_is_written(good, preset, tmp_path):
    path = tmp_path / "page.html"
    out = good("explain", preset, f"--text={TEXT}", "--target=ham", f"--output={path}")
    assert out == f"{path}: 4 words of ham\n"
    assert "<mark" in path.read_text() and "<h1>Why ham?</h1>" in path.read_text()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--method=occlusio", "did you mean 'occlusion'?"),
        ("--target=hm", "did you mean 'ham'?"),
        ("--of=logits", "did you mean 'logit'?"),
    ],
)
def test_unknown_names_are_wrong_usage(bad, preset, flag, message):
    code, said = bad("explain", preset, f"--text={TEXT}", flag)
    assert code == 2 and message in said


def test_spans_are_given_by_places(good, bad, tmp_path):
    task = encoder_task(TokenClassifier, labels=["PER", "LOC"])
    task.save_preset(tmp_path / "tagger")
    how = f"--preset={tmp_path / 'tagger'}", f"--text={TEXT}", "--method=attention"
    assert "of LOC 'unbelievable':" in good("explain", *how, "--target=4,16,LOC")
    code, said = bad("explain", *how, "--target=4,LOC")
    assert code == 2 and "is not of the form START,END,LABEL" in said


def test_answers_have_a_question(good, bad, tmp_path):
    encoder_task(QuestionAnswerer).save_preset(tmp_path / "answerer")
    how = f"--preset={tmp_path / 'answerer'}", f"--text={TEXT}", "--method=attention"
    out = good("explain", *how, "--beside=on mat", "--target=4,16")
    assert "of 'unbelievable':" in out
    code, said = bad("explain", *how)
    assert code == 1 and "give it as beside=" in said
    code, said = bad("explain", *how, "--beside=on mat", "--target=4")
    assert code == 2 and "start, end or START,END" in said
