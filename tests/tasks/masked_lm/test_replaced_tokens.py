"""Replaced-token detection: what is replaced, its loss, and that both models learn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import MaskedLM, ReplacedTokenDetector
from massivetext_keras.training import adamw
from tests.huggingface.fixtures import FIXTURES, expected, real
from tests.tasks.tiny import encoder_task

pytestmark = pytest.mark.usefixtures("without_xla")

TEXT = "the cat sat on the mat , the unbelievable dog sat on cats "


@pytest.fixture(scope="module")
def detector() -> ReplacedTokenDetector:
    return encoder_task(ReplacedTokenDetector, generator_size=0.5)


def test_scores_are_those_of_transformers():
    name = "electra_discriminator"
    task = ReplacedTokenDetector.from_preset(f"hf:{FIXTURES / name}")
    arrays = expected(name)
    features = {k: v for k, v in arrays.items() if v.dtype == "int32"}
    apart = np.abs(task(features) - arrays["scores"])[real(arrays, "scores")]
    assert apart.max() < 1e-4


def test_the_generator_is_small_and_shares_the_embedding(detector):
    small = detector.generator
    assert isinstance(small, MaskedLM)
    assert (small.config.hidden_size, small.config.num_heads) == (8, 2)
    assert small.backbone.tokens is detector.backbone.tokens
    tables = [v for v in detector.trainable_variables if v.shape == (50, 16)]
    assert len(tables) == 1


def batch():
    random = np.random.default_rng(0)
    ids = random.integers(5, 16, [4, 10]).astype("int32")
    positions = np.array([random.permutation(10)[:3] for _ in range(4)], "int32")
    labels = np.take_along_axis(ids, positions, 1)
    weights = np.float32([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    hidden = ids.copy()
    for row, places, chosen in zip(hidden, positions, weights, strict=True):
        row[places[chosen == 1]] = 4
    mask = np.ones([4, 10], "int32")
    mask[0, 9] = 0
    features = {
        "token_ids": hidden,
        "masked_positions": positions,
        "padding_mask": mask,
    }
    return ids, (features, labels, weights)


def test_the_loss_is_that_of_the_gaps_and_fifty_of_the_detection(detector, monkeypatch):
    ids, (features, labels, weights) = batch()
    sampled = np.random.default_rng(1).integers(5, 16, [4, 3]).astype("int32")
    sampled[0, 0] = labels[0, 0]  # guessed right: not replaced
    monkeypatch.setattr(detector, "_sample", lambda logits, _: tf.constant(sampled))
    corrupted = ids.copy()
    for row, places, new, chosen in zip(
        corrupted, features["masked_positions"], sampled, weights, strict=True
    ):
        row[places[chosen == 1]] = new[chosen == 1]
    replaced = corrupted != ids
    assert not replaced[0, features["masked_positions"][0, 0]] and replaced.any()
    scores = detector({**features, "token_ids": corrupted}).numpy().astype("float64")
    losses = np.where(replaced, np.log1p(np.exp(-scores)), np.log1p(np.exp(scores)))
    detection = (losses * features["padding_mask"]).sum() / 39
    gaps = detector.generator
    gaps.compile(), detector.compile()
    gaps.reset_metrics(), detector.reset_metrics()
    guess = float(gaps.test_step((features, labels, weights))["loss"])
    found = float(detector.test_step((features, labels, weights))["loss"])
    assert found == pytest.approx(guess + 50 * detection, rel=1e-5)


def test_samples_follow_the_generator(detector):
    logits = np.log(np.float32([[0.5, 0.3, 0.2]]))
    logits = tf.constant(np.tile(logits, [20, 200, 1]))
    first, second = (detector._sample(logits, training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    shares = np.bincount(first.ravel()) / first.size
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    fixed = [detector._sample(logits, training=False).numpy() for _ in range(2)]
    assert np.array_equal(*fixed)


def test_both_learn(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 40)
    options = {"generator_size": 0.5, "num_layers": 2}
    task = encoder_task(ReplacedTokenDetector, scale=0.1, **options)
    train, valid = task.datasets(
        tmp_path / "a.txt",
        batch_size=4,
        sequence_length=16,
        validation_fraction=0.2,
        progress=False,
    )
    for features, _, weights in train.take(5):
        hidden = features["token_ids"].numpy() == 4
        assert hidden.sum() == weights.numpy().sum()  # all become the mask
    before = [v.numpy() for v in task.trainable_variables]
    task.compile(adamw(0.01))
    first = task.evaluate(valid, verbose=0)
    task.fit(train, steps_per_epoch=100, verbose=0)
    assert task.evaluate(valid, verbose=0) < 0.7 * first
    moved = [
        np.abs(v.numpy() - b).max()
        for v, b in zip(task.trainable_variables, before, strict=True)
    ]
    assert min(moved) > 0


def test_tokens_and_how_probably_they_were_replaced(detector):
    found = detector.detect("The unbelievable cat sat")
    assert [token for token, _ in found] == [
        "the",
        "un",
        "##believ",
        "##able",
        "cat",
        "sat",
    ]
    ids = np.array([[2, 5, 12, 13, 14, 6, 7, 3]])
    scores = tf.sigmoid(detector({"token_ids": ids}))[0, 1:-1].numpy()
    assert [score for _, score in found] == pytest.approx(scores, rel=1e-4)
    assert detector.detect(["cat", ""])[1] == []


def test_bad_sizes():
    with pytest.raises(ValueError, match="generator_size must be in"):
        encoder_task(ReplacedTokenDetector, generator_size=0.0)
