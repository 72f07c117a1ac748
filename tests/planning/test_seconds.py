"""Seconds and bytes of each part, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from massivetext_keras.planning import Cluster, Split, seconds
from massivetext_keras.planning.seconds import sent
from massivetext_keras.planning.stage import stage
from tests.planning.published import TABLE_1, job_of, planned

JOB = job_of(TABLE_1[2])  # 36 blocks of width 4096, 512 rows of 2048 tokens
WHOLE = 2048 * 4096 * 2  # bytes of the hidden states of a row


@pytest.mark.parametrize(
    ("stride", "members", "gigabytes"),
    [
        (1, 8, 300),  # a node
        (1, 16, 200),  # two nodes, by eight adapters each
        (8, 4, 25),  # one member in each node
        (2, 16, 100),  # four members in each
        (1, 2, 300),
        (1, 3, 25),  # lies across nodes sooner or later
        (64, 2, 25),
    ],
)
def test_a_ring_leaves_the_node_through_all_its_adapters(stride, members, gigabytes):
    assert Cluster(64).bandwidth(stride, members) == gigabytes * 1e9


def test_sums_of_the_tensor_axis():
    """Two forward and two backward in each block, two more with recomputation, and one
    at each end."""
    parts = 512 // 8
    found = sent(JOB, Split(data=8, tensor=8))
    assert found.tensor == parts * (36 * 4 + 2) * 2 * 7 / 8 * WHOLE
    found = sent(JOB, Split(data=8, tensor=8, recompute=True))
    assert found.tensor == parts * (36 * 6 + 2) * 2 * 7 / 8 * WHOLE
    timed = seconds(JOB, Split(data=8, tensor=8, recompute=True), Cluster(64))
    assert timed.tensor == pytest.approx(found.tensor / 300e9)


def test_stages_hand_on_a_part_and_gather_the_rest():
    found = sent(JOB, Split(tensor=4, pipeline=4, chunks=3))
    assert found.pipeline == 512 * 2 * 3 * WHOLE / 4
    alone = sent(JOB, Split(pipeline=4))
    assert alone.pipeline == 512 * 2 * WHOLE and alone.tensor == 0


@pytest.mark.parametrize(
    ("split", "passes"),
    [
        (Split(data=8, micro_batch=64), 2),
        (Split(data=8, micro_batch=64, shard_state="optimizer"), 2),
        (Split(data=8, micro_batch=64, shard_state="weights"), 3),
        (Split(data=8, micro_batch=16, shard_state="weights"), 12),
    ],
)
def test_sums_of_the_replicas(split, passes):
    gradients = 2 * JOB.config.parameter_count()
    assert sent(JOB, split).data == passes * 7 / 8 * gradients


def test_the_update_reads_and_writes_each_number():
    count = JOB.config.parameter_count()
    found = seconds(JOB, Split(), Cluster(1)).update
    # The gradient is read, three numbers in float32 are read and written, and the
    # weight of the products is written.
    assert found == pytest.approx(count * (2 + 2 * 12 + 2) / 2e12)
    split = Split(data=8, shard_state="optimizer")
    assert seconds(JOB, split, Cluster(8)).update == pytest.approx(found / 8)


@pytest.mark.parametrize("row", [TABLE_1[5], TABLE_1[6], TABLE_1[7]])
def test_the_bubble_is_that_of_the_interleaved_schedule(row):
    """(p - 1) / (v m) of the time without it, but for the scores of the last stage."""
    found = planned(row)
    alone = sum(found.seconds[:4])
    parts = found.split.micro_batches(row.batch)
    expected = (row.pipeline - 1) / (row.chunks * parts)
    assert found.seconds.bubble / alone == pytest.approx(expected, rel=0.04)


def test_uneven_stages_wait_for_the_longest():
    job = dataclasses.replace(JOB, config=JOB.config.replace(vocabulary_size=1000))
    even, uneven = (
        seconds(job, Split(pipeline=p), Cluster(p)).total * p for p in (4, 5)
    )
    assert [stage(job, 1, 5, x).blocks for x in range(5)] == [8, 7, 7, 7, 7]
    # Eight of 36 blocks where 7.2 would be a fifth: 11 % longer.
    assert uneven / even == pytest.approx(8 / 7.2, rel=0.01)


def test_small_products_take_longer_for_their_size():
    job = dataclasses.replace(JOB, fused_attention=True)
    one, eight = (
        seconds(job, Split(tensor=t), Cluster(t)).products * t for t in (1, 8)
    )
    assert 1.02 < eight / one < 1.2
