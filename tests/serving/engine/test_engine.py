"""The engine: texts as the task writes them alone, whatever others ask for."""

from __future__ import annotations

import queue
import random
import threading

import pytest
import tensorflow as tf

from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.serving.engine import SlotEngine
from massivetext_keras.serving.requests import (
    Finish,
    GenerationRequest,
    Piece,
    QueueFull,
)
from tests.tasks.tiny import byte_lm

pytestmark = pytest.mark.usefixtures("plain_loop")


@pytest.fixture(scope="module")
def lm():
    return byte_lm(seed=3, banned=["q"])


def engine_of(lm, **how) -> SlotEngine:
    return SlotEngine(lm, **{"slots": 4, "chunk": 8, "compiled": False, **how})


def request(draw: random.Random) -> GenerationRequest:
    return GenerationRequest(
        "".join(draw.choices("abcé中 .\n", k=draw.randint(0, 10))),
        draw.randint(1, 16),
        temperature=draw.choice([0.0, 0.7, 1.3]),
        top_k=draw.choice([0, 5]),
        top_p=draw.choice([1.0, 0.8]),
        seed=draw.randint(-5, 99),
        stop=draw.choice([(), ("a",), ("\ufffd", "e\n")]),
        logprobs=draw.random() < 0.3,
    )


def written_alone(lm, asked: GenerationRequest) -> str:
    return lm.generate(
        asked.prompt,
        asked.max_new_tokens,
        temperature=asked.temperature,
        top_k=asked.top_k,
        top_p=asked.top_p,
        seed=asked.seed,
        stop=asked.stop,
        include_prompt=False,
    )


def check(events: list, asked: GenerationRequest) -> str:
    """The text, of events that are as they should be."""
    *pieces, end = events
    assert isinstance(end, Finish) and all(isinstance(x, Piece) for x in pieces)
    tokens = [index for piece in pieces for index in piece.token_ids]
    scores = [score for piece in pieces for score in piece.logprobs]
    assert len(tokens) <= end.new_tokens <= asked.max_new_tokens
    assert len(scores) == (len(tokens) if asked.logprobs else 0)
    return "".join(piece.text for piece in pieces)


def test_texts_of_many_threads_are_those_written_alone(lm):
    engine, draw = engine_of(lm), random.Random(0)
    asked = [request(draw) for _ in range(48)]
    events = [[] for _ in asked]

    def ask(first: int) -> None:
        for i in range(first, len(asked), 6):
            ticket = engine.submit(asked[i], events[i].append)
            if i % 7 == 3:
                ticket.cancel()

    threads = [threading.Thread(target=ask, args=[i]) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    for i, (one, seen) in enumerate(zip(asked, events, strict=True)):
        found, right = check(seen, one), written_alone(lm, one)
        if seen[-1].reason == "cancelled":  # unless the text had ended before
            assert i % 7 == 3 and right.startswith(found)
            continue
        assert found == right, one
        ended = seen[-1].reason == "stop"
        assert ended or seen[-1].new_tokens == one.max_new_tokens
    numbers = engine.statistics()
    assert numbers["waiting"] == numbers["running"] == numbers["cache_in_use"] == 0
    assert numbers["tokens_written"] >= sum(seen[-1].new_tokens for seen in events)


def test_ends(lm):
    engine, events = engine_of(lm), {}
    # the most probable text of this model, which has no end
    decoder, greedy = (
        lm.writers.decoder(False, False),
        SamplingTensors.make(temperature=0.0),
    )
    ids, banned = (
        tf.ragged.constant([[70]], dtype=tf.int32),
        lm.writers.banned_phrases(),
    )
    first = decoder.extend(ids, tf.constant(9), greedy, banned).to_list()[0][1:]
    assert len(first) == 9
    cases = {
        "length": {},
        "end": {"stop_ids": (first[3],)},
        "ignored": {"stop_ids": (), "ignore_end": True},
        "none": {"max_new_tokens": 0},
    }
    for name, case in cases.items():
        case = {"max_new_tokens": 9, "temperature": 0.0, **case}
        events[name] = []
        engine.submit(GenerationRequest((70,), **case), events[name].append)
    engine.close()
    place = first.index(first[3]) + 1
    assert events["length"][-1] == events["ignored"][-1] == Finish("length", 1, 9)
    assert events["end"][-1] == Finish("stop", 1, place)
    assert events["none"] == [Finish("length", 1, 0)]
    tokens = [x for piece in events["end"][:-1] for x in piece.token_ids]
    assert tokens == first[:place]


def test_a_callback_that_fails_ends_its_request_alone(lm, caplog):
    engine, seen = engine_of(lm), []

    def fail(event):
        seen.append(event)
        raise OSError("gone")

    events = []
    asked = GenerationRequest("ab", 8, temperature=0.0)
    engine.submit(asked, fail)
    engine.submit(asked, events.append)
    engine.close()
    assert len(seen) == 1 and "gone" in caplog.text
    assert check(events, asked) == written_alone(lm, asked)


def test_a_step_that_fails_ends_what_runs_and_nothing_else(lm):
    engine, events, later = engine_of(lm), queue.Queue(), []
    write = engine.decoder.graphs.write
    asked = GenerationRequest("ab", 8, temperature=0.0)

    def fail(*_):
        engine.decoder.graphs.write = write
        raise MemoryError("no room")

    engine.decoder.graphs.write = fail
    engine.submit(asked, events.put)
    assert events.get() == Finish("error", 2, 0, "MemoryError: no room")
    engine.submit(asked, later.append)
    engine.close()
    assert events.empty()
    assert check(later, asked) == written_alone(lm, asked)


def test_a_queue_is_bounded(lm):
    engine, go = engine_of(lm, queue=2, slots=1), threading.Event()
    begun, events = threading.Event(), []

    def hold(event):
        begun.set()
        go.wait()

    asked = GenerationRequest("ab", 8, temperature=0.0)
    engine.submit(asked, hold)
    begun.wait()
    tickets = [engine.submit(asked, events.append) for _ in range(2)]
    with pytest.raises(QueueFull, match="2 requests wait already"):
        engine.submit(asked, events.append)
    assert engine.statistics()["waiting"] == 2
    tickets[0].cancel()
    go.set()
    engine.close()
    assert [x.reason for x in events if isinstance(x, Finish)] == [
        "cancelled",
        "length",
    ]
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(asked, events.append)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": "a" * 60}, "prompt: 60 tokens and max_new_tokens 8 exceed .* 64"),
        ({"prompt": ()}, "prompt: there are no ids"),
        ({"prompt": (1, 300)}, "prompt: ids are whole numbers from 0 to 258"),
        ({"max_new_tokens": -1}, "max_new_tokens must be at least 0, got -1"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_k": -1}, "top_k must be"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be"),
        ({"stop": ("",)}, "a stop string is empty"),
        ({"stop_ids": (1,) * 9}, "stop_ids: 10 are more than 8"),
    ],
)
def test_what_can_never_run_is_refused(lm, fields, message):
    engine = engine_of(lm)
    asked = GenerationRequest(**{"prompt": "ab", "max_new_tokens": 8, **fields})
    with pytest.raises(ValueError, match=message):
        engine.submit(asked, lambda event: None)
    engine.close()


def test_counts(lm):
    engine = engine_of(lm)
    assert engine.count_tokens("é!") == 3
    engine.close()
