"""Private gradients are those of a plain loop over rows, and noise is what it says."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.optimization.gradients import private
from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.tasks import CausalLM, TextClassifier, TextEmbedder
from massivetext_keras.training import Checkpoint
from tests.processes import last_line_of
from tests.tasks.tiny import TINY, encoder_task, randomize

pytestmark = pytest.mark.usefixtures("without_xla")

IDS = np.array([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0], [2, 6, 3, 0, 0], [2, 3, 0, 0, 0]])
FEATURES = {"token_ids": IDS.astype("int32"), "padding_mask": np.int32(IDS > 0)}
LABELS = np.array([0, 1, 1, 0], np.int32)
BATCH = FEATURES, LABELS, np.array([1.0, 1.0, 1.0, 0.0], np.float32)


def classifier(**changes) -> TextClassifier:
    how = {"labels": ["a", "b"], "head_dropout": 0.0, "num_layers": 1, **changes}
    return encoder_task(TextClassifier, **how)


def updated(task, privacy, updates=1, batch=BATCH, **how):
    """The weights after some updates by gradient descent at rate 1."""
    task.compile("sgd", privacy=privacy, **how)
    task.optimizer.learning_rate = 1.0
    data = tf.data.Dataset.from_tensors(batch).repeat(updates)
    history = task.fit(data, verbose=0)
    return {k: w.numpy() for k, w in task.named_weights().items()}, history.history


def right_update(task, batch, bound):
    """Mean of clipped gradients by name, in float64, from single rows."""
    named = task.named_weights()
    sums = {name: np.zeros(w.shape) for name, w in named.items()}
    rows = len(batch[1])
    for i in range(rows):
        row = tf.nest.map_structure(lambda x, i=i: tf.constant(x[i : i + 1]), batch)
        with tf.GradientTape() as tape:
            (loss, *_), *_ = task.summed_loss(*row, training=False)
            loss = loss / tf.maximum(tf.reduce_sum(row[2]), 1.0)
        found = tape.gradient(loss, [w.value for w in named.values()])
        found = [
            np.zeros(w.shape) if g is None else tf.convert_to_tensor(g).numpy()
            for g, w in zip(found, named.values(), strict=True)
        ]
        norm = np.sqrt(sum((np.float64(g) ** 2).sum() for g in found))
        factor = min(1.0, bound / norm) if norm else 0.0
        for name, g in zip(named, found, strict=True):
            sums[name] += factor * np.float64(g)
    return {name: x / rows for name, x in sums.items()}


@pytest.mark.parametrize("how", [{"micro_batches": 2}, {"jit_compile": True}])
def test_without_noise_it_is_the_mean_of_clipped_rows(how):
    task = classifier()
    before = {k: w.numpy() for k, w in task.named_weights().items()}
    right = right_update(task, BATCH, bound=0.3)
    private = DPSGD(clip_norm=0.3, noise_multiplier=0.0)
    after, history = updated(task, private, **how)
    for name, change in right.items():
        np.testing.assert_allclose(before[name] - after[name], change, atol=2e-6)
    whole = np.sqrt(sum((x**2).sum() for x in right.values()))
    assert whole <= 0.3 and history["gradient_norm"][0] == pytest.approx(whole, 1e-4)


@pytest.mark.parametrize("kind", ["head", "language model"])
def test_rows_side_by_side_are_rows_one_by_one(kind, monkeypatch):
    """With padding and dropout, too."""
    ids = np.int32([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0], [2, 3, 0, 0, 0]])
    features = {"token_ids": ids, "padding_mask": np.int32(ids > 0)}
    if kind == "head":
        batch = features, LABELS[:3], np.array([1.0, 0.5, 1.0], np.float32)
    else:
        batch = features, np.roll(ids, -1, axis=1), np.float32(ids > 0)
    found = []
    for most in (1, 2):  # of three: some, and those that are left
        monkeypatch.setattr(private, "_MOST_ROWS", most)
        keras.utils.set_random_seed(0)
        if kind == "head":
            task = classifier(head="lstm")
        else:
            task = randomize(CausalLM(TINY.replace(dropout=0.1)))
        found.append(updated(task, DPSGD(0.3, 0.0), batch=batch)[0])
    right, other = found
    for name in right:
        np.testing.assert_allclose(other[name], right[name], atol=1e-6, err_msg=name)


def test_rows_side_by_side_are_as_many_as_fit():
    sizes = [(1 << 20, 8), (1 << 10, 4)], [(8, 2)], [(1 << 28, 1)]
    shaped = ([SimpleNamespace(shape=shape) for shape in x] for x in sizes)
    assert [*map(private.rows_at_once, shaped)] == [7, 16, 1]


def test_a_language_model_clips_rows_by_the_mean_of_their_tokens():
    task = randomize(CausalLM(TINY), seed=1)
    ids = np.arange(24).reshape([4, 6]) % 7
    weights = np.float32(ids > 2)
    batch = {"token_ids": np.int32(ids)}, np.int32(ids[:, ::-1]), weights
    before = {k: w.numpy() for k, w in task.named_weights().items()}
    right = right_update(task, batch, bound=1.0)
    after, _ = updated(task, DPSGD(clip_norm=1.0, noise_multiplier=0.0), batch=batch)
    for name, change in right.items():
        np.testing.assert_allclose(before[name] - after[name], change, atol=5e-6)


def test_noise_has_its_deviation_and_is_another_each_time():
    task = classifier(hidden_size=32, intermediate_size=64, num_layers=2)
    before = {k: w.numpy() for k, w in task.named_weights().items()}
    silent = FEATURES, LABELS, np.zeros(4, np.float32)
    private = DPSGD(
        clip_norm=0.5,
        noise_multiplier=2.0,
        sampling="poisson",
        expected_rows=8,
    )
    after, _ = updated(task, private, batch=silent)
    noise = np.concatenate([(after[k] - before[k]).ravel() for k in before])
    assert noise.size > 20_000
    assert noise.std() == pytest.approx(2.0 * 0.5 / 8, rel=0.02)
    assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size)
    kernels = [k for k in before if k.endswith("qkv/kernel")]
    one, other = (after[k] - before[k] for k in kernels)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1
    for compiled in (False, True):  # again
        old = {k: w.numpy() for k, w in task.named_weights().items()}
        if compiled:
            updated(task, private, batch=silent)
        else:
            task.fit(tf.data.Dataset.from_tensors(silent), verbose=0)
        new = {k: w.numpy() for k, w in task.named_weights().items()}
        other = np.concatenate([(new[k] - old[k]).ravel() for k in before])
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05


def test_a_resumed_run_has_the_same_noise_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(private, "_MOST_ROWS", 1)  # which is traced sooner

    def trained(folder, steps, resumed=False):
        task = classifier(dropout=0.1)
        task.randomness.state.assign([3, 4])
        task.compile("sgd", privacy=DPSGD())
        keeper = Checkpoint(folder, every=2)
        done = keeper.restore(task) if resumed else 0
        data = tf.data.Dataset.from_tensors(BATCH).repeat(steps - done)
        task.fit(data, callbacks=[keeper], verbose=0)
        return [w.numpy() for w in task.weights]

    right = trained(tmp_path / "whole", 4)
    trained(tmp_path / "cut", 2)
    found = trained(tmp_path / "cut", 4, resumed=True)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_replicas_add_one_noise_to_the_sum_of_all():
    logs = last_line_of("-m", "tests.optimization.gradients.private_replicas")
    assert max(logs["distances"]) < 2e-6
    assert logs["change"] > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_norm": 0.0}, "clip_norm must be positive"),
        ({"noise_multiplier": -1.0}, "noise_multiplier must be at least 0"),
        ({"noise_multiplier": float("nan")}, "noise_multiplier must be at least 0"),
        ({"delta": 1.0}, "delta must be between 0 and 1"),
        ({"sampling": "random"}, "one of poisson, epochs"),
        ({"sampling": "poisson"}, "expected_rows is for"),
        ({"expected_rows": 8}, "expected_rows is for"),
    ],
)
def test_numbers_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        DPSGD(**change)


def test_what_it_cannot_hold_for():
    with pytest.raises(ValueError, match="compares rows of a batch"):
        encoder_task(TextEmbedder).compile("sgd", privacy=DPSGD())
    with pytest.raises(ValueError, match="float16"):
        classifier(dtype="mixed_float16").compile("sgd", privacy=DPSGD())
    scaled = keras.optimizers.SGD(0.1, loss_scale_factor=8.0)
    with pytest.raises(ValueError, match="loss_scale_factor=8 of the optimizer"):
        classifier().compile(scaled, privacy=DPSGD())
    experts = randomize(CausalLM(TINY.replace(num_experts=2)))
    with pytest.raises(ValueError, match="balance of experts"):
        experts.compile("sgd", privacy=DPSGD())


def test_the_config_of_a_compiled_task_has_it():
    task = classifier()
    task.compile("sgd", privacy=DPSGD(clip_norm=0.25))
    config = task.get_compile_config()
    other = classifier()
    other.compile_from_config(config)
    assert other.privacy == DPSGD(clip_norm=0.25)
