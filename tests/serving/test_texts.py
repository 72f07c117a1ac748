"""OpenAI's interface, asked by OpenAI's own client."""

from __future__ import annotations

import concurrent.futures
import json
import time
from types import SimpleNamespace

import openai
import pytest

from massivetext_keras import tokenizers
from massivetext_keras.serving.writing import tokens_of
from massivetext_keras.text.examples import Conversation


def complete(client, prompt, **how):
    return client.completions.create(model="writer", prompt=prompt, **how)


def test_models(openai_client):
    found = {model.id for model in openai_client.models.list()}
    assert found == {"classify", "tag", "answer", "embed", "half", "writer"}
    assert openai_client.models.retrieve("writer").object == "model"


def test_a_completion(openai_client):
    found = complete(openai_client, "Once", seed=7, max_tokens=100)
    assert found.object == "text_completion" and found.model == "writer"
    (choice,) = found.choices
    assert (choice.text, choice.finish_reason) == (" 4 characters, seed 7.", "stop")
    usage = found.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 22)
    assert usage.total_tokens == 26


def test_limits_and_stop_strings_end_a_text(openai_client):
    short = complete(openai_client, "Once", seed=7, max_tokens=4)
    assert (short.choices[0].text, short.choices[0].finish_reason) == (" 4 c", "length")
    assert short.usage.completion_tokens == 4
    usual = complete(openai_client, "Once", seed=7)
    assert usual.usage.completion_tokens == 16  # as OpenAI has it
    stopped = complete(openai_client, "Once", seed=7, max_tokens=99, stop=["x", "act"])
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == (
        " 4 char",
        "stop",
    )


def test_several_prompts_and_choices(openai_client):
    found = complete(openai_client, ["a", "bb"], n=2, seed=0, max_tokens=99, echo=True)
    assert [(x.index, x.text) for x in found.choices] == [
        (0, "a 1 characters, seed 0."),
        (1, "a 1 characters, seed 1."),
        (2, "bb 2 characters, seed 0."),
        (3, "bb 2 characters, seed 1."),
    ]
    assert found.usage.prompt_tokens == 3  # each prompt once


def test_ids_for_a_prompt(openai_client, service):
    ids = service.models.find("writer").task.tokenizer.tokenize("Once").numpy().tolist()
    for prompt in (ids, [ids]):
        found = complete(openai_client, prompt, seed=7, max_tokens=99)
        assert found.choices[0].text == " 4 characters, seed 7."


def test_a_stream_joins_to_the_text(openai_client):
    how = {"seed": 3, "max_tokens": 99, "stop": ["ed 3."], "n": 2}
    whole = complete(openai_client, "Once", **how)
    options = {"include_usage": True}
    parts = list(
        complete(openai_client, "Once", stream=True, stream_options=options, **how)
    )
    for index in (0, 1):
        mine = [x for part in parts for x in part.choices if x.index == index]
        assert "".join(x.text for x in mine) == whole.choices[index].text
        assert [x.finish_reason for x in mine if x.finish_reason] == ["stop"]
    assert whole.choices[0].text == " 4 characters, se"
    assert whole.choices[1].text == " 4 characters, seed 4."
    assert parts[-1].choices == [] and parts[-1].usage == whole.usage
    assert len(parts) > 20  # it came in pieces


def test_log_probabilities(openai_client):
    found = complete(openai_client, "Once", seed=7, max_tokens=3, logprobs=1)
    known = found.choices[0].logprobs
    assert known.tokens == [" ", "4", " "] and known.token_logprobs == [-0.5] * 3
    assert known.text_offset == [0, 1, 2]
    chat = openai_client.chat.completions.create(
        model="writer",
        messages=[{"role": "user", "content": "Hi"}],
        logprobs=True,
        max_tokens=3,
    )
    assert [x.logprob for x in chat.choices[0].logprobs.content] == [-0.5] * 3


def test_tokens_have_their_blanks():
    lines = ["a cat sat on a mat", "a mat sat on a cat"] * 9
    tokenizer = tokenizers.SentencePieceTokenizer.train(
        texts=lines, vocabulary_size=275
    )
    ids = tokenizer.tokenize("a cat").numpy().tolist()
    model = SimpleNamespace(task=SimpleNamespace(tokenizer=tokenizer))
    assert "".join(tokens_of(model, ids)).strip() == "a cat"


def test_a_chat(openai_client, service):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    how = {"model": "writer", "messages": messages, "seed": 5}
    found = openai_client.chat.completions.create(**how)
    talk = Conversation(("Be brief.", "Hi"), ("system", "user"))
    prompt = service.models.find("writer").task.template.render(talk)
    choice = found.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content == f"{len(prompt)} characters, seed 5."
    assert choice.finish_reason == "stop"
    assert found.usage.prompt_tokens == len(prompt)
    with openai_client.chat.completions.create(stream=True, **how) as stream:
        parts = list(stream)
    assert parts[0].choices[0].delta.role == "assistant"
    texts = [part.choices[0].delta.content or "" for part in parts]
    assert "".join(texts) == choice.message.content
    assert parts[-1].choices[0].finish_reason == "stop"


