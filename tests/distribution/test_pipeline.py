"""Stages of a pipeline and the order of their work."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import count, layout
from massivetext_keras.distribution.pipeline import (
    Work,
    check_stages,
    one_forward_one_back,
    stage_blocks,
)

SIZES = st.integers(1, 6), st.integers(1, 9)


def forward_then_back(stages: int, micro_batches: int) -> list[Work]:
    """All micro-batches forward, then all back (GPipe; Huang et al., 2019)."""
    parts = range(micro_batches)
    there = [Work(stage, i, True) for i in parts for stage in range(stages)]
    back = [Work(stage, i, False) for i in parts for stage in reversed(range(stages))]
    return there + back


def works_of(stages: int, micro_batches: int) -> set[Work]:
    every = itertools.product(range(stages), range(micro_batches), (True, False))
    return {Work(*each) for each in every}


def check_order(order: list[Work], stages: int, micro_batches: int) -> None:
    """All works are there, once, and each behind those that it needs."""
    assert len(order) == len(set(order)) == 2 * stages * micro_batches
    assert {*order} == works_of(stages, micro_batches)
    place = {work: i for i, work in enumerate(order)}
    for stage, i, forward in order:
        mine = place[Work(stage, i, forward)]
        if forward and stage:
            assert place[Work(stage - 1, i, True)] < mine
        if not forward:
            assert place[Work(stage, i, True)] < mine
        if not forward and stage + 1 < stages:
            assert place[Work(stage + 1, i, False)] < mine


def most_kept(order: list[Work], stage: int) -> int:
    """Micro-batches that a stage has gone forward through and not back, at the most."""
    kept = most = 0
    for work in order:
        if work.stage == stage:
            kept += 1 if work.forward else -1
            most = max(most, kept)
    return most


@given(*SIZES)
def test_one_forward_one_back_does_all_in_an_order_that_can_be(stages, parts):
    check_order(one_forward_one_back(stages, parts), stages, parts)


@given(*SIZES)
def test_one_forward_one_back_keeps_as_few_as_there_are_stages(stages, parts):
    order = one_forward_one_back(stages, parts)
    for stage in range(stages):
        assert most_kept(order, stage) == min(stages - stage, parts)


@given(*SIZES)
def test_forward_then_back_keeps_all(stages, parts):
    order = forward_then_back(stages, parts)
    check_order(order, stages, parts)
    assert most_kept(order, 0) == parts


@given(st.integers(1, 24), st.integers(1, 8), st.integers(1, 200_000))
def test_stages_have_all_blocks_and_the_least_work_in_the_busiest(
    blocks, stages, words
):
    config = TransformerConfig(
        "decoder",
        num_layers=blocks,
        vocabulary_size=words,
        hidden_size=8,
        num_heads=2,
        intermediate_size=32,
    )
    if stages > blocks:
        with pytest.raises(ValueError, match=f"at most|{blocks} blocks"):
            stage_blocks(config, stages)
        return
    parts = stage_blocks(config, stages)
    assert [i for part in parts for i in part] == list(range(blocks))
    assert all(parts)
    sizes = layout(config)
    of_block = count(x for path, x in sizes.items() if "/block_0/" in path)

    def busiest(counts) -> int:
        output = words * 8 if stages > 1 else 0
        return max(*[n * of_block for n in counts[:-1]], counts[-1] * of_block + output)

    if 1 < stages <= 3:
        every = itertools.product(range(1, blocks + 1), repeat=stages)
        best = min(busiest(counts) for counts in every if sum(counts) == blocks)
        assert busiest([len(part) for part in parts]) == best


@pytest.mark.parametrize(
    ("traits", "reason"),
    [
        ({"stack": "encoder_decoder"}, "encoder-decoder is not cut"),
        ({"shared_layers": True}, "share one set of weights"),
        ({"num_layers": 1}, "more than the 1 blocks"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_the_reason(traits, reason):
    config = TransformerConfig(**{"num_layers": 4, **traits})
    check_stages(config, 1)
    with pytest.raises(ValueError, match=reason):
        check_stages(config, 2)
