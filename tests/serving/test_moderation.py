"""What may come in and go out, on every path."""

from __future__ import annotations

import asyncio

import hypothesis
import openai
import pytest
from hypothesis import strategies as st

from massivetext_keras import tasks
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.moderation.moderator import (
    Clearance,
    Moderator,
    cleared,
    find_judge,
)
from massivetext_keras.serving.moderation.phrases import Phrases
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import Finish, Piece
from massivetext_keras.serving.service import make_service
from tests.serving.engines import ScriptedEngine
from tests.serving.running import running


def judge(texts):
    """Nobody may say "rude"; it fails on "judge me"."""
    if any("judge me" in text for text in texts):
        raise RuntimeError("no judge is here")
    return ["it is rude" if "rude" in text else None for text in texts]


@tasks.judge
def no_plans(texts):
    """Nobody may speak of plans."""
    return ["it is a plan" if "plan" in text.lower() else None for text in texts]


@pytest.fixture(scope="module")
def guarded(places):
    """A server with a phrase and a judge."""
    service = make_service(
        places,
        Limits(max_seconds=20.0),
        Moderator(["secret plan"], judge),
        lambda task, limits: ScriptedEngine(task),
    )
    service.models.load()
    with running(service) as found:
        yield found


@pytest.mark.parametrize(
    ("text", "phrase", "start"),
    [
        ("the SECRET plan", "secret plan", 4),
        ("the secret\n\t plan", "secret plan", 4),
        ("the se\u200bcret plan", "secret plan", 4),
        ("the ｓｅｃｒｅｔ plan", "secret plan", 4),
        ("the secret pla", "", 0),
        ("caf\u00e9", "cafe\u0301", 0),
        ("CAFE\u0301", "cafe\u0301", 0),
    ],
)
def test_phrases_however_they_are_written(text, phrase, start):
    found = Phrases(["Secret plan", "café"]).look(text)
    assert (found.phrase, found.start) == (phrase, start)


def test_an_empty_phrase_is_refused():
    with pytest.raises(ValueError, match="empty"):
        Phrases(["a", " "])


@hypothesis.given(
    st.lists(st.text("ab ", max_size=3)),
    st.lists(st.text("ab ", min_size=1, max_size=4).filter(str.strip), max_size=3),
)
def test_what_is_sent_is_what_stands_before_the_first_phrase(pieces, phrases):
    async def sent():
        clearance = Clearance(Moderator(phrases))
        parts = []
        for piece in pieces:
            parts.append((await clearance.feed(Piece(piece, (), ()))).text)
            if clearance.is_cut:
                return "".join(parts)
        return "".join(parts) + (await clearance.end()).text

    text = "".join(pieces)
    found = Phrases(phrases).look(text)
    assert asyncio.run(sent()) == (text[: found.start] if found.phrase else text)


def test_tokens_come_with_the_text_that_they_are():
    async def events():
        for i, letter in enumerate("no secret"):
            yield Piece(letter, (i,), (-1.0 * i,))
        yield Finish("stop", 3, 9)

    async def collect():
        return [x async for x in cleared(events(), Moderator(["secret plan"]))]

    *pieces, finish = asyncio.run(collect())
    assert [x.text for x in pieces] == ["n", "o", " ", "secret"]
    assert [x.token_ids for x in pieces] == [(0,), (1,), (2,), (3, 4, 5, 6, 7, 8)]
    assert finish == Finish("stop", 3, 9)


def test_an_answer_ends_before_a_banned_phrase(guarded):
    with openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="-") as client:
        how = {"model": "writer", "prompt": "reveal", "max_tokens": 99}
        whole = client.completions.create(**how).choices[0]
        assert (whole.text, whole.finish_reason) == ("Well. The ", "content_filter")
        parts = list(client.completions.create(stream=True, **how))
        assert "".join(x.choices[0].text for x in parts) == "Well. The "
        assert parts[-1].choices[0].finish_reason == "content_filter"
        chat = client.chat.completions.create(
            model="writer", messages=[{"role": "user", "content": "reveal"}]
        )
        assert chat.choices[0].finish_reason == "content_filter"
        assert chat.choices[0].message.content == "Well. The "


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("completions", {"model": "writer", "prompt": "{}"}, "prompt"),
        ("completions", {"model": "writer", "prompt": "{}", "stream": True}, "prompt"),
        (
            "chat/completions",
            {"model": "writer", "messages": [{"role": "user", "content": "{}"}]},
            "messages",
        ),
        ("embeddings", {"model": "embed", "input": ["a", "{}"]}, "input"),
        ("models/classify:predict", {"instances": ["{}"]}, "inputs"),
        ("models/classify:predict", {"inputs": {"text": ["{}"]}}, "inputs"),
    ],
)
def test_what_may_not_come_in(guarded, path, body, field):
    def fill(value, text):
        if isinstance(value, dict):
            return {k: fill(v, text) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(v, text) for v in value]
        return text if value == "{}" else value

    for text, status, words in (
        ("my Secret  Plan", 422, f"{field} has a banned phrase"),
        ("be rude", 422, f"{field} is not let pass: it is rude"),
        ("judge me", 503, "the moderation failed"),
    ):
        answer = guarded.client.post(f"/v1/{path}", json=fill(body, text))
        error = answer.json()["error"]
        message = error if isinstance(error, str) else error["message"]
        assert answer.status_code == status and words in message, message
        assert text not in message


