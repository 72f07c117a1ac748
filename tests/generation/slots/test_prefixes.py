"""Blocks of prompts are found by all that is before them, and the oldest go."""

from __future__ import annotations

import numpy as np

from massivetext_keras.generation.slots.prefixes import BLOCK, Prefixes


def read(value: float, blocks: int) -> np.ndarray:
    return np.full([2, 1, blocks * BLOCK, 4], value, np.float32)


ONE = 2 * BLOCK * 4 * 4  # bytes of a block


def test_a_block_is_that_of_the_same_tokens_behind_the_same_tokens():
    kept = Prefixes(10 * ONE)
    a, b = [1] * BLOCK, [2] * BLOCK
    kept.keep(a + b, 0, read(1.0, 2))
    assert len(kept.blocks_of(a + b + [3])) == 2
    assert len(kept.blocks_of(a + b[:-1])) == 1
    assert kept.blocks_of(b + a) == kept.blocks_of(a[:-1]) == []
    kept.keep(a + a, BLOCK, read(5.0, 1))
    first, second = kept.blocks_of(a + a)
    assert first[0, 0, 0, 0] == 1.0 and second[0, 0, 0, 0] == 5.0
    assert kept.number_of_bytes == 3 * ONE


def test_the_least_recently_used_ones_go():
    kept = Prefixes(2 * ONE)
    prompts = [[i] * BLOCK for i in range(3)]
    for i in (0, 1):
        kept.keep(prompts[i], 0, read(i, 1))
    assert kept.blocks_of(prompts[0])
    kept.keep(prompts[2], 0, read(2, 1))
    assert [len(kept.blocks_of(x)) for x in prompts] == [1, 0, 1]
    assert kept.number_of_bytes == 2 * ONE


def test_nothing_is_kept_without_memory():
    kept = Prefixes(0)
    kept.keep([1] * BLOCK, 0, read(1.0, 1))
    assert kept.blocks_of([1] * BLOCK) == [] and kept.number_of_bytes == 0
