"""Limits, keys, what is logged, and what clients do wrong on purpose."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import socket
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from massivetext_keras.serving.gate import Keys
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.service import make_service
from tests.serving.engines import ScriptedEngine
from tests.serving.running import running

POSTS = (
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/models/classify:predict",
    "/v1/models/half:predict",
)
RIGHT = {400, 404, 413, 422}


@pytest.fixture(scope="module")
def strict(places):
    """A server with keys and tight limits."""
    limits = Limits(
        max_body=2_000, max_requests=2, max_seconds=2.0, max_body_seconds=0.5
    )
    limits = limits.replace(max_prompt_tokens=20, max_new_tokens=500)
    service = make_service(
        places, limits, engine_of=lambda task, limits: ScriptedEngine(task, 0.01, 1)
    )
    service.models.load()
    with running(service, Keys(["the-key"]), log_prompts=False) as found:
        found.client.headers["Authorization"] = "Bearer the-key"
        yield found


def complete(server, prompt="a", **how):
    body = {"model": "writer", "prompt": prompt, **how}
    return server.client.post("/v1/completions", json=body)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer the-ke", "Basic the-key", "é"])
def test_a_key_is_wanted(strict, given):
    headers = {"Authorization": given.encode()}
    for path in ("/v1/models", "/v1/models/classify", "/metrics", "/nothing"):
        answer = strict.client.get(path, headers=headers)
        assert answer.status_code == 401 and "API key" in answer.text
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/healthz", "/readyz"):
        assert strict.client.get(path, headers=headers).status_code == 200


def test_with_the_key(strict):
    assert strict.client.get("/v1/models").status_code == 200


def test_limits_of_body_prompt_and_tokens(strict):
    answer = complete(strict, "a" * 3000)
    assert answer.status_code == 413
    assert answer.json()["error"]["param"] == "body"
    parts = (b"a" * 500 for _ in range(9))  # in chunks, without a length
    assert strict.client.post("/v1/completions", content=parts).status_code == 413
    answer = complete(strict, "a" * 21)
    assert answer.status_code == 422 and "21 tokens, at most 20" in answer.text
    assert complete(strict, max_tokens=501).status_code == 422


def test_the_limit_of_time(strict):
    answer = complete(strict, "forever", max_tokens=500)
    assert answer.status_code == 408 and "2 seconds" in answer.text
    idle(strict)
    answer = complete(strict, "forever", max_tokens=500, stream=True)
    assert "longer than 2 seconds" in answer.text.strip().split("\n")[-1]
    idle(strict)


def idle(server):
    """Waits until what was cancelled has left: then a request finds a place."""
    deadline = time.monotonic() + 30
    while complete(server, max_tokens=1).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while server.service.measuring.active:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_limit_of_requests(strict):
    idle(strict)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(complete, strict, "forever", max_tokens=25) for _ in "abcd"
        ]
        found = sorted(x.result().status_code for x in asked)
    # two come in, of which one finds the engine's queue full
    assert found == [200, 429, 429, 429]
    assert strict.client.get("/healthz").status_code == 200
    idle(strict)


def raw(port, data, wait=5.0, half_close=False):
    """What a server answers to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


def test_a_slow_head_is_closed_and_a_slow_body_refused(strict):
    began = time.monotonic()
    assert raw(strict.port, b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n") == b""
    assert raw(strict.port, b"") == b""
    assert time.monotonic() - began < 4
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n"
    head += b"Authorization: Bearer the-key\r\n\r\n"
    found = raw(strict.port, head + b'{"model"')
    assert found.startswith(b"HTTP/1.1 408") and b"the body did not come" in found


def test_half_closed_and_broken_connections_leave_nothing_behind(strict):
    body = b'{"model": "writer", "prompt": "forever", "max_tokens": 400}'
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer the-key"
    head += b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    raw(strict.port, head + body, half_close=True)
    raw(strict.port, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")
    raw(strict.port, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000)
    with socket.create_connection(("127.0.0.1", strict.port)) as connection:
        connection.sendall(head + body[:9])
    idle(strict)


def test_who_takes_no_answer_is_cut_off(strict):
    inputs = {"text": ["a" * 1000], "times": 10_000, "max_new_tokens": 1}
    body = json.dumps({"signature_name": "repeat", "inputs": inputs}).encode()
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer"
    head += b" the-key\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", strict.port)) as connection:
        connection.sendall(head + body)
        connection.recv(1, socket.MSG_PEEK)  # it has begun
        time.sleep(strict.service.limits.max_seconds + 1)
        found = 0
        with pytest.raises(ConnectionResetError):
            while part := connection.recv(65536):
                found += len(part)
            raise ConnectionResetError  # it ended as well
    assert found < 20_000_000  # of 23 million bytes


