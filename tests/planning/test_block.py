"""What a device holds and multiplies, against the table of weights and papers."""

from __future__ import annotations

import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.configs import TransformerConfig
from massivetext_keras.planning import Job, Split
from massivetext_keras.planning.block import Matrix, block, forward_flops, kept
from massivetext_keras.planning.seconds import hardware_flops
from massivetext_keras.planning.stage import stage
from tests.models.families import TRANSFORMERS

NARROW = TransformerConfig(
    vocabulary_size=1000,
    num_layers=6,
    hidden_size=64,
    num_heads=8,
    num_key_value_heads=2,
    intermediate_size=96,
    max_length=32,
    dropout=0.1,
)


def test_matrices_are_split_by_columns_then_by_rows():
    found = block(Job(NARROW, 8, 32), tensor=2)
    # 4 of 8 heads and 1 of 2 of keys and of values, of 8 each
    assert found.matrices == (
        Matrix(64, 48),
        Matrix(32, 64),
        Matrix(64, 48),
        Matrix(48, 64),
    )
    biases, norms = 96 + 64 + 96 + 64, 4 * 64
    assert found.weights == 64 * 48 + 32 * 64 + 2 * 64 * 48 + biases + norms


def test_heads_of_keys_are_on_several_devices_where_there_are_fewer():
    found = block(Job(NARROW, 8, 32), tensor=8)
    assert found.matrices[0] == Matrix(64, 8 + 8 + 8)


def test_of_experts_a_token_meets_some_and_a_device_holds_all():
    config = NARROW.replace(num_experts=4, experts_per_token=2)
    found = block(Job(config, 8, 32), tensor=2)
    assert found.matrices[2:] == (
        Matrix(64, 4),
        Matrix(64, 48, copies=4, share=0.5),
        Matrix(48, 64, copies=4, share=0.5),
    )


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_one_device_has_every_weight_of_every_shape(name):
    job = Job(preset(name), 8, 64)
    assert stage(job, 1, 1, 0).weights == job.config.parameter_count()


def test_the_stages_together_have_every_weight_and_tied_embeddings_twice():
    job = Job(NARROW, 8, 32)
    held = sum(stage(job, 1, 4, index).weights for index in range(4))
    assert held == NARROW.parameter_count() + 1000 * 64
    assert [stage(job, 1, 4, index).blocks for index in range(4)] == [2, 2, 1, 1]
    untied = Job(NARROW.replace(tied_embeddings=False), 8, 32)
    held = sum(stage(untied, 1, 4, index).weights for index in range(4))
    assert held == untied.config.parameter_count()


def test_the_vocabulary_is_padded_where_it_is_split():
    job = Job(NARROW, 8, 32)
    # 1,000 rows in 4 parts of 250 are 4 of 256; positions and norms are on each.
    rest = 32 * 64 + 2 * 64
    blocks = 6 * block(job, 4).weights
    assert stage(job, 4, 1, 0).weights == 256 * 64 + rest + blocks


@pytest.mark.parametrize("name", ["gpt2_small", "llama3_8b", "t5_base", "albert_base"])
def test_products_are_what_flops_per_token_counts(name):
    """But for biases, norms, poolers and scores of the vocabulary."""
    job = Job(preset(name), 8, 512)
    words = 6 * job.tokens * job.config.vocabulary_size * job.config.width_of_embedding
    if job.config.stack == "encoder_decoder":
        words /= 2
    again = hardware_flops(job, Split(recompute=True)) - job.flops
    assert 3 * again + words == pytest.approx(job.flops, rel=0.01)


def test_passes_of_attention_see_a_window():
    job = Job(NARROW.replace(window=8), 8, 32)
    found = block(job, 1)
    products = 2 * sum(matrix.rows * matrix.columns for matrix in found.matrices)
    assert forward_flops(job, Split(micro_batch=2), found) == 2 * 32 * (
        products + 4 * 64 * 8
    )


@pytest.mark.parametrize("tensor", [1, 2, 8])
def test_what_a_block_keeps_is_the_formula_of_korthikanti(tensor):
    config = NARROW.replace(
        num_key_value_heads=None, hidden_size=512, intermediate_size=2048
    )
    job, split = Job(config, 8, 128), Split(tensor=tensor, micro_batch=4)
    s, b, h, a = 128, 4, 512, 8
    expected = s * b * h * (10 + 24 / tensor + 5 * a * s / (h * tensor))
    assert kept(job, split, block(job, tensor)) == expected


def test_fused_attention_keeps_no_scores():
    plain, fused = (Job(NARROW, 8, 32, fused_attention=x) for x in (False, True))
    found = [kept(job, Split(), block(job, 1)) for job in (plain, fused)]
    assert found[0] - found[1] == 5 * 8 * 32 * 32
