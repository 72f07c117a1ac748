"""What a device of a mesh holds; tests/optimization/mesh/test_memory.py measures it."""

from __future__ import annotations

import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.distribution.memory import Work, device_memory

CONFIG = TransformerConfig(
    vocabulary_size=512, num_layers=4, hidden_size=128, num_heads=2, max_length=128
).replace(intermediate_size=512)
WORK = Work(rows=8, length=128)


def test_one_device_by_hand():
    (alone,) = device_memory(CONFIG, {}, "none", WORK)
    weights = 4 * CONFIG.parameter_count()
    assert (alone.weights, alone.copies, alone.state) == (weights, 0, 2 * weights)
    # For each token of a block 10 d, 2 f and 2 1/4 weights for each head and key; at
    # the last activation, which is more than the logits are, 4 f besides.
    block = 10 * 128 + 2 * 512 + 2 * 128 * 9 // 4
    assert alone.step == 4 * 8 * 128 * (4 * block + 4 * 512)


def test_the_logits_are_the_most_where_words_are_many():
    config = CONFIG.replace(vocabulary_size=8192)
    (alone,) = device_memory(config, {}, "none", WORK)
    block = 10 * 128 + 2 * 512 + 2 * 128 * 9 // 4
    assert alone.step == 4 * 8 * 128 * (4 * block + 8192 * 9 // 4)
    # A chunk of 2^23 is there at a time, and no more.
    (twice,) = device_memory(config, {}, "none", WORK._replace(rows=16))
    assert twice.step == 4 * 16 * 128 * (4 * block + 8192 * 9 // 4 // 2)


@pytest.mark.parametrize("shard_state", ["none", "optimizer", "weights"])
def test_more_devices_hold_less_each(shard_state):
    for axis in ("data", "tensor", "pipeline"):
        held = [
            max(x.total for x in device_memory(CONFIG, {axis: n}, shard_state, WORK))
            for n in (1, 2)
        ]
        assert held[1] < held[0]


def test_first_stages_hold_more_micro_batches():
    work = WORK._replace(micro_batches=4)
    stages = device_memory(CONFIG, {"pipeline": 4}, "none", work)
    hidden = 4 * 2 * 128 * 128
    # Token ids enter the first; the second keeps three, the third two. The rest of a
    # stage between is the same.
    assert stages[1].step - stages[2].step == hidden
    sums = stages[1].weights
    alone = device_memory(CONFIG, {"pipeline": 4}, "none", WORK._replace(rows=2))
    assert stages[1].step == alone[1].step + 2 * hidden + sums


def test_shared_tokens_are_kept_once():
    whole, shared = (
        device_memory(CONFIG, {"tensor": 2}, "none", WORK._replace(shard_sequence=x))
        for x in (False, True)
    )
    # Of each block half of 3 d float32 numbers: one that enters, two normalised again.
    assert whole[0].step - shared[0].step == 4 * 8 * 128 * 4 * 3 * 128 // 2
    odd = WORK._replace(length=127)
    assert device_memory(CONFIG, {"tensor": 2}, "none", odd) == device_memory(
        CONFIG, {"tensor": 2}, "none", odd._replace(shard_sequence=True)
    )


def test_recomputation_keeps_what_enters_a_block():
    work = WORK._replace(recompute=True, rows=32)
    deep = CONFIG.replace(num_layers=24)
    few, many = (
        device_memory(config, {}, "none", work)[0].step for config in (CONFIG, deep)
    )
    assert many - few == 20 * 4 * 32 * 128 * 128


def test_half_precision_halves_what_is_of_the_compute_dtype():
    whole, half = (
        device_memory(CONFIG, {"tensor": 2}, "none", WORK._replace(size=size))[0]
        for size in (4, 2)
    )
    assert whole.kept == half.kept
    assert whole.step / 2 < half.step < whole.step


def test_a_mesh_that_does_not_divide_a_model_is_refused():
    with pytest.raises(ValueError, match="num_heads=2"):
        device_memory(CONFIG, {"tensor": 3}, "none", WORK)
    with pytest.raises(ValueError, match="4 at most"):
        device_memory(CONFIG, {"pipeline": 5}, "none", WORK)
