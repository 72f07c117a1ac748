"""Texts in slots are those that are written alone, whoever shares the batch."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots import Rules, SlotDecoder, Text
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, gpt, randomize

END = 2
USUAL = SamplingTensors.make()._asdict()
USUAL = {name: value.numpy().item() for name, value in USUAL.items()}


def recurrent() -> CausalLM:
    config = RecurrentConfig(
        vocabulary_size=259, num_layers=2, hidden_size=12, max_length=64
    )
    lm = CausalLM(config, ByteTokenizer())
    randomize(lm.backbone, 1, 1.0)
    return lm


@functools.cache
def lm_of(kind: str) -> CausalLM:
    if kind == "recurrent":
        return recurrent()
    changes = {
        "rotary": {"position": "rotary", "num_key_value_heads": 2, "window": 9},
        "relative": {"position": "relative", "norm_position": "post"},
        "experts": {"num_experts": 3, "position": "sinusoidal"},
    }
    return byte_lm(seed=3, **changes.get(kind, {}))


def ask(random: np.random.Generator, context: int = 64) -> tuple:
    """A prompt, tokens at the most, and numbers."""
    prompt = random.integers(3, 259, random.integers(1, 30)).tolist()
    how = {
        "temperature": float(random.choice([0.0, 0.7, 1.3])),
        "top_k": int(random.choice([0, 5])),
        "top_p": float(random.choice([1.0, 0.8])),
        "min_p": float(random.choice([0.0, 0.1])),
        "repetition_penalty": float(random.choice([1.0, 1.3])),
        "min_new_tokens": int(random.choice([0, 4])),
        "seed": int(random.integers(1000)),
    }
    return prompt, int(random.integers(1, 16)), how


def text_of(prompt, new, how, **options) -> Text:
    sampling = [{**USUAL, **how}[name] for name in SamplingTensors._fields]
    return Text(prompt, new, sampling, (END,), **options)


def write(decoder: SlotDecoder, texts, random=None) -> dict[Text, list[int]]:
    """What texts get that join and share steps at random."""
    random = random or np.random.default_rng(0)
    todo, found = [*texts], {text: [] for text in texts}
    while todo or decoder.running:
        while todo and decoder.free and random.random() < 0.6:
            decoder.join(todo.pop(0))
        for news in decoder.advance(int(random.integers(1, decoder.steps + 1))):
            found[news.text] += news.token_ids
    return found


def alone(lm: CausalLM, prompt, new, how) -> list[int]:
    """What `generate_ids` gives, by a graph that is not compiled."""
    decoder, sampling = lm.writers.decoder(True, False), SamplingTensors.make(**how)
    ends = lm.writers.banned_phrases(), tf.constant([END])
    ids = tf.ragged.constant([prompt], dtype=tf.int32)
    (row,) = decoder.extend(ids, tf.constant(new), sampling, *ends).to_list()
    return row[len(prompt) :]


def slots_of(lm: CausalLM, **how) -> SlotDecoder:
    rules = Rules((END,), Constraints(lm.never_ids), lm.writers.banned_phrases())
    how = {"slots": 8, "chunk": 8, "compiled": False, **how}
    return SlotDecoder(lm.backbone, rules, **how)


def test_two_hundred_arrivals():
    lm, random = lm_of("learned"), np.random.default_rng(5)
    requests = [ask(random) for _ in range(200)]
    texts = [text_of(*request) for request in requests]
    decoder = slots_of(lm)
    found = write(decoder, texts, random)
    assert decoder.running == [] and decoder.free == 8
    for text, (prompt, new, how) in zip(texts, requests, strict=True):
        right = lm.generate_ids([prompt], new, stop_ids=(END,), **how).to_list()[0]
        assert found[text] == right[len(prompt) :], (prompt, new, how)
    assert decoder.graphs.traces == 4  # write, resize, mark, paste
    assert decoder.reader.traces == 2


def test_the_compiled_program_and_what_it_was_traced_for():
    lm, random = lm_of("learned"), np.random.default_rng(6)
    decoder = slots_of(lm, slots=2, compiled=True)
    decoder.row_sizes = [2]
    decoder.warm_up()
    traces = decoder.graphs.traces
    requests = [ask(random) for _ in range(12)]
    texts = [text_of(*request) for request in requests]
    found = write(decoder, texts, random)
    for text, request in zip(texts, requests, strict=True):
        assert found[text] == alone(lm, *request)
    assert decoder.graphs.traces == traces


@pytest.mark.parametrize("kind", ["rotary", "relative", "experts", "recurrent"])
def test_other_models(kind):
    lm, random = lm_of(kind), np.random.default_rng(7)
    requests = [ask(random) for _ in range(10)]
    texts = [text_of(*request) for request in requests]
    found = write(slots_of(lm, slots=4), texts, random)
    for text, request in zip(texts, requests, strict=True):
        assert found[text] == alone(lm, *request), request


def test_rules():
    lm = byte_lm(seed=3, never_ids=(7, (9, 8), (5, 6, 7)), banned=["a", "9q"])
    random = np.random.default_rng(8)
    requests = [ask(random) for _ in range(12)]
    texts = [text_of(*request) for request in requests]
    found = write(slots_of(lm, slots=4), texts, random)
    for text, request in zip(texts, requests, strict=True):
        assert found[text] == alone(lm, *request), request


def test_who_leaves_changes_no_other_text():
    lm, random = lm_of("learned"), np.random.default_rng(9)
    requests = [ask(random) for _ in range(24)]
    texts = [text_of(*request) for request in requests]
    decoder, todo, found = slots_of(lm, slots=4), [*texts], {t: [] for t in texts}
    left = set()
    while todo or decoder.running:
        while todo and decoder.free:
            decoder.join(todo.pop(0))
        if random.random() < 0.3 and decoder.running:
            text = decoder.running[int(random.integers(len(decoder.running)))]
            decoder.leave(text)
            left.add(text)
        for news in decoder.advance(2):
            found[news.text] += news.token_ids
    assert 3 < len(left) < 20
    for text, request in zip(texts, requests, strict=True):
        right = alone(lm, *request)
        assert found[text] == (right[: len(found[text])] if text in left else right)


def test_shared_prefixes_change_no_text():
    lm, random = lm_of("rotary"), np.random.default_rng(10)
    system = random.integers(3, 259, 40).tolist()
    requests = [ask(random) for _ in range(16)]
    requests = [
        ((system + prompt)[:48] if i % 3 else prompt, *rest)
        for i, (prompt, *rest) in enumerate(requests)
    ]
    texts = [text_of(*request) for request in requests]
    decoder = slots_of(lm, slots=3)
    found = write(decoder, texts, random)
    assert decoder.reader.hits >= 8
    assert [text.shared for text in texts][-1] == 0
    for text, request in zip(texts, requests, strict=True):
        assert found[text] == alone(lm, *request), request
    # keys and values of one layer: 2 heads, 32 tokens, 4 numbers
    assert decoder.reader.prefixes.number_of_bytes == 2 * 2 * 32 * 4 * 4
    decoder = slots_of(lm, slots=3, prefix_bytes=0)
    assert write(decoder, [text_of(*requests[1])], random)
    assert decoder.reader.hits == 0


def test_log_probabilities_are_those_of_the_model():
    lm = lm_of("learned")
    how = {"temperature": 0.7, "top_k": 5, "repetition_penalty": 1.3}
    text = text_of([5, 6, 7], 9, how, scored=True)
    other = text_of([8, 9], 5, how)
    decoder, found = slots_of(lm), {text: [], other: []}
    decoder.join(text)
    decoder.join(other)
    scores = {text: [], other: []}
    while decoder.running:
        for news in decoder.advance(2):
            found[news.text] += news.token_ids
            scores[news.text] += news.scores
    ids = [5, 6, 7, *found[text]]
    right = tf.nn.log_softmax(lm({"token_ids": [ids[:-1]]})[0, 2:])
    right = right.numpy()[np.arange(len(found[text])), found[text]]
    np.testing.assert_allclose(scores[text], right, atol=1e-5)
    assert not any(scores[other])


def test_memory_follows_what_is_needed():
    lm = byte_lm(seed=3, max_length=512)
    decoder = slots_of(lm, slots=16)
    assert (decoder.row_sizes, decoder.place_sizes) == ([1, 8, 16], [128, 256, 512])
    write(decoder, [text_of([5] * 200, 2, {}) for _ in range(5)])
    assert decoder.graphs.number_of_bytes == 8 * 256 * 2 * 16 * 4
    write(decoder, [text_of([5], 200, {"min_new_tokens": 200})])
    assert decoder.graphs.number_of_bytes == 256 * 2 * 16 * 4


def test_a_prefix_language_model_is_refused():
    with pytest.raises(ValueError, match="reads a prompt at once"):
        SlotDecoder(gpt(stack="prefix"))