def test_ids_are_read_as_the_text_that_they_are(guarded):
    ids = [guarded.service.models.find("writer").engine.offset + x for x in b"be rude"]
    body = {"model": "writer", "prompt": ids}
    assert guarded.client.post("/v1/completions", json=body).status_code == 422


def test_answers_of_signatures_are_judged(guarded):
    body = {"signature_name": "repeat"}
    body["inputs"] = {"text": ["ru", "de"], "times": 2, "max_new_tokens": 1}
    assert guarded.client.post("/v1/models/half:predict", json=body).status_code == 200
    body["inputs"] = {"text": ["derude"[1:4]], "times": 2, "max_new_tokens": 1}
    body["inputs"]["text"] = ["de ru"]  # "de rude ru"
    answer = guarded.client.post("/v1/models/half:predict", json=body)
    assert answer.status_code == 422 and "outputs" in answer.json()["error"]


def test_a_judge_holds_text_back_until_the_end_of_a_sentence():
    asked = []

    def note(texts):
        asked.extend(texts)
        return ["no" if "bad" in text else None for text in texts]

    async def events():
        for letter in "One. Two is bad. Three.":
            yield Piece(letter, (), ())
        yield Finish("stop", 1, 23)

    async def collect():
        return [x async for x in cleared(events(), Moderator(judge=note))]

    *pieces, finish = asyncio.run(collect())
    assert "".join(x.text for x in pieces) == "One. "
    assert finish.reason == "content_filter"
    assert asked == ["One. ", "One. Two is bad. "]


def test_a_classifier_as_the_judge(exports):
    found = find_judge(f"{exports['classify']}/1", ["good"], 0.5)
    assert found(["too good", "fine"]) == ["good", ""]
    with pytest.raises(ValueError, match="bad, good"):
        find_judge(f"{exports['classify']}/1", ["ugly"], 0.5)
    with pytest.raises(ValueError, match="no function 'judg'"):
        find_judge("json:judg", [], 0.5)


def test_a_judge_that_is_wrong_lets_nothing_pass():
    with pytest.raises(Refusal) as refused:
        asyncio.run(Moderator(judge=lambda texts: []).check(["a"], "prompt"))
    assert refused.value.status == 503


def test_a_preset_brings_a_judge_of_its_own(preset, tmp_path):
    """Beside the server's: on what is asked, and on what is written."""
    lm = tasks.CausalLM.from_preset(preset)
    for name, changes in (("both", {}), ("asked", {"after": False})):
        lm.moderation = tasks.Moderation(no_plans, **changes)
        lm.save_preset(tmp_path / name)
    mine = [Place(x, str(tmp_path / x), is_preset=True) for x in ("both", "asked")]
    service = make_service(
        mine,
        Limits(max_seconds=20.0),
        Moderator(judge=judge),
        lambda task, limits: ScriptedEngine(task),
    )
    service.models.load()

    def ask(server, model, text):
        body = {"model": model, "prompt": text, "max_tokens": 99}
        return server.client.post("/v1/completions", json=body)

    with running(service) as server:
        for model in ("both", "asked"):
            for text in ("my plan", "be rude"):
                assert ask(server, model, text).status_code == 422
        cut = ask(server, "both", "reveal").json()["choices"][0]
        assert cut["finish_reason"] == "content_filter" and "Plan" not in cut["text"]
        whole = ask(server, "asked", "reveal").json()["choices"][0]
        assert whole["finish_reason"] != "content_filter" and "Plan" in whole["text"]
