"""Pairs and their similarity."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from massivetext_keras.corpus.duplicates import near_duplicates
from massivetext_keras.corpus.duplicates.near_duplicates import similarity
from massivetext_keras.corpus.duplicates.rows import id_array, id_column


def candidates(groups):
    """The pairs of positions that bands of some sizes give, each with its own ids."""
    band = np.repeat(np.arange(len(groups)), groups)
    ids = np.stack([np.zeros(len(band)), np.arange(len(band))], 1).astype(np.uint64)
    table = pa.table({"band": band, "id": id_column(ids)})
    found = pa.concat_tables(near_duplicates._candidates([table]))
    return np.stack([id_array(found[name])[:, 1] for name in ["key", "other"]], 1)


def test_small_bands_give_all_pairs():
    found = sorted(map(tuple, candidates([1, 3, 2, 45]).tolist()))
    assert found[:4] == [(1, 2), (1, 3), (2, 3), (4, 5)]
    assert len(set(found)) == len(found) == 3 + 1 + 45 * 44 // 2


def test_large_bands_pair_all_with_the_smallest():
    found = candidates([10_000])
    assert len(found) < 4 * 10_000
    assert set(found[:, 0].tolist()) == {0, 1, 2, 3}
    assert np.unique(found[:, 1]).tolist() == list(range(1, 10_000))


def test_similarity_is_that_of_sets():
    left, right = np.arange(0, 90, dtype=np.uint32), np.arange(10, 100, dtype=np.uint32)
    assert similarity(left, right) == 0.8
    assert similarity(left, left) == 1
    assert similarity(left, left[:0]) == 0
    assert similarity(left[:0], left[:0]) == 0


def test_the_smallest_stand_for_sets_that_are_too_large():
    rng = np.random.default_rng(0)
    values = rng.permutation(2**20)[:50_000].astype(np.uint32)
    left, right = np.sort(values[:45_000]), np.sort(values[5_000:])
    found = similarity(left[:10_000], right[:10_000], most=10_000)
    assert found == pytest.approx(0.8, abs=0.02)
    # A small set in a large one: both are known up to where the large one is.
    part = np.sort(values[:9_000])
    found = similarity(left[:10_000], part, most=10_000)
    assert found == pytest.approx(0.2, abs=0.02)
