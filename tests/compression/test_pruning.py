"""Zeros come when and where the formulas say, and survive a resumed run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.compression import Pruner, zeros_in
from massivetext_keras.compression.sparsity import Sparsity
from massivetext_keras.training import Checkpoint, adamw
from tests.compression.test_sparsity import classifier

TEXTS, LABELS = ["the cat sat", "the dog sat on the mat", "un"], ["a", "b", "a"]


def batch_of(task):
    data, _ = task.datasets([*zip(TEXTS, LABELS, strict=True)], batch_size=3)
    features, labels, *weights = next(iter(data))
    return features, labels, weights[0] if weights else tf.ones([3])


def in_a_plain_loop(task, rate, steps, pruner):
    """Movement pruning with gradient descent, as its paper has it."""
    wholes = {k: x.kernel.numpy() for k, x in pruner.pruned.items()}
    scores = {k: np.zeros_like(x) for k, x in wholes.items()}
    kept = {k: np.ones_like(x, bool) for k, x in wholes.items()}
    features, labels, weights = batch_of(task)
    for step in range(1, steps + 1):
        with tf.GradientTape() as tape:
            (loss,), *_ = task.summed_loss(features, labels, weights, training=True)
            loss = loss / tf.reduce_sum(weights)
        slopes = tape.gradient(loss, [x.value for x in task.trainable_variables])
        gradients = {}
        for variable, slope in zip(task.trainable_variables, slopes, strict=True):
            if slope is not None:
                gradients[id(variable)] = slope = tf.convert_to_tensor(slope).numpy()
                variable.assign_sub(rate * slope)
        share = 0.5 * (1.0 - (1.0 - min(step / 6, 1.0)) ** 3)
        for name, one in pruner.pruned.items():
            now = np.where(kept[name], one.kernel.numpy(), wholes[name])
            wholes[name] = now
            scores[name] = scores[name] - now * gradients[id(one.kernel)]
            if step % 2 == 0 and step <= 6:
                found = tf.constant(scores[name])
                kept[name] = Sparsity(share).mask(found).numpy()
            one.kernel.assign(np.where(kept[name], now, 0))
    return scores


def test_movement_is_that_of_a_plain_loop():
    task, plain = classifier(seed=3), classifier(seed=3)
    how = {"method": "movement", "updates": 6, "every": 2}
    pruner = Pruner(task, 0.5, **how)
    task.compile("sgd", micro_batches=3)
    task.optimizer.learning_rate = 0.1
    batch = batch_of(task)
    with pruner:
        task.fit(tf.data.Dataset.from_tensors(batch).repeat(8), verbose=0)
        scores = {k: x.scores.numpy() for k, x in pruner.pruned.items()}
    right = in_a_plain_loop(plain, 0.1, 8, Pruner(plain, 0.5, **how))
    for name, found in scores.items():
        np.testing.assert_allclose(found, right[name], atol=2e-5)
    assert set(zeros_in(task).values()) == {0.5}
    wanted = plain.named_weights()
    for name, weight in task.named_weights().items():
        np.testing.assert_allclose(weight, wanted[name], atol=2e-5)


def test_magnitude_grows_as_the_cube_and_numbers_come_back():
    task = classifier(seed=1)
    task.compile(adamw(3e-2))
    pruner = Pruner(task, 0.8, updates=8, begin=2, every=1)
    np.testing.assert_allclose(
        [pruner.part(i).numpy() for i in (0, 2, 4, 10, 99)],
        [0, 0, 1 - 0.75**3, 1, 1],
        rtol=1e-6,
    )
    with pruner:
        data = task.datasets([*zip(TEXTS, LABELS, strict=True)], batch_size=3)[0]
        for step in range(1, 13):
            task.fit(data, steps_per_epoch=1, verbose=0)
            share = 0.8 * float(pruner.part(step))
            for one in pruner.pruned.values():
                kernel, kept = one.kernel.numpy(), one.kept.numpy()
                assert kept.mean() == pytest.approx(1.0 - share, abs=0.51 / kept.size)
                np.testing.assert_array_equal(kernel[~kept], 0)
                np.testing.assert_array_equal(kernel[kept], one.whole.numpy()[kept])
                if step <= 10 and (~kept).any():
                    whole = np.abs(one.whole.numpy())
                    assert whole[~kept].max() <= whole[kept].min()
    assert [*zeros_in(task).values()] == pytest.approx([0.8] * 8, abs=0.01)
    names = [w.path for w in task.weights]
    assert not [name for name in names if "pruned" in name]


def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path):
    def trained(folder, steps, resumed=False):
        task = classifier(seed=2, dropout=0.1)
        task.randomness.state.assign([3, 4])
        task.compile(adamw(1e-2))
        how = {"updates": 6, "method": "movement", "begin": 1, "every": 1}
        with Pruner(task, "2:4", **how) as pruner:
            keeper = Checkpoint(folder, every=4)
            done = keeper.restore(task) if resumed else 0
            data = tf.data.Dataset.from_tensors(batch_of(task)).repeat(steps - done)
            task.fit(data, callbacks=[keeper], verbose=0)
            kept = [one.kept.numpy() for one in pruner.pruned.values()]
        return [w.numpy() for w in task.weights], kept

    right = trained(tmp_path / "whole", 9)
    trained(tmp_path / "cut", 4)
    found = trained(tmp_path / "cut", 9, resumed=True)
    for one, other in zip(sum(found, []), sum(right, []), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {mask.mean() for mask in found[1]} == {0.5}


def test_what_is_refused():
    task = classifier()
    with pytest.raises(ValueError, match="did you mean 'movement'"):
        Pruner(task, method="movment")
    for name in ("updates", "begin", "every"):
        with pytest.raises(ValueError, match=f"{name} must be at least"):
            Pruner(task, **{name: -1})
    with Pruner(task), pytest.raises(ValueError, match="pruned already"):
        Pruner(task).__enter__()