def test_the_log_has_no_prompts_unless_asked(strict, caplog):
    with caplog.at_level(logging.INFO, "massivetext_keras.serving.gate"):
        body = {"model": "writer", "prompt": "hidden2", "max_tokens": 1}
        strict.client.post("/v1/completions?q=hidden1", json=body)
        deadline = time.monotonic() + 30
        lines = []
        while not lines and time.monotonic() < deadline:
            time.sleep(0.01)
            found = [json.loads(record.message) for record in caplog.records]
            lines = [x for x in found if x["path"] == "/v1/completions"]
    (line,) = lines
    assert line["status"] == 200 and line["method"] == "POST"
    assert "hidden" not in caplog.text


def test_an_id_of_a_request_comes_back(client):
    answer = client.get("/healthz", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    answer = client.get("/healthz", headers={"X-Request-Id": "not mine"})
    assert len(answer.headers["x-request-id"]) == 32


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["model", "prompt", "messages", "input", "n", "seed", "stop", "stream", "logprobs"]
    + ["max_tokens", "temperature", "top_p", "instances", "inputs", "signature_name"]
    + ["encoding_format", "stream_options"]
)
MODELS = st.sampled_from(["writer", "embed", "classify"])
OBJECTS = st.builds(
    lambda model, fields: {"model": model, **fields},
    MODELS,
    st.dictionaries(NAMES, JSON, max_size=4),
)
BODIES = st.binary(max_size=60) | (JSON | OBJECTS).map(lambda x: json.dumps(x).encode())


def fuzz(client, path, body):
    answer = client.post(path, content=body)
    assert answer.status_code in RIGHT | {200}, (body, answer.text)
    if answer.status_code != 200:
        error = answer.json()["error"]
        message = error if isinstance(error, str) else error["message"]
        assert message and "\n" not in message


@hypothesis.given(st.sampled_from(POSTS), BODIES)
def test_no_body_makes_it_fail(client, path, body):
    fuzz(client, path, body)


@pytest.mark.slow
@hypothesis.settings(max_examples=1_000)
@hypothesis.given(st.sampled_from(POSTS), BODIES)
def test_a_thousand_bodies(client, path, body):
    fuzz(client, path, body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 9_000,
        b'{"a":' * 3_000,
        b'{"model": "writer", "prompt": "a", "seed": ' + b"9" * 6_000 + b"}",
        b'{"model": "writer", "prompt": "a", "temperature": 1e999}',
        b'{"model": "writer", "prompt": "a", "temperature": NaN}',
        b"\xff\xfe",
        b"",
        b"\x00",
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_bombs(client, path, body):
    fuzz(client, path, body)


def test_naughty_strings_through_every_endpoint(client, naughty):
    asked = [text for text in naughty if len(text) < 900]
    for i in range(0, len(asked), 16):
        texts = [text for text in asked[i : i + 16] if text]
        body = {"model": "embed", "input": texts}
        assert client.post("/v1/embeddings", json=body).status_code == 200
        found = client.post(
            "/v1/models/half:predict",
            json={
                "signature_name": "repeat",
                "inputs": {"text": texts, "times": 1, "max_new_tokens": 1},
            },
        ).json()["outputs"]["text"]
        assert found == texts  # as they went in
    for text in asked[::16]:
        body = {"model": "writer", "prompt": text, "max_tokens": 1, "echo": True}
        answer = client.post("/v1/completions", json=body)
        assert answer.json()["choices"][0]["text"].startswith(text)


def test_metrics(client, openai_client):
    body = {"instances": ["a"]}
    client.post("/v1/models/classify:predict", json=body)
    openai_client.completions.create(model="writer", prompt="Once", seed=1)
    text = client.get("/metrics").text
    for line in (
        'massivetext_requests_total{endpoint=":predict",status="200"}',
        'massivetext_request_seconds_bucket{endpoint="/v1/completions",le="0.1"}',
        'massivetext_tokens_total{kind="new",model="writer"}',
        'massivetext_first_token_seconds_count{model="writer"}',
        'massivetext_batch_rows_count{model="classify"}',
        'massivetext_queue_rows{model="classify"} 0.0',
        'massivetext_engine_cache_in_use{model="writer"} 0.0',
        'massivetext_engine_slots{model="writer"} 64.0',
        'massivetext_model_ready{model="half",version="123"} 1.0',
        "massivetext_active_requests 1.0",
    ):
        assert line in text, line
