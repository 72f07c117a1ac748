"""Memory by part, against the numbers of the papers."""

from __future__ import annotations

import dataclasses

import pytest

from massivetext_keras.planning import Split, memory
from massivetext_keras.planning.block import block, kept
from tests.planning.published import TABLE_1, job_of

JOB = job_of(TABLE_1[2])  # 7.5 billion parameters


@pytest.mark.parametrize(
    ("state", "gigabytes"), [("none", 120), ("optimizer", 31.4), ("weights", 1.9)]
)
def test_what_sharding_leaves_is_figure_1_of_zero(state, gigabytes):
    """7.5 billion parameters among 64 replicas (Rajbhandari et al., 2020)."""
    found = memory(JOB, Split(data=64, shard_state=state))
    held = found.weights + found.gradients + found.master + found.moments
    if state == "weights":  # one block is whole at a time
        held -= 2 * block(JOB, 1).weights
    assert held / 1e9 == pytest.approx(gigabytes, rel=0.02)


def test_float32_has_no_weights_besides():
    job = dataclasses.replace(JOB, precision="float32")
    found, count = memory(job, Split()), JOB.config.parameter_count()
    assert found[:4] == (4 * count, 4 * count, 0, 8 * count)


def test_the_first_stage_has_a_micro_batch_under_way_for_each_stage():
    split = Split(tensor=4, pipeline=4)
    one = 9 * kept(JOB, split, block(JOB, 4))  # 36 blocks in 4 stages
    assert memory(JOB, split).activations == 4 * one
    assert memory(JOB, split).logits == 0
    chunks = dataclasses.replace(split, chunks=3)
    assert memory(JOB, chunks).activations == pytest.approx(4 * one * (1 + 3 / 12))
    few = dataclasses.replace(split, data=256)  # two micro-batches of a row
    assert memory(JOB, few).activations == 2 * one


def test_recomputation_keeps_what_enters_a_block_and_one_whole():
    split = Split(tensor=4, micro_batch=2, recompute=True)
    entering = 2 * 2048 * 4096 * 2
    whole = kept(JOB, split, block(JOB, 4))
    assert memory(JOB, split).activations == 36 * entering + whole
    assert memory(JOB, split).logits == 8 * 2 * 2048 * 12800
