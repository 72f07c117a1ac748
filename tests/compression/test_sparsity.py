"""Masks keep what is largest, of all numbers or of each group."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.compression import prune, zeros_in
from massivetext_keras.compression.sparsity import Sparsity, kernels_of
from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import encoder_task


def classifier(**changes) -> TextClassifier:
    changes = {"labels": ["a", "b"], "head_dropout": 0.0, "num_layers": 2, **changes}
    return encoder_task(TextClassifier, **changes)


@settings(max_examples=25)
@given(
    share=st.floats(0.0, 0.99),
    seed=st.integers(0, 999),
    rows=st.integers(1, 9),
    scale=st.sampled_from([1e-20, 1.0, 1e20]),
)
def test_what_is_kept_is_what_is_largest(share, seed, rows, scale):
    x = np.random.default_rng(seed).normal(size=[rows, 7]).astype(np.float32) * scale
    kept = Sparsity(share).mask(tf.abs(x)).numpy()
    count = int(np.round(np.float32(share) * np.float32(x.size)))
    count = min(count, x.size - 1)
    right = np.ones(x.size, bool)
    right[np.argsort(np.abs(x).ravel())[:count]] = False
    np.testing.assert_array_equal(kept.ravel(), right)


@pytest.mark.parametrize(("kept", "group"), [(2, 4), (1, 4), (4, 8)])
def test_groups(kept, group):
    x = np.random.default_rng(0).integers(0, 5, [2 * group + 1, 3]).astype(np.float32)
    found = Sparsity.of(f"{kept}:{group}").mask(tf.constant(x)).numpy()
    assert found[-1].all()  # makes no group
    for column in range(3):
        for first in (0, group):
            values = x[first : first + group, column]
            right = np.sort(np.argsort(-values, kind="stable")[:kept])
            where = np.flatnonzero(found[first : first + group, column])
            np.testing.assert_array_equal(where, right)
    half = Sparsity.of("2:4").mask(tf.constant(x[:4]), 0.5).numpy()
    assert (half.sum(0) == 3).all()  # of four, on the way to two


def test_of_equal_numbers_none_is_preferred():
    assert Sparsity(0.5).mask(tf.ones([4, 4])).numpy().all()


@pytest.mark.parametrize("amount", [1.0, 1, -0.1, float("nan"), "0:4", "4:0", "half"])
def test_what_is_no_sparsity(amount):
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Sparsity.of(amount)


def test_a_task_has_zeros_and_keeps_them(tmp_path):
    task = classifier()
    before = {k: w.numpy() for k, w in task.named_weights().items()}
    found = prune(task, 0.75)
    assert len(found) == 8 and set(found.values()) == {0.75}
    for name, weight in task.named_weights().items():
        after, old = weight.numpy(), before[name]
        np.testing.assert_array_equal(after[after != 0], old[after != 0])
        if name not in found:
            np.testing.assert_array_equal(after, old)
        else:
            assert np.abs(old[after == 0]).max() <= np.abs(after[after != 0]).min()
    task.save_preset(tmp_path / "1")
    loaded = TextClassifier.from_preset(str(tmp_path / "1"))
    assert zeros_in(loaded) == found
    assert zeros_in(loaded, "attention/qkv/kernel").keys() < found.keys()


def test_what_cannot_be_pruned():
    task = classifier()
    with pytest.raises(ValueError, match="is found in no matrix"):
        prune(task, weights="block_9/")
    with pytest.raises(ValueError, match="from 0 to below 1"):
        prune(task, 1.0)
    wide = classifier(hidden_size=32, intermediate_size=32)
    wide.quantize("int8")
    with pytest.raises(ValueError, match="dequantize"):
        kernels_of(wide)
