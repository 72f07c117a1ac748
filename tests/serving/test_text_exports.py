"""Exports of a language model in the real server, with slots and without: what they
write is what `generate` writes alone."""

from __future__ import annotations

import concurrent.futures
import random
import time

import numpy as np
import openai
import pytest

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.service import make_service
from massivetext_keras.text.conversations import conversation_of
from massivetext_keras.tokenizers import BytePairTokenizer
from tests.serving.exports import write_texts
from tests.serving.running import running
from tests.tasks.tiny import byte_lm

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_loop")]

LINES = ["The cat sat on the mat: naïve café, 中文 text, über alles 🙂.\n"] * 9
NAMES = ["slots", "whole"]


@pytest.fixture(scope="module")
def lm():
    """Writes noise, of words and of bytes that are parts of characters."""
    tokenizer = BytePairTokenizer.train(texts=LINES, vocabulary_size=300)
    return byte_lm(
        seed=5,
        tokenizer=tokenizer,
        vocabulary_size=tokenizer.vocabulary_size,
        max_length=96,
        banned=["q"],
        chat_template={
            "system": ["s:", "|"],
            "user": ["u:", "|"],
            "assistant": ["a:", "|"],
        },
    )


@pytest.fixture(scope="module")
def service(lm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    whole = "complete", "complete_chat", "count"
    paths = [
        write_texts(lm, folder / "slots", "count", streaming=True),
        write_texts(lm, folder / "whole", *whole),
    ]
    places = [Place(*pair) for pair in zip(NAMES, paths, strict=True)]
    found = make_service(places, Limits(slots=3, max_rows=16))
    found.models.load()
    return found


@pytest.fixture(scope="module")
def client(service):
    with (
        running(service) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=0) as found,
    ):
        yield found


def asked(seed: int) -> dict:
    """A request, as `generate` takes it."""
    draw = random.Random(seed)
    return {
        "prompts": "".join(draw.choices(["cat ", "中", "é", "mat", "\n"], k=seed % 9)),
        "max_new_tokens": draw.randint(1, 30),
        "temperature": draw.choice([0.0, 0.8, 1.2]),
        "top_k": draw.choice([0, 20]),
        "top_p": draw.choice([1.0, 0.9]),
        "seed": seed,
        "stop": draw.choice([[], ["e"], ["at", "t ", "\ufffd"], ["a", "b", "the cat"]]),
    }


def alone(lm, how: dict):
    return lm.generate(**how, include_prompt=False, details=True)


def complete(client, name: str, how: dict, **more):
    how = {**how, "max_tokens": how["max_new_tokens"], **more}
    own = {"top_k": how.pop("top_k")}
    prompt = how.pop("prompts")
    del how["max_new_tokens"]
    return client.completions.create(model=name, prompt=prompt, extra_body=own, **how)


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_many_clients_are_those_of_generate(client, lm, name):
    requests = [asked(seed) for seed in range(24)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda how: complete(client, name, how), requests))
    reasons = set()
    for how, one in zip(requests, found, strict=True):
        right, (choice,) = alone(lm, how), one.choices
        assert choice.text == right.text, how
        assert choice.finish_reason == right.finish_reason, how
        assert one.usage.prompt_tokens == right.prompt_tokens
        exact = name == "whole" or not how["stop"]  # slots look at every fourth token
        most = right.new_tokens + (0 if exact else 3)
        assert right.new_tokens <= one.usage.completion_tokens <= most, how
        reasons.add(choice.finish_reason)
    assert reasons == {"stop", "length"}


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_joins_to_the_text(client, lm, name):
    pieces = []
    for seed in range(30, 38):
        how = {**asked(seed), "temperature": 1.2, "stop": ["zz"], "max_new_tokens": 30}
        parts = list(complete(client, name, how, stream=True))
        texts = [part.choices[0].text for part in parts]
        right = alone(lm, how)
        assert "".join(texts) == right.text
        assert parts[-1].choices[0].finish_reason == right.finish_reason
        pieces += texts
    assert len(pieces) > (30 if name == "slots" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_choices_have_seeds_of_their_own(client, lm, name):
    how = {**asked(3), "temperature": 1.0, "stop": []}
    found = complete(client, name, how, n=3)
    assert [choice.text for choice in found.choices] == [
        alone(lm, {**how, "seed": 3 + i}).text for i in range(3)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_equal_requests_get_equal_texts(client, lm, name):
    how = {**asked(11), "temperature": 1.2}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: complete(client, name, how), range(6)))
    assert {one.choices[0].text for one in found} == {alone(lm, how).text}


@pytest.mark.parametrize("name", NAMES)
def test_a_chat(client, lm, name):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "中文?"},
    ]
    for seed in range(6):
        how = {"max_tokens": 20, "temperature": 0.9, "seed": seed}
        found = client.chat.completions.create(model=name, messages=messages, **how)
        right = lm.chat(messages, 20, temperature=0.9, seed=seed)
        assert found.choices[0].message.content == right
        size = len(lm.assistant.read([conversation_of(messages)], 20)[0])
        assert found.usage.prompt_tokens == size
        with client.chat.completions.create(
            model=name, messages=messages, stream=True, **how
        ) as stream:
            parts = [part.choices[0].delta.content or "" for part in stream]
        assert "".join(parts) == right


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"prompt": [1, 2]}, "no ids"),
        ({"logprobs": 1}, "logprobs"),
        ({"prompt": "a" * 200}, "exceed the context of 96"),
        ({"extra_body": {"ignore_eos": True}}, "ignore_end"),
    ],
)
def test_what_an_export_cannot_do_is_refused(client, name, how, words):
    with pytest.raises(openai.UnprocessableEntityError, match=words):
        client.completions.create(model=name, **{"prompt": "a", **how})


def test_who_goes_away_frees_the_slot(client, service):
    engine = service.models.find("slots").engine
    how = {"max_tokens": 90, "temperature": 0.0, "extra_body": {"top_k": 0}}
    streams = [
        client.completions.create(model="slots", prompt="cat", stream=True, **how)
        for _ in range(3)
    ]
    for stream in streams:
        stream.close()
    deadline = time.monotonic() + 20
    while engine.statistics()["running"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.statistics()["running"] == 0


def test_beginnings_are_shared(client, lm, service):
    engine = service.models.find("slots").engine
    before = engine.statistics()["prefix_hits"]
    head = "0123456789 +-*/ " * 3
    assert 32 < len(lm.tokenizer.tokenize(head)) < 80
    for end in "abc":
        how = {**asked(0), "prompts": head + end, "max_new_tokens": 8}
        assert complete(client, "slots", how).choices[0].text == alone(lm, how).text
    assert engine.statistics()["prefix_hits"] >= before + 2


def test_counts_are_those_of_the_tokenizer(service, lm):
    texts = ["", "cat", "中文"]
    for name in NAMES:
        engine = service.models.find(name).engine
        found = [engine.count_tokens(text) for text in texts]
        sizes = [len(lm.tokenizer.tokenize(text)) for text in texts]
        assert found == np.maximum(sizes, 1).tolist()
