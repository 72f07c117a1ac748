"""What is taken out is what the loss feels least, and all of it is taken out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.compression import Importance, importance, without
from massivetext_keras.tasks import CausalLM, Seq2SeqLM, TextClassifier
from massivetext_keras.training import adamw
from tests.tasks.tiny import TINY, byte_lm, encoder_task

IDS = np.array([[2, 5, 6, 7, 3], [2, 8, 9, 3, 0]], np.int32)
FEATURES = {"token_ids": IDS, "padding_mask": (IDS > 0).astype(np.int32)}
LABELS, WEIGHTS = np.array([0, 1], np.int32), np.array([1.0, 0.5], np.float32)
BATCH = tuple(map(tf.constant, (LABELS, WEIGHTS)))


def classifier(**changes) -> TextClassifier:
    return encoder_task(
        TextClassifier, labels=["a", "b"], num_layers=2, **{"seed": 3, **changes}
    )


def batches() -> list:
    return [(tf.nest.map_structure(tf.constant, FEATURES), *BATCH)]


def mean_loss(task) -> float:
    (loss,), *_ = task.summed_loss(*batches()[0], training=False)
    return float(loss) / float(WEIGHTS.sum())


def kernel(task, block: int, name: str):
    return task.named_weights()[f"stack/block_{block}/{name}/kernel"]


def slope_of_scale(task, weight, rows) -> float:
    """dL/dm of rows of a kernel, by a difference."""
    before, losses = weight.numpy(), []
    for scale in (1.01, 0.99):
        changed = before.copy()
        changed[rows] *= scale
        weight.assign(changed)
        losses.append(mean_loss(task))
    weight.assign(before)
    return (losses[0] - losses[1]) / 0.02


def test_importance_is_the_slope_by_a_scale():
    task = classifier()
    found = importance(task, batches())
    assert found.heads.shape == (2, 4) and found.columns.shape == (2, 24)
    for block, head in ((0, 1), (1, 3)):
        weight = kernel(task, block, "attention/output")
        slope = slope_of_scale(task, weight, slice(4 * head, 4 * head + 4))
        np.testing.assert_allclose(found.heads[block, head], abs(slope), rtol=2e-2)
    for block, column in ((0, 5), (1, 20)):
        slope = slope_of_scale(task, kernel(task, block, "feed_forward/down"), column)
        found_here = found.columns[block, column]
        np.testing.assert_allclose(found_here, abs(slope), rtol=3e-2, atol=1e-4)


def silence(task, heads, columns, size: int = 4) -> None:
    """Makes parts of each block give nothing."""
    for block in range(task.config.num_layers):
        weight = kernel(task, block, "attention/output")
        values = weight.numpy()
        for head in heads[block]:
            values[size * head : size * (head + 1)] = 0.0
        weight.assign(values)
        weight = kernel(task, block, "feed_forward/down")
        values = weight.numpy()
        values[columns[block]] = 0.0
        weight.assign(values)


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"gated": True, "norm": "rms_norm", "position": "rotary"},
        {"num_key_value_heads": 2, "qkv_bias": False},
    ],
)
def test_parts_that_give_nothing_are_taken_out(traits):
    task = classifier(**traits)
    groups = task.config.key_value_heads
    silent = [[0, 2], [1, 3]] if groups == 4 else [[0], [1]]
    columns = [list(range(12)), list(range(12, 24))]
    shared = 4 // groups
    silence(
        task,
        [[g * shared + i for g in x for i in range(shared)] for x in silent],
        columns,
    )
    found = importance(task, batches())
    for block in range(2):
        assert not found.heads[block][silent[block]].any()
        assert not found.columns[block][columns[block]].any()
    small = without(task, found, heads=0.5, columns=0.5)
    assert small.config.num_heads == 2 and small.config.intermediate_size == 12
    assert small.config.key_value_heads == groups // 2
    assert small.config.width_of_head == 4
    assert small.count_params() < task.count_params()
    np.testing.assert_allclose(small(FEATURES), task(FEATURES), atol=2e-5)


def test_a_smaller_task_is_saved_and_trained(tmp_path):
    task = classifier()
    small = without(task, importance(task, batches()), heads=0.25, columns=0.75)
    assert (small.config.num_heads, small.config.intermediate_size) == (3, 6)
    small.compile(adamw(1e-2))
    small.fit(["the cat sat", "the dog"], ["a", "b"], epochs=2, verbose=0)
    small.save_preset(tmp_path / "small")
    loaded = TextClassifier.from_preset(str(tmp_path / "small"))
    assert loaded.config == small.config
    np.testing.assert_allclose(loaded(FEATURES), small(FEATURES), atol=1e-6)


def test_language_models():
    lm = byte_lm(num_layers=2, num_heads=2)
    texts = ["a text of some words"] * 4
    data, _ = lm.datasets(texts, batch_size=2, sequence_length=8, validation_fraction=0)
    small = without(lm, importance(lm, data, most=3), heads=0.5, columns=0.5)
    assert (small.config.num_heads, small.config.head_size) == (1, 8)
    assert small.generate("a", 2, temperature=0).startswith("a")


def test_bad_input():
    task = classifier()
    found = Importance(np.ones([2, 4]), np.ones([2, 24]))
    with pytest.raises(ValueError, match="heads must be from 0 to below 1, got 1"):
        without(task, found, heads=1)
    with pytest.raises(ValueError, match="columns must be from 0 to below 1, got -0.1"):
        without(task, found, columns=-0.1)
    with pytest.raises(ValueError, match="there are none"):
        importance(task, [])
    relative = CausalLM(TINY.replace(position="relative"))
    with pytest.raises(ValueError, match="take out columns alone"):
        without(relative, found, heads=0.5)
    with pytest.raises(ValueError, match="this Seq2SeqLM has another"):
        importance(Seq2SeqLM(TINY.replace(stack="encoder_decoder")), batches())
