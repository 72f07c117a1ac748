"""A cache begins small where reading it is what takes the time, and grows."""

from __future__ import annotations

import pytest
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.generation import BeamDecoder, BeamRules, Decoder
from massivetext_keras.layers import capacity
from massivetext_keras.layers.capacity import places_at_first, power_of_two
from tests.generation.test_decoding import (
    GREEDY,
    PROMPTS,
    SAMPLED,
    decode,
    loop,
)
from tests.tasks.tiny import gpt

# 5.3 million weights; a place of one row holds 2,048 numbers.
SMALL = TransformerConfig(
    vocabulary_size=8192,
    num_layers=4,
    hidden_size=256,
    num_heads=4,
    intermediate_size=1024,
    max_length=600,
)


@pytest.fixture
def from_four_places(monkeypatch):
    monkeypatch.setattr(capacity, "_FEWEST_PLACES", 4)


@pytest.fixture(scope="module")
def model():
    """A cache of more than 24 places for 8 rows has more numbers than the weights."""
    return gpt(num_layers=1, scale=1.0, position="rotary", num_key_value_heads=2)


@pytest.mark.parametrize(
    "rows, length, needed, places",
    [
        (1, 16, 143, 256),
        (8, 16, 143, 256),  # 4 million numbers
        (32, 16, 143, 64),
        (32, 64, 191, 96),
        (32, 200, 327, 256),
        (32, 16, 17, 64),
        (8, 16, 512, 64),
        (1, 16, 540, 600),  # the context
        (32, 590, 600, 600),
    ],
)
def test_a_large_batch_begins_with_few_places(rows, length, needed, places):
    sizes = [tf.constant(x) for x in (rows, length, needed)]
    assert int(places_at_first(SMALL, *sizes)) == places


def test_numbers_of_a_large_model_do_not_overflow():
    large = SMALL.replace(hidden_size=8192, num_heads=64, num_layers=80)
    sizes = [tf.constant(x) for x in (1024, 16, 500)]
    assert int(places_at_first(large, *sizes)) == 64


@pytest.mark.parametrize("n, expected", [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_power_of_two(n, expected):
    assert int(power_of_two(tf.constant(n))) == expected


@pytest.fixture(scope="module")
def texts(model):
    """What follows fifteen prompts, greedily and at random, without any cache."""
    return [
        [loop(model, p, 25, sampling, i) for i, p in enumerate(PROMPTS * 3)]
        for sampling in (GREEDY, SAMPLED)
    ]


@pytest.mark.parametrize("compiled", [False, True])
def test_texts_are_the_same_while_the_cache_grows(
    model, texts, from_four_places, compiled
):
    decoder = Decoder(model, compiled=compiled)
    for sampling, right in zip((GREEDY, SAMPLED), texts, strict=True):
        few = tf.ragged.constant(PROMPTS[:4], dtype=tf.int32)
        state = decoder.begin(few, 25, sampling, tf.range(4))
        assert state.tokens.shape[1] == 32  # four rows are few
        prompts = PROMPTS * 3
        many = tf.ragged.constant(prompts, dtype=tf.int32)
        state = decoder.begin(many, 25, sampling, tf.range(15))
        sizes = [state.tokens.shape[1]]
        for count in (2, 8, 9, 25):
            state = decoder.decode(state, sampling, tf.constant(count))
            sizes.append(state.tokens.shape[1])
        assert sizes == [6, 6, 12, 16, 32]
        assert decode(decoder, prompts, 25, sampling) == right


def test_rows_that_ended_let_no_cache_grow(model, from_four_places):
    free = loop(model, PROMPTS[0], 3)
    decoder = Decoder(model, stop_ids=free[2:], compiled=False)
    ragged = tf.ragged.constant(PROMPTS[:1] * 16, dtype=tf.int32)
    state = decoder.begin(ragged, 25, GREEDY, tf.range(16))
    state = decoder.decode(state, GREEDY, tf.constant(25))
    assert state.lengths.numpy().tolist() == [3] * 16
    assert state.tokens.shape[1] == 8


def test_beams_are_the_same_while_the_cache_grows(model, monkeypatch):
    prompts = tf.ragged.constant(PROMPTS, dtype=tf.int32)
    found = []
    for fewest in (64, 4):
        monkeypatch.setattr(capacity, "_FEWEST_PLACES", fewest)
        for compiled in (False, True):
            decoder = BeamDecoder(model, 3, stop_ids=(9,), compiled=compiled)
            rules = BeamRules.make()
            texts, scores = decoder.begin(prompts, tf.constant(25), rules)
            found.append((texts.to_list(), scores.numpy().round(3).tolist()))
    assert all(texts == found[0] for texts in found[1:])
    assert max(map(len, found[0][0])) > 12
