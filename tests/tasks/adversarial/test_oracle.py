"""The oracle beside an LSTM in NumPy, and its entropy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.tasks.adversarial.oracle import Oracle

TOKENS, LENGTH = 4, 3
TEXTS = np.array([*itertools.product(range(TOKENS), repeat=LENGTH)])


@pytest.fixture(scope="module")
def oracle():
    sizes = {"vocabulary_size": TOKENS, "hidden_size": 5}
    return Oracle(preset("seqgan").replace(**sizes), LENGTH, seed=1)


def log_probabilities(oracle):
    """Of `TEXTS`, by an LSTM of NumPy with the oracle's weights."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    w = {x.path.partition("/")[2]: x.numpy() for x in oracle.model.weights}
    tokens, output = w["tokens/embeddings"], w["output/embeddings"]
    kernel, bias = (w[f"stack/block_0/projection/{x}"] for x in ("kernel", "bias"))
    recurrent, found = w["stack/block_0/recurrent_kernel"], []
    for text in TEXTS:
        h, c, total = np.zeros(5), np.zeros(5), 0.0
        for before, token in zip([0, *text[:-1]], text, strict=True):
            i, f, g, o = np.split(tokens[before] @ kernel + bias + h @ recurrent, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            logits = output @ h + w["logit_bias"]
            total += logits[token] - np.log(np.exp(logits).sum())
        found.append(total)
    return np.array(found)


def test_likelihoods_are_those_of_a_plain_lstm(oracle):
    wanted = log_probabilities(oracle)
    assert np.exp(wanted).sum() == pytest.approx(1)
    found = [-LENGTH * oracle.nll(text[None]) for text in TEXTS]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert oracle.nll(TEXTS) == pytest.approx(-wanted.mean() / LENGTH)


def test_its_own_texts_cost_its_entropy(oracle):
    logs = log_probabilities(oracle)
    entropy = -(np.exp(logs) @ logs) / LENGTH
    assert oracle.nll(oracle.sample(20_000, seed=2)) == pytest.approx(entropy, abs=0.01)


def test_all_weights_are_normal_and_the_seeds_own():
    config = preset("seqgan").replace(vocabulary_size=2000)
    one, same, other = (Oracle(config, 20, seed).model for seed in (0, 0, 1))
    flat = [
        np.concatenate([x.numpy().ravel() for x in model.weights])
        for model in (one, same, other)
    ]
    assert (flat[0] == flat[1]).all() and not (flat[0] == flat[2]).any()
    assert flat[0].mean() == pytest.approx(0, abs=0.01)
    assert flat[0].std() == pytest.approx(1, abs=0.01)
