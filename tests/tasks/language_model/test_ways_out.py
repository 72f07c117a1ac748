"""A banned phrase leaves by no way: of Python, or of an export."""

from __future__ import annotations

import pytest
import tensorflow as tf

from massivetext_keras.tasks import CausalLM, Moderation
from massivetext_keras.tasks.served import answers_of
from tests.serving.exports import write_texts
from tests.tasks.language_model.ways import (
    BANNED,
    banned_in,
    eager_lm,
    export_ways,
    python_ways,
)

pytestmark = pytest.mark.usefixtures("plain_loop")

REFUSAL = "No."
WAYS = {"chat", "chat_stream", "generate", "generate_ids", "stream"}
SIGNATURES = ("serving_default", "generate", "chat", "complete", "complete_chat")


def test_these_are_all_ways():
    """Whoever adds one has to add it here, and to `ways.py`."""
    names = {name for name in dir(CausalLM) if not name.startswith("_")}
    found = {x for x in names if x.split("_")[0] in ("chat", "generate", "stream")}
    declared = {answer.name for answer in answers_of(CausalLM)}
    graphs = {"generate_graph", "chat_graph"}  # of signatures
    settings = {"chat_template", "chat_stop_ids", "chat_stop_strings"}
    assert found - graphs - settings == WAYS
    assert declared == {*SIGNATURES, "count", "score"}


@pytest.fixture(scope="module")
def bound() -> CausalLM:
    return eager_lm(BANNED)


def test_by_python(bound):
    free = eager_lm().generate(["x", "y"], 16, temperature=1.0, seed=3)
    assert all(banned_in(text) for text in free)
    found = python_ways(bound)
    assert {name.split(",")[0] for name in found} == WAYS
    for name, texts in found.items():
        assert all(len(text) > 4 for text in texts), name
        assert not any(banned_in(text) for text in texts), (name, texts)


def test_what_a_judge_refuses(bound):
    """All that is written is long, nothing that is asked."""

    def judge(texts):
        return ["it is long" if len(text) > 10 else None for text in texts]

    bound.moderation = Moderation(judge, refusal=REFUSAL)
    for name, texts in python_ways(bound).items():
        if name == "generate, prompts":  # of which the prompt is taken off
            assert texts == [REFUSAL[1:]]
        elif not name.startswith("generate_ids"):
            assert set(texts) == {REFUSAL}, name
    (found,) = bound.generate(["x"], 16, details=True)
    assert found.finish_reason == "content_filter"
    assert found.token_ids == found.log_probabilities == ()
    bound.moderation = None
    asked, how = ["x", "x" * 11, "y"], {"temperature": 0}
    wanted = bound.generate(asked, 16, **how)
    bound.moderation = Moderation(judge, refusal=REFUSAL, after=False)
    assert bound.generate(asked, 16, **how) == [wanted[0], REFUSAL, wanted[2]]
    assert list(bound.stream("x" * 11, 16)) == [REFUSAL]
    assert bound.generate(asked[1], 16, num_samples=2) == [REFUSAL] * 2
    bound.moderation = None


def test_phrases_of_one_call(bound):
    """Beside the task's own, which leave "acb" again and again."""
    how, more = {"temperature": 1.0, "seed": 3}, {"banned": ["aC"]}

    def texts(**more):
        return [
            *bound.generate(["x", "y"], 16, **how, **more),
            *bound.generate("x", 16, num_beams=3, num_samples=2, **more),
            "".join(bound.stream("x", 16, **how, **more)),
            bound.chat("x", 16, **how, **more),
            "".join(bound.chat_stream("x", 16, **how, **more)),
        ]

    assert all("ac" in text.lower() for text in texts())
    for text in texts(**more):
        assert "ac" not in text.lower() and not banned_in(text)


@pytest.mark.slow
def test_by_an_export(tmp_path):
    found = []
    for banned in ((), BANNED):
        path = tmp_path / f"{len(banned)}"
        write_texts(eager_lm(banned), path, *SIGNATURES, "count", streaming=True)
        found.append(export_ways(tf.saved_model.load(str(path)).signatures))
    free, bound = found
    assert {*bound} == {*SIGNATURES, "slots"}
    for name, texts in bound.items():
        assert any(banned_in(text) for text in free[name]), name
        assert all(len(text) > 4 for text in texts), name
        assert not any(banned_in(text) for text in texts), (name, texts)
