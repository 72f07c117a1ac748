"""Presets have the sizes that were published; the count is that of a real model."""

from __future__ import annotations

import itertools
import random

import pytest

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.models.gpt import GPT
from massivetext_keras.presets import PRESETS, preset
from tests.tasks.tiny import TINY

PUBLISHED = {
    "gpt2_small": 124_439_808,
    "gpt2_medium": 354_823_168,
    "gpt2_large": 774_030_080,
    "gpt2_xl": 1_557_611_200,
    "llama_1b": 1_235_814_400,
    "llama_8b": 8_030_261_248,
}
COMBINATIONS = [
    dict(zip(("norm", "norm_position", "position", "gated"), values, strict=True))
    for values in itertools.product(
        ("layer_norm", "rms_norm"),
        ("pre", "post"),
        ("learned", "sinusoidal", "rotary", "relative", "none"),
        (False, True),
    )
]
BIASES = ("qkv_bias", "output_bias", "feed_forward_bias", "tied_embeddings")
HEADS = ({}, {"num_key_value_heads": 1}, {"num_key_value_heads": 2, "head_size": 6})


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_parameter_counts_are_those_published(name, count):
    assert preset(name).parameter_count() == count


def test_gpt_mini_is_for_a_small_machine():
    assert 9e6 < preset("gpt_mini").parameter_count() < 11e6


def test_every_preset_is_a_valid_decoder():
    assert {config.stack for config in PRESETS.values()} == {"decoder"}
    assert all(TransformerConfig.from_dict(c.to_dict()) == c for c in PRESETS.values())


def test_unknown_presets_name_the_nearest():
    with pytest.raises(ValueError, match="unknown preset 'gtp2_small'.*'gpt2_small'"):
        preset("gtp2_small")


@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_the_count_is_that_of_a_built_model(number):
    toss = random.Random(number)
    bits = {name: toss.random() < 0.5 for name in BIASES}
    heads = toss.choice(HEADS)
    config = TINY.replace(num_layers=1, **COMBINATIONS[number], **bits, **heads)
    assert GPT(config).count_params() == config.parameter_count()
