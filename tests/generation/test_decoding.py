"""The cached loop writes what the model without a cache would."""

from __future__ import annotations

import functools

import pytest
import tensorflow as tf

from massivetext_keras.generation.decoding import Decoder, left_padded, written
from massivetext_keras.generation.sampling import SamplingTensors, choose
from tests.tasks.tiny import gpt

PROMPTS = [[7, 3, 9, 1, 4], [5], [20, 21], [30, 31, 32, 33], [5, 6, 7]]
GREEDY = SamplingTensors.make(temperature=0.0)
SAMPLED = SamplingTensors.make(temperature=0.9, top_k=20, top_p=0.95, seed=4)


@pytest.fixture(scope="module")
def model():
    return gpt(num_layers=1, scale=1.0, position="rotary", num_key_value_heads=2)


@pytest.fixture(scope="module")
def decoder(model):
    return Decoder(model, compiled=False)


def decode(decoder, prompts, count, sampling=GREEDY, rows=None) -> list[list[int]]:
    rows = tf.range(len(prompts)) if rows is None else tf.constant(rows)
    ragged = tf.ragged.constant(prompts, dtype=tf.int32)
    state = decoder.begin(ragged, tf.constant(count), sampling, rows)
    state = decoder.decode(state, sampling, tf.constant(count))
    return written(state, len(prompts), tf.constant(count)).to_list()


@functools.cache
def last_logits(model):
    """Reads a whole row, without a cache."""
    return tf.function(
        lambda ids: model.logits(model(ids)[:, -1]),
        input_signature=[tf.TensorSpec([1, None], tf.int32)],
    )


def loop(model, prompt, count, sampling=GREEDY, row=0, penalty=None) -> list[int]:
    """Reads everything again for every token."""
    ids = list(prompt)
    for step in range(count):
        logits = last_logits(model)(tf.constant([ids])).numpy()
        if penalty:
            for i in set(ids):
                logits[0, i] *= penalty if logits[0, i] <= 0 else 1 / penalty
        token = choose(tf.constant(logits), sampling, tf.constant([row]), step)
        ids.append(int(token[0]))
    return ids[len(prompt) :]


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_batch_is_the_rows_alone_without_a_cache(model, decoder, sampling):
    rows = [4, 0, 0, 2, 9]
    expected = [
        loop(model, prompt, 12, sampling, row)
        for prompt, row in zip(PROMPTS, rows, strict=True)
    ]
    assert decode(decoder, PROMPTS, 12, sampling, rows) == expected
    assert len({tuple(x) for x in expected}) == len(PROMPTS)
    for prompt, row, text in zip(PROMPTS, rows, expected, strict=True):
        assert decode(decoder, [prompt], 12, sampling, [row]) == [text]


def test_the_xla_program_writes_the_same(model):
    compiled = Decoder(model)
    for sampling in (GREEDY, SAMPLED):
        expected = [loop(model, p, 9, sampling, i) for i, p in enumerate(PROMPTS)]
        assert decode(compiled, PROMPTS, 9, sampling) == expected
    assert compiled.traces == 1


@pytest.mark.parametrize(
    "changes",
    [{"position": "learned"}, {"position": "relative", "window": 4}],
    ids=str,
)
def test_other_positions(changes):
    model = gpt(num_layers=1, seed=3, scale=1.0, **changes)
    decoder = Decoder(model, compiled=False)
    assert decode(decoder, PROMPTS, 10) == [loop(model, p, 10) for p in PROMPTS]


def test_the_context_can_be_filled(model, decoder):
    prompt = list(range(30))
    assert decode(decoder, [prompt, [1]], 2)[0] == loop(model, prompt, 2)
    assert decode(decoder, [[1], [2]], 31)[1] == loop(model, [2], 31)


def test_stop_ids_end_rows_and_belong_to_them(model):
    free = [loop(model, p, 12) for p in PROMPTS]
    stops = (free[0][4], free[3][2])
    found = decode(Decoder(model, stops, compiled=False), PROMPTS, 12)
    for row, text in zip(found, free, strict=True):
        ends = [i for i, token in enumerate(text) if token in stops]
        assert row == text[: ends[0] + 1 if ends else 12]
    assert len(found[0]) <= 5 and len(found[3]) <= 3


def test_repetitions_are_penalised_by_prompt_and_text(model):
    decoder = Decoder(model, penalize_repetitions=True, compiled=False)
    sampling = GREEDY._replace(repetition_penalty=tf.constant(1.7))
    expected = [loop(model, p, 12, penalty=1.7) for p in PROMPTS]
    assert decode(decoder, PROMPTS, 12, sampling) == expected
    assert expected != [loop(model, p, 12) for p in PROMPTS]


def test_decoding_goes_on_where_it_stopped(model, decoder):
    state = decoder.begin(
        tf.ragged.constant(PROMPTS, dtype=tf.int32), 9, SAMPLED, tf.range(5)
    )
    for count in (1, 2, 5, 5, 9):
        state = decoder.decode(state, SAMPLED, tf.constant(count))
        found = written(state, 5, count).to_list()
        assert found == [row[:count] for row in decode(decoder, PROMPTS, 9, SAMPLED)]


def test_one_trace_for_many_lengths_of_prompts(model):
    decoder = Decoder(model, compiled=False)
    for length in (1, 2, 3, 7, 11, 20):
        for batch in (3, 4):
            decode(decoder, [[1] * length] * batch, 5)
    assert decoder.traces == 1
    assert decoder.begin.experimental_get_tracing_count() <= 2


def test_left_padding():
    rows = tf.ragged.constant([[1], [2, 3, 4], [5, 6]], dtype=tf.int32)
    tokens, padding = left_padded(rows)
    assert tokens.numpy().tolist() == [[0, 0, 1], [2, 3, 4], [0, 5, 6]]
    assert padding.numpy().tolist() == [2, 0, 1]
