"""Sides, shares and shards."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.shards.placing import (
    BINS,
    MIXTURES,
    SIDES,
    Fractions,
    Plan,
    bins,
    mixture,
)


def ids(count: int) -> np.ndarray:
    digests = b"".join(xxhash.xxh3_128_digest(b"%d" % i) for i in range(count))
    return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def test_sides_have_their_shares():
    sides = Fractions(validation=0.1, test=0.05).sides(ids(20_000))
    shares = np.bincount(sides, minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.85, 0.1, 0.05], atol=0.01)
    assert SIDES == ("train", "validation", "test")


def test_a_document_keeps_its_side_when_others_are_added():
    fractions, found = Fractions(0.3, 0.3), ids(50)
    few = fractions.sides(found[10:20])
    np.testing.assert_array_equal(fractions.sides(found)[10:20], few)


def test_nothing_held_out_and_all_taken():
    found = ids(1000)
    assert not Fractions().sides(found).any()
    assert Fractions(kept={"a": 1.0}).taken(found, ["a"] * 1000).all()


def test_what_the_mixture_takes_does_not_depend_on_the_side():
    found = ids(40_000)
    fractions = Fractions(validation=0.5, kept={"a": 0.25})
    taken, sides = fractions.taken(found, ["a"] * 40_000), fractions.sides(found)
    assert abs(taken.mean() - 0.25) < 0.01
    assert abs(taken[sides == 0].mean() - taken[sides == 1].mean()) < 0.01


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0), (0.5, 0.5), (1, 0)])
def test_fractions_that_cannot_be(validation, test):
    with pytest.raises(ValueError, match="at least 0 and together below 1"):
        Fractions(validation, test)


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.integers(1, 10**12), min_size=1, max_size=4
    ),
    st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
)
def test_a_mixture_is_as_large_as_can_be(sizes, weights):
    weights = dict(zip("abcd", weights, strict=True))
    shares = mixture(weights, sizes)
    taken = {name: shares[name] * sizes[name] / weights[name] for name in sizes}
    np.testing.assert_allclose(list(taken.values()), min(taken.values()))
    assert max(shares.values()) == pytest.approx(1)


def test_a_subset_without_weight_is_an_error():
    with pytest.raises(ValueError, match="no positive weight for subset 'blogs': mass"):
        mixture(MIXTURES["massivetext"], {"books": 10, "blogs": 10})


def test_the_papers_weights_sum_to_one():
    for weights in MIXTURES.values():
        assert sum(weights.values()) == pytest.approx(1)


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=400),
    st.integers(50, 5000),
    st.integers(20, 9000),
)
def test_shards_are_equal_but_for_a_document(documents, shard_bytes, piece_bytes):
    sizes = np.zeros(BINS, np.int64)
    sizes[np.arange(len(documents)) * 7 + 3] = documents
    plan = Plan.of({("web", "train"): sizes}, shard_bytes, piece_bytes)
    numbers = plan.numbers["web", "train"]
    assert (np.diff(numbers) >= 0).all()  # in the order of ids
    total, most = sum(documents), max(documents)
    count = max(round(total / shard_bytes), 1)
    indices = [shard.index for shard in plan.pieces]
    assert indices == sorted(indices) and set(indices) == set(range(count))
    pieces = np.bincount(numbers, weights=sizes, minlength=len(indices))
    assert pieces.max() <= piece_bytes + most
    shards = np.bincount(indices, weights=pieces)
    assert abs(shards - total / count).max() <= most


def test_bins_are_in_the_order_of_ids():
    found = ids(3000)
    order = np.lexsort([found[:, 1], found[:, 0]])
    assert (np.diff(bins(found[order])) >= 0).all()
    assert bins(np.array([[2**64 - 1, 0], [0, 5]], np.uint64)).tolist() == [65535, 0]
