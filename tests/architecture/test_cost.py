"""Arithmetic is counted as the papers count it."""

from __future__ import annotations

import pytest
import tensorflow as tf

from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.distribution.devices import measured_peak
from massivetext_keras.tasks import CausalLM
from tests.models.families import shrunk


def test_palm_counts_its_own_way():
    # Chowdhery et al., appendix B: 6 N + 12 L H Q T, here for GPT-3's shape.
    gpt3 = preset("gpt2_small").replace(
        num_layers=96, hidden_size=12288, num_heads=96, intermediate_size=4 * 12288
    )
    assert flops_per_token(gpt3, 2048) == pytest.approx(
        6 * (12 * 96 * 12288**2) + 12 * 96 * 12288 * 2048, rel=0.01
    )


@pytest.mark.parametrize("name", ["gpt2_small", "llama2_70b"])
def test_it_is_six_for_each_weight_beside_tables(name):
    config = shrunk(name)
    weights = CausalLM(config).backbone.weights
    tables = ("tokens", "positions") if not config.tied_embeddings else ("positions",)
    in_products = sum(
        w.shape.num_elements()
        for w in weights
        if not any(f"/{table}/" in f"/{w.path}" for table in tables)
    )
    width = config.num_heads * config.width_of_head
    expected = 6 * in_products + 12 * config.num_layers * width * 16
    assert flops_per_token(config, 16) == expected


def test_of_experts_those_count_that_a_token_meets():
    config = shrunk("mixtral_8x7b", window=None)
    experts = 2 * 4 * 3 * 16 * 24  # layers, experts, gated up and down
    met = config.replace(experts_per_token=1)
    saved = flops_per_token(config, 8) - flops_per_token(met, 8)
    assert saved == 6 * experts / 4


def test_a_shared_block_counts_as_often_as_it_is_passed():
    config = shrunk("albert_base")
    alone = flops_per_token(config.replace(shared_layers=False), 8)
    assert flops_per_token(config, 8) == alone


def test_a_window_bounds_attention():
    config = shrunk("mistral_7b")
    assert config.window == 3
    assert flops_per_token(config, 8) == flops_per_token(config, 3)


def test_the_peak_is_that_of_a_product_of_matrices():
    peak = measured_peak("float32")
    assert 1e9 < peak < 1e15
    assert measured_peak("float32") == peak  # measured once
    assert tf.config.list_logical_devices("GPU") or peak < 1e14