def test_vectors(openai_client):
    found = openai_client.embeddings.create(model="embed", input=["a", "bcd"])
    vectors = [x.embedding for x in found.data]
    assert vectors == [
        pytest.approx([1, 0.1, 0.2, 0.3], abs=1e-7),
        pytest.approx([3, 0.1, 0.2, 0.3], abs=1e-7),
    ]
    plain = openai_client.embeddings.create(
        model="embed", input="a", encoding_format="float"
    )
    assert plain.data[0].embedding == [1, 0.1, 0.2, 0.3]  # not 0.10000000149


def test_the_events_of_a_stream(client):
    body = {"model": "writer", "prompt": "Once", "stream": True, "max_tokens": 2}
    with client.stream("POST", "/v1/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    parts = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert {part["id"] for part in parts} == {parts[0]["id"]}
    assert parts[-1]["choices"][0]["finish_reason"] == "length"


def test_everybody_gets_their_own_text(openai_client):
    def ask(i):
        found = complete(openai_client, f"Mark #m{i}", seed=i, max_tokens=99)
        return found.choices[0].text

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(48)))
    assert found == [
        f" {len(f'Mark #m{i}')} characters #m{i}, seed {i}." for i in range(48)
    ]


def test_a_client_that_goes_away_frees_its_slot(openai_client, client, service):
    engine = service.models.find("writer").engine
    stream = complete(openai_client, "forever", stream=True, max_tokens=500)
    next(iter(stream))
    ticket = engine.tickets[-1]
    assert not ticket.cancelled.is_set()
    stream.close()
    assert ticket.cancelled.wait(5)
    before = len(engine.tickets)
    with pytest.raises(openai.APITimeoutError):
        complete(openai_client, "forever", max_tokens=500, timeout=0.2)
    assert engine.tickets[before].cancelled.wait(5)
    deadline = time.monotonic() + 30
    while engine.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.running == 0


def test_a_crash_ends_its_request_alone(openai_client):
    with pytest.raises(openai.InternalServerError, match="out of memory"):
        complete(openai_client, "crash")
    assert complete(openai_client, "Once", seed=1).choices[0].text == " 4 characters, s"


@pytest.mark.parametrize(
    ("body", "status", "field", "words"),
    [
        ({}, 422, "model", "model is missing"),
        ({"model": "writr"}, 404, "model", "did you mean writer"),
        ({"model": "embed"}, 404, "model", "use writer"),
        ({"model": 3}, 422, "model", "a string"),
        ({"prompt": None}, 422, "prompt", "missing"),
        ({"prompt": 3}, 422, "prompt", "a text"),
        ({"prompt": []}, 422, "prompt", "a text"),
        ({"prompt": [-1]}, 422, "prompt", "string"),
        ({"prompt": [10**6]}, 422, "prompt", "vocabulary"),
        ({"prompt": "\udc00"}, 422, "prompt", "surrogate"),
        ({"prompt": ["a"] * 17}, 422, "prompt", "17 texts"),
        ({"prompt": "a" * 1024}, 422, "prompt", "exceed the context"),
        ({"max_tokens": 0}, 422, "max_tokens", "between 1 and 500"),
        ({"max_tokens": 501}, 422, "max_tokens", "between 1 and 500"),
        ({"max_tokens": 3.5}, 422, "max_tokens", "whole number"),
        ({"max_tokens": True}, 422, "max_tokens", "whole number"),
        ({"temperature": -1}, 422, "temperature", "in [0, 100]"),
        ({"temperature": "hot"}, 422, "temperature", "a number"),
        ({"top_p": 0}, 422, "top_p", "in (0, 1]"),
        ({"top_k": -1}, 422, "top_k", "between 0"),
        ({"seed": 10**30}, 422, "seed", "between"),
        ({"n": 17}, 422, "n", "between 1 and 16"),
        ({"n": 9, "prompt": ["a", "b"]}, 422, "n", "18 texts"),
        ({"stop": ["a"] * 17}, 422, "stop", "at most 16"),
        ({"stop": [""]}, 422, "stop", "empty"),
        ({"logprobs": 2}, 422, "logprobs", "between 0 and 1"),
        ({"stream": "yes"}, 422, "stream", "true or false"),
        ({"stream_options": {"usage": 1}}, 422, "usage", "include_usage"),
        ({"presence_penalty": 1}, 422, "presence_penalty", "only be 0"),
        ({"best_of": 2}, 422, "best_of", "only be 1"),
        ({"temprature": 1}, 422, "temprature", "did you mean 'temperature'?"),
    ],
)
def test_bad_requests_name_the_field(client, body, status, field, words):
    body = {**({"model": "writer", "prompt": "a"} if body else {}), **body}
    answer = client.post("/v1/completions", content=json.dumps(body))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["param"] == field and words in error["message"], error


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (None, "a list"),
        ([], "a list"),
        (["Hi"], "messages[0] must be an object"),
        ([{"role": "usr", "content": "Hi"}], "messages[0].role"),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "parts of text"),
        ([{"role": ["user"], "content": ""}], "messages[0].role"),
    ],
)
def test_bad_messages(client, messages, words):
    body = {"model": "writer", "messages": messages}
    answer = client.post("/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 422 and error["param"] == "messages"
    assert words in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [3]}, "input"),
        ({"input": ["a"] * 17}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 2}, "dimensions"),
    ],
)
def test_bad_requests_for_vectors(client, body, field):
    answer = client.post("/v1/embeddings", json={"model": "embed", **body})
    assert answer.status_code == 422 and answer.json()["error"]["param"] == field
