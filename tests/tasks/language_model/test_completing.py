"""What is told of texts: why they end, how many tokens they have, how probable these
are; by `generate` and by the signature `complete`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation import BannedPhrases, Completion
from massivetext_keras.generation.texts import prompt_ids
from tests.tasks.tiny import byte_lm

pytestmark = pytest.mark.usefixtures("plain_loop")

PROMPTS = ["", "ab", "über 中", "ab"]
STOPS = [(), ("-",), ("é", "..", "\n"), ("\ufffd.", "-."), (".", ".-", "e")]


@pytest.fixture(scope="module")
def lm():
    return byte_lm(
        seed=3,
        banned=["q"],
        end_ids=(12, 48),
        chat_template={
            "system": ["s", "|"],
            "user": ["u", "|"],
            "assistant": ["a", "|"],
        },
    )


def ask(lm, prompts=PROMPTS, **how) -> dict[str, np.ndarray]:
    """The answer of `complete`."""
    found = lm.complete_graph(prompts, **how)
    return {name: value.numpy() for name, value in found.items()}


def rows_of(found: dict[str, np.ndarray]) -> list[Completion]:
    sizes = found["new_tokens"]
    return [
        Completion(
            found["text"][i].decode(),
            found["finish_reason"][i].decode(),
            int(found["prompt_tokens"][i]),
            tuple(found["token_ids"][i, :size].tolist()),
            tuple(found["log_probabilities"][i, :size].tolist()),
        )
        for i, size in enumerate(sizes)
    ]


def float64_log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_log_probabilities_are_those_of_the_logits(lm):
    how = {"temperature": 0.7, "top_k": 9, "repetition_penalty": 1.3, "seed": 4}
    found = lm.generate(PROMPTS, 12, details=True, banned=["e"], **how)
    for prompt, row in zip(PROMPTS, found, strict=True):
        before = prompt_ids(lm.tokenizer, tf.constant([prompt]))[0].numpy().tolist()
        ids = [*before, *row.token_ids]
        logits = lm({"token_ids": [ids[:-1]]})[0].numpy()[len(before) - 1 :]
        right = float64_log_softmax(logits)[range(len(row.token_ids)), row.token_ids]
        np.testing.assert_allclose(row.log_probabilities, right, atol=1e-5)
        assert row.prompt_tokens == len(before)


@pytest.mark.parametrize("stop", STOPS)
def test_where_and_why_texts_end(lm, stop):
    how = {"temperature": 1.2, "include_prompt": False}
    for seed in range(2):
        found = lm.generate(PROMPTS, 24, stop=stop, seed=seed, details=True, **how)
        plain = lm.generate(PROMPTS, 24, seed=seed, details=True, **how)
        for one, whole in zip(found, plain, strict=True):
            text, size, reason = ended(whole, stop)
            assert (one.text, one.new_tokens, one.finish_reason) == (text, size, reason)
            assert one.token_ids == whole.token_ids[:size]
            assert one.log_probabilities == whole.log_probabilities[:size]


def ended(whole: Completion, stop) -> tuple[str, int, str]:
    """What stop strings make of a text: cut at the first place where one is, once no
    other that began before it can be; by looking after each token."""
    ids = whole.token_ids
    for size in range(1, len(ids) + 1):
        last = size == len(ids)
        text = bytes(i - 3 for i in ids[:size] if i > 2).decode(errors="replace")
        text = text if last else text.rstrip("\ufffd")
        there = [text.find(x) for x in stop if x in text]
        begun = [
            place
            for place, x in itertools.product(range(len(text)), stop)
            if len(text) - place < len(x) and x.startswith(text[place:])
        ]
        if there and (last or min(there) <= min(begun, default=len(text))):
            return text[: min(there)], size, "stop"
    return whole.text, len(ids), whole.finish_reason


def test_an_end_token_is_a_stop_and_the_limit_is_none(lm):
    found = lm.generate(["ab"] * 40, 20, temperature=1.3, seed=1, details=True)
    for row in found:
        assert (row.finish_reason == "stop") == (row.token_ids[-1] in (12, 48))
        assert row.finish_reason == "stop" or row.new_tokens == 20
    assert {row.finish_reason for row in found} == {"stop", "length"}


def test_details_change_no_text(lm):
    how = {"temperature": 0.9, "seed": 2, "stop": ["e"], "num_samples": 2}
    texts = lm.generate(PROMPTS, 15, **how)
    found = lm.generate(PROMPTS, 15, details=True, **how)
    assert [[row.text for row in rows] for rows in found] == texts
    (none,) = lm.generate(["ab"], 0, details=True)
    assert none == Completion("ab", "length", 2, (), ())
    with pytest.raises(ValueError, match="beams give no details"):
        lm.generate("ab", 4, num_beams=2, details=True)


@pytest.mark.parametrize("stop", STOPS)
def test_the_signature_says_what_generate_says(lm, stop):
    how = {"temperature": 0.8, "top_k": 30, "seed": 6, "max_new_tokens": 17}
    how |= {"repetition_penalty": 1.2, "min_p": 0.01, "min_new_tokens": 3}
    found = rows_of(ask(lm, stop=np.array([*stop], object), **how))
    right = lm.generate(PROMPTS, stop=stop, details=True, include_prompt=False, **how)
    for one, other in zip(found, right, strict=True):
        assert one[:4] == other[:4]
        np.testing.assert_allclose(one[4], other[4], atol=1e-5)


def test_banned_phrases_are_data(lm):
    phrases = [".", "-", "é", "q"]
    size = lm.config.vocabulary_size
    tables = BannedPhrases.make(phrases, lm.tokenizer.token_texts(), size)
    how = {"temperature": 1.1, "seed": 8, "max_new_tokens": 30}
    given = {"banned_table": tables.table, "banned_kinds": tables.kinds}
    found = rows_of(ask(lm, **how, **given))
    right = lm.generate(PROMPTS, banned=phrases, include_prompt=False, **how)
    assert [row.text for row in found] == right
    plain = [row.text for row in rows_of(ask(lm, **how))]
    assert plain == lm.generate(PROMPTS, include_prompt=False, **how) != right
    assert not any("q" in text for text in plain)
    with pytest.raises(tf.errors.InvalidArgumentError, match="of 259 tokens"):
        ask(lm, **how, banned_table=[[0]], banned_kinds=[0, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="stop string is empty"):
        ask(lm, **how, stop=["a", ""])


def test_what_is_asked_makes_no_new_graph(lm):
    lm.generate(PROMPTS, 9, seed=0, temperature=1.0, details=True, stop=["e"])
    stops = (), lm.writers.text_generator()
    traces = stops[1].graphs.traces
    for stop in STOPS:
        for details in (True, False):
            lm.generate(PROMPTS[1:], 9, seed=0, stop=stop, details=details)
    assert stops[1].graphs.traces == traces


def test_replies(lm):
    talk = [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "e"}]
    talk += [{"role": "user", "content": "é"}]
    turns = [[turn[key] for turn in talk] for key in ("role", "content")]
    found = lm.complete_chat_graph(
        turns[:1], turns[1:], temperature=0.8, seed=6, max_new_tokens=17
    )
    reply = lm.chat(talk, 17, temperature=0.8, seed=6)
    assert found["text"].numpy()[0].decode() == reply
    assert found["prompt_tokens"].numpy().tolist() == [len("uab|ae|ué|a".encode())]
