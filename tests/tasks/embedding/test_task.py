"""Vectors of texts: pooled by hand, learnt from pairs, the same over replicas."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import contrastive_batches
from massivetext_keras.tasks import TextEmbedder
from massivetext_keras.training import adamw
from tests.processes import last_line_of
from tests.tasks.tiny import ENCODER, encoder_task, words

pytestmark = pytest.mark.usefixtures("without_xla")

TEXTS = ["the cat sat", "unbelievable", "", "the dog " * 30, "the cat sat"]
PAIRS = [
    ("the cat", "cat , cat"),
    ("the dog", "dog , dog"),
    ("the mat", "mat , mat"),
    ("on", "un , on"),
    ("sat", "sat on"),
]


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return encoder_task(TextEmbedder)


def states(task, text: str) -> np.ndarray:
    """Hidden states of a text alone, without padding."""
    ids = [2, *task.tokenizer(text).numpy()[:30].tolist(), 3]
    return task.backbone({"token_ids": np.array([ids])})[0].numpy()


@pytest.mark.parametrize(
    ("pooling", "unit_length"),
    [("mean", True), ("mean", False), ("cls", True), ("max", False)],
)
def test_vectors_are_pooled_states_whatever_the_padding(pooling, unit_length):
    task = encoder_task(TextEmbedder, pooling=pooling, unit_length=unit_length)
    found = task.embed(TEXTS)
    assert found.shape == (5, 16) and found.dtype == np.float32
    pool = {
        "mean": lambda x: x.mean(0),
        "cls": lambda x: x[0],
        "max": lambda x: x.max(0),
    }
    for text, vector in zip(TEXTS, found, strict=True):
        wanted = pool[pooling](states(task, text))
        if unit_length:
            wanted = wanted / np.linalg.norm(wanted)
        np.testing.assert_allclose(vector, wanted, atol=1e-5)
    np.testing.assert_allclose(task.embed(TEXTS[0]), found[0], atol=1e-6)
    assert task.embed([]).shape == (0, 16)


def test_similarities_are_cosines(embedder):
    first, second = TEXTS[:2], TEXTS[2:]
    a, b = embedder.embed(first), embedder.embed(second)
    found = embedder.similarity(first, second)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, a @ b.T, atol=1e-5)
    np.testing.assert_allclose(
        embedder.similarity(first[0], second), found[0], atol=1e-5
    )
    assert embedder.similarity(first[0], second[0]) == pytest.approx(
        found[0, 0], abs=1e-5
    )
    plain = encoder_task(TextEmbedder, unit_length=False)
    np.testing.assert_allclose(plain.similarity(first, second), found, atol=1e-5)


def test_the_loss_ranks_the_second_texts_of_the_batch(embedder):
    batches = contrastive_batches(words(), PAIRS, 3, 16, validation=True)
    embedder.compile()
    total = 0.0
    for features, labels, weights in batches:
        embedder.reset_metrics()
        found = float(embedder.test_step((features, labels, weights))["loss"])
        count = int(weights.numpy().sum())
        ids = features["token_ids"].numpy()
        texts = [[words().detokenize(row).numpy().decode() for row in p] for p in ids]
        a, b = (embedder.embed([t[i] for t in texts[:count]]) for i in (0, 1))
        scores = a @ b.T / 0.05  # what fills the batch is no wrong answer
        scores = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        assert found == pytest.approx(-np.diag(scores).mean(), rel=1e-4)
        total += count
    assert total == 5


def test_batches_of_pairs_as_literals():
    pairs = [("the", "cat sat"), ("on mat dog", "")]
    ((features, labels, weights),) = contrastive_batches(
        words(), pairs, 3, 4, validation=True
    )
    assert features["token_ids"].numpy().tolist() == [
        [[2, 5, 3, 0], [2, 6, 7, 3]],
        [[2, 8, 9, 3], [2, 3, 0, 0]],
    ]
    assert features["padding_mask"].numpy()[1].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert labels.numpy().tolist() == [0, 1]  # nothing fills the batch
    assert weights.numpy().tolist() == [1.0, 1.0]


def test_batches_are_a_function_of_their_number():
    def batches(start, count):
        dataset = contrastive_batches(words(), PAIRS, 2, 16, seed=1, start=start)
        return [x["token_ids"].numpy().tolist() for x, _, _ in dataset.take(count)]

    whole = batches(0, 10)
    assert batches(7, 3) == whole[7:]
    rows = [str(row) for batch in whole for row in batch]
    assert all(len(set(rows[i : i + 5])) == 5 for i in range(0, 20, 5))  # epochs


def test_pairs_can_be_learnt():
    task = encoder_task(TextEmbedder, scale=0.2, num_layers=2)
    train, valid = task.datasets(PAIRS, batch_size=5, validation_fraction=0.0)
    assert valid is None
    task.compile(adamw(0.01, weight_decay=0.0))
    losses = task.fit(train, steps_per_epoch=40, epochs=2, verbose=0).history["loss"]
    assert losses[0] > 0.1 and losses[1] < 0.05
    first, second = zip(*PAIRS, strict=True)
    assert task.similarity(first, second).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_pairs_held_out():
    task = encoder_task(TextEmbedder)
    _, valid = task.datasets(PAIRS, batch_size=2, validation_fraction=0.4)
    ((features, _, weights),) = valid
    assert features["token_ids"].shape[0] == 2 and weights.numpy().sum() == 2


def test_bad_input():
    task = encoder_task(TextEmbedder)
    with pytest.raises(ValueError, match="there are no pairs"):
        task.datasets([])
    with pytest.raises(ValueError, match="not a pair of texts: 'the cat'"):
        task.datasets(["the cat"])
    with pytest.raises(ValueError, match="unknown pooling 'meen': did you mean 'mean'"):
        TextEmbedder(ENCODER, pooling="meen")
    with pytest.raises(ValueError, match="temperature must be positive"):
        TextEmbedder(ENCODER, temperature=0.0)
    with pytest.raises(ValueError, match="TextEmbedder was made without a tokenizer"):
        TextEmbedder(ENCODER).embed("x")


REPLICAS = """
from massivetext_keras.tasks import TextEmbedder
from tests.tasks.replicas import ALL, report
from tests.tasks.embedding.test_task import PAIRS
from tests.tasks.tiny import encoder_task

report(
    lambda: encoder_task(TextEmbedder, scale=0.2, num_layers=1),
    # The last batch of the second epoch has one row that fills it.
    lambda x: (
        x.datasets(PAIRS * 2, batch_size=4)[0].repeat().take(3),
        x.datasets(PAIRS, batch_size=4, validation_fraction=0.99)[1],
    ),
    steps=3,
    ways=ALL[:2],
)
"""


@pytest.mark.slow
def test_replicas_see_the_second_texts_of_each_other():
    (one, two), (apart,) = last_line_of("-c", REPLICAS)
    assert two == pytest.approx(one, rel=1e-5) and "val_loss" in one
    assert apart < 1e-5


def test_features_of_one_text_and_of_two(embedder):
    ids = np.arange(5, 15).reshape(2, 5)
    single = embedder({"token_ids": ids})
    both = embedder({"token_ids": tf.constant(np.stack([ids, ids[::-1]], axis=1))})
    assert both.shape == (2, 2, 16)
    np.testing.assert_allclose(both[:, 0], single, atol=1e-6)
    np.testing.assert_allclose(both[:, 1], single[::-1], atol=1e-6)
