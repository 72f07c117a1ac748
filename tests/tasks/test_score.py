"""Scores are sums of log-probabilities; losses and bits are means of them."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.embeddings import TokenEmbedding
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.tasks.tiny import TINY, byte_lm, randomize


def log_probabilities(lm, inputs: list[int], labels: list[int]) -> np.ndarray:
    logits = lm({"token_ids": np.array([inputs])})[0].numpy().astype("float64")
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits[np.arange(len(labels)), labels]


def batch(seed: int = 0, rows: int = 3, length: int = 6):
    random = np.random.default_rng(seed)
    ids = random.integers(0, 259, [rows, length + 1]).astype("int32")
    weights = (np.arange(length) < random.integers(1, length, [rows, 1])) * 1.0
    return {"token_ids": ids[:, :-1]}, ids[:, 1:], weights.astype("float32")


def losses_by_hand(lm, features, labels) -> np.ndarray:
    rows = zip(features["token_ids"], labels, strict=True)
    return -np.stack([log_probabilities(lm, x, y) for x, y in rows])


@pytest.mark.parametrize("add_bos", [False, True])
def test_a_score_starts_from_the_token_that_documents_begin_with(add_bos):
    lm = byte_lm(tokenizer=ByteTokenizer(add_bos=add_bos))
    texts = ["ab", "", "é", "a" * 60]
    expected = []
    for text in texts:
        ids = [1 if add_bos else 2, *(b + 3 for b in text.encode())]
        expected.append(log_probabilities(lm, ids[:-1], ids[1:]).sum() if text else 0.0)
    assert lm.score(texts) == pytest.approx(expected, rel=1e-5)
    assert lm.score(texts[0]) == pytest.approx(expected[0], rel=1e-5)
    assert lm.score([]) == []


@pytest.mark.parametrize("size", [63, 64, 65, 128, 129, 150])
def test_long_texts_are_scored_in_windows(lm, size):
    text = "".join(chr(97 + i * i % 26) for i in range(size))
    ids = [2, *(b + 3 for b in text.encode())]
    total = 0.0
    for start in range(0, size, 64):
        labels = ids[start + 1 : start + 65]
        total += log_probabilities(lm, ids[start : start + len(labels)], labels).sum()
    assert lm.score(["x", text])[1] == pytest.approx(total, rel=1e-5)


def test_without_a_first_token_the_first_one_is_free():
    lm = byte_lm(tokenizer=CharacterTokenizer(["<unk>", "a", "b"]))
    expected = log_probabilities(lm, [1, 2], [2, 2]).sum()
    assert lm.score(["abb", "", "a"]) == pytest.approx([expected, 0.0, 0.0], rel=1e-5)


def test_evaluation_is_the_mean_over_real_tokens(lm):
    lm.compile()
    batches = [batch(0), batch(1, rows=2)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=(
            {"token_ids": tf.TensorSpec([None, 6], tf.int32)},
            tf.TensorSpec([None, 6], tf.int32),
            tf.TensorSpec([None, 6]),
        ),
    )
    found = lm.evaluate(dataset, verbose=0, return_dict=True)
    total = tokens = size = 0.0
    for features, labels, weights in batches:
        total += (losses_by_hand(lm, features, labels) * weights).sum()
        tokens += weights.sum()
        size += ((labels >= 3) * weights).sum()  # special ids stand for no bytes
    assert found["loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(total / math.log(2) / size, rel=1e-5)


def test_all_tokens_count_without_weights(lm):
    features, labels, _ = batch(2)
    lm.reset_metrics()
    found = lm.test_step((features, labels))
    expected = losses_by_hand(lm, features, labels).mean()
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)


def test_a_training_step_follows_the_gradient_of_the_mean():
    lm = byte_lm(seed=3)
    features, labels, weights = batch(3)
    expected = (losses_by_hand(lm, features, labels) * weights).sum() / weights.sum()
    with tf.GradientTape() as tape:
        logits = lm(features)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        mean = tf.reduce_sum(losses * weights) / weights.sum()
    gradients = [
        tf.convert_to_tensor(g) for g in tape.gradient(mean, lm.trainable_variables)
    ]
    before = [v.numpy() for v in lm.trainable_variables]
    lm.compile(optimizer=keras.optimizers.SGD(0.5))
    logs = lm.train_on_batch(features, labels, weights, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)
    norm = math.sqrt(sum(float(tf.reduce_sum(g**2)) for g in gradients))
    assert float(logs["gradient_norm"]) == pytest.approx(norm, rel=1e-4)
    for old, new, gradient in zip(
        before, lm.trainable_variables, gradients, strict=True
    ):
        np.testing.assert_allclose(new.numpy(), old - 0.5 * gradient, atol=1e-5)


def test_repeated_tokens_get_the_dense_update_of_adam(monkeypatch):
    """The same three steps with rows looked up and with rows as products of ones."""

    def train():
        lm = CausalLM(TINY.replace(num_layers=1))
        randomize(lm.backbone, 1)
        lm.compile(optimizer=keras.optimizers.Adam(0.01))
        for step in range(3):
            ids = np.random.default_rng(step).integers(0, 4, [2, 9]).astype("int32")
            lm.train_on_batch({"token_ids": ids[:, :-1]}, ids[:, 1:])
        return lm.get_weights()

    def by_product(self, token_ids):
        return tf.one_hot(token_ids, self.vocabulary_size) @ self.matrix()

    looked_up = train()
    monkeypatch.setattr(TokenEmbedding, "call", by_product)
    for found, expected in zip(looked_up, train(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_datasets_from_files(tmp_path):
    lm = byte_lm()
    (tmp_path / "a.txt").write_text("ab" * 100)
    options = {"batch_size": 2, "sequence_length": 8, "progress": False}
    train, valid = lm.datasets(tmp_path / "a.txt", validation_fraction=0.1, **options)
    features, labels, _ = next(iter(train))
    assert np.array_equal(features["token_ids"][:, 1:], labels[:, :-1])
    inputs = np.concatenate([y[w == 1] for _, y, w in valid.as_numpy_iterator()])
    assert inputs.tolist() == [101, 100] * 9 + [101, 2]
    assert (
        lm.datasets(tmp_path / "a.txt", validation_fraction=0.0, **options)[1] is None
    )
    with pytest.raises(ValueError, match="65 is more than the model's context of 64"):
        lm.datasets(tmp_path / "a.txt", sequence_length=65)
    with pytest.raises(FileNotFoundError, match="none"):
        lm.datasets(tmp_path / "none.txt")
