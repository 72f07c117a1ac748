"""The engine of exports with slots: a graph that counts stands for one that writes."""

from __future__ import annotations

import json
import threading

import openai
import pytest
import tensorflow as tf

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.models.stepping import NAMES
from massivetext_keras.serving.requests import Finish, GenerationRequest
from massivetext_keras.serving.service import make_service
from tests.serving.exports import STRINGS, graph, half_plus_three
from tests.serving.running import running

INTEGER, FLOAT = tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)
STRING = tf.TensorSpec([], tf.string)


class Counting(tf.Module):
    """Slot i writes its seed, its prompt's size, and then 1. 2. 3. to the limit."""

    def __init__(self):
        self.numbers = tf.Variable(tf.zeros([1, 4], tf.int32), shape=[None, 4])

    def signatures(self):
        @graph(slots=INTEGER, places=INTEGER)
        def slots_open(slots, places):
            self.numbers.assign(tf.zeros([slots, 4], tf.int32))
            return {"slots": slots, "places": places}

        @graph(
            slot=INTEGER,
            prompt=STRING,
            max_new_tokens=INTEGER,
            temperature=FLOAT,
            top_k=INTEGER,
            top_p=FLOAT,
            repetition_penalty=FLOAT,
            seed=INTEGER,
        )
        def slots_fill(slot, prompt, max_new_tokens, *choice):
            size = tf.strings.length(prompt)
            right = tf.debugging.Assert(prompt != "fail", ["no such prompt"])
            with tf.control_dependencies([right]):
                row = tf.stack([0, max_new_tokens, size, choice[-1]])
            self.numbers.scatter_nd_update([[slot]], row[None])
            return {"prompt_tokens": size}

        @graph(steps=INTEGER)
        def slots_step(steps):
            before, most, size, seed = tf.unstack(self.numbers.read_value(), axis=1)
            written = tf.minimum(before + steps, most)
            self.numbers.assign(tf.stack([written, most, size, seed], 1))
            said = tf.as_string(tf.ragged.range(written) + 1).to_tensor()
            said = tf.strings.reduce_join(tf.where(said == "", "", said + ". "), axis=1)
            head = tf.strings.join([" s", tf.as_string(seed), " p", tf.as_string(size)])
            text = tf.strings.join([head, " ", said])
            fresh = tf.range(8)[:, None] < (written - before)[None]
            return {
                "text": text,
                "new_tokens": written,
                "done": written >= most,
                "token_ids": tf.where(fresh, 7, -1),
                "log_probabilities": tf.zeros(tf.shape(fresh)),
                "ended": tf.zeros_like(written, tf.bool),
                "shared": tf.zeros_like(written),
            }

        @graph(slot=INTEGER)
        def slots_free(slot):
            self.numbers.scatter_nd_update([[slot]], tf.zeros([1, 4], tf.int32))
            return {"slot": slot}

        @graph(text=STRINGS)
        def count(text):
            return {"tokens": tf.strings.length(text)}

        found = slots_open, slots_fill, slots_step, slots_free, count
        return dict(zip(NAMES, found, strict=True))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    path = tmp_path_factory.mktemp("stepping") / "counter"
    module = Counting()
    tf.saved_model.save(
        module,
        str(path),
        {**module.signatures(), "serving_default": half_plus_three},
    )
    config = {"model": {"max_length": 50}, "options": {"generation": {"seed": 1}}}
    (path / "config.json").write_text(json.dumps(config))
    found = make_service([Place("counter", str(path))], Limits(slots=3, max_waiting=9))
    found.models.load()
    yield found


@pytest.fixture(scope="module")
def client(service):
    with (
        running(service) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=0) as found,
    ):
        yield found


def complete(client, prompt, **how):
    return client.completions.create(model="counter", prompt=prompt, **how)


def test_texts_of_more_requests_than_slots(client):
    prompts = [f"{'x' * i}" for i in range(1, 8)]
    found = complete(client, prompts, max_tokens=3, seed=5)
    assert [choice.text for choice in found.choices] == [
        f" s5 p{i} 1. 2. 3. " for i in range(1, 8)
    ]
    assert {choice.finish_reason for choice in found.choices} == {"length"}
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (28, 21)


def test_a_stop_string_across_steps(client):
    how = {"prompt": "ab", "max_tokens": 20, "seed": 2, "stop": ["4. 5", "9"]}
    assert complete(client, **how).choices[0].text == " s2 p2 1. 2. 3. "
    parts = [x.choices[0] for x in complete(client, stream=True, **how)]
    assert "".join(part.text for part in parts) == " s2 p2 1. 2. 3. "
    assert parts[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"prompt": [1, 2]}, "no ids"),
        ({"prompt": "a", "logprobs": 1}, "logprobs"),
        ({"prompt": "a", "max_tokens": 50}, "max_new_tokens"),
        ({"prompt": "a" * 30, "max_tokens": 21}, "30 tokens and max_new_tokens 21"),
    ],
)
def test_what_an_export_cannot_do_is_refused(client, how, words):
    with pytest.raises(openai.UnprocessableEntityError, match=words):
        complete(client, **how)
    with pytest.raises(openai.NotFoundError, match="has no chats"):
        client.chat.completions.create(
            model="counter", messages=[{"role": "user", "content": "a"}]
        )


def test_a_prompt_that_is_refused_ends_alone(client):
    with pytest.raises(openai.InternalServerError, match="no such prompt"):
        complete(client, "fail")
    assert complete(client, "ok", max_tokens=1).choices[0].text.endswith(" p2 1. ")


def test_a_step_that_fails_ends_what_runs_and_nothing_else(client, service):
    engine = service.models.find("counter").engine
    step = engine._ask["slots_step"]

    def fail(**_):
        engine._ask["slots_step"] = step
        raise MemoryError("no room")

    engine._ask["slots_step"] = fail
    with pytest.raises(openai.InternalServerError, match="no room"):
        complete(client, "ab")
    assert complete(client, "ok", max_tokens=1).choices[0].text.endswith(" p2 1. ")


def test_a_short_stop_string_waits_for_a_longer_one_that_began_before(client):
    # After a step the text ends with "4. ": "3. 4. " may become the longer one.
    for longer, text in (("3. 4. 6", " s5 p2 1. 2. 3. "), ("3. 4. 5", " s5 p2 1. 2. ")):
        how = {"max_tokens": 8, "seed": 5, "stop": ["4", longer]}
        assert complete(client, "ab", **how).choices[0].text == text


def test_a_warm_up_that_fails_is_an_error(service):
    engine = service.models.find("counter").engine
    step = engine._ask["slots_step"]

    def fail(**_):
        engine._ask["slots_step"] = step
        raise MemoryError("no room")

    engine._ask["slots_step"] = fail
    with pytest.raises(RuntimeError, match="no room"):
        engine.warm_up()


def test_who_cancels_frees_the_slot(client, service):
    engine, ended = service.models.find("counter").engine, threading.Event()

    def hear(event):
        if isinstance(event, Finish):
            assert event.reason == "cancelled"
            ended.set()

    engine.submit(GenerationRequest("a", 49), hear).cancel()
    assert ended.wait(10)
    assert engine.statistics()["running"] == 0
