"""Clients of federated averaging: who has what, and what they learn together."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.privacy import (
    FederatedClient,
    federated_shares,
    set_weights,
    weights_of,
)
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import encoder_task

TEXTS = ["good", "so good", "bad", "very bad", "a good one", "the bad one", "ok"]
EXAMPLES = [
    TextClassifier.example({"text": text, "label": "a" if "good" in text else "b"})
    for text in TEXTS
]


def classifier(optimizer="sgd", privacy=None, rate=0.5, **changes) -> TextClassifier:
    how = {"labels": ["a", "b"], "head_dropout": 0.0, "dropout": 0.0, **changes}
    task = encoder_task(
        TextClassifier, tokenizer=ByteTokenizer(), vocabulary_size=260, **how
    )
    task.compile(optimizer, jit_compile=False, privacy=privacy)
    task.optimizer.learning_rate = rate
    return task


def mean(weights, counts):
    return [
        np.average(own, axis=0, weights=counts) for own in zip(*weights, strict=True)
    ]


def test_one_client_is_training_at_one_place():
    task, central = classifier(), classifier()
    start = weights_of(task)
    set_weights(central, start)
    client = FederatedClient(task, EXAMPLES, batch_size=3, seed=4)
    weights = start
    for _ in range(3):
        weights, measures = client.learn(weights)
    batches = central.example_batches(EXAMPLES, 3).training(4)
    history = central.fit(batches, epochs=3, verbose=0).history
    for one, other in zip(weights, weights_of(central), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert measures["loss"] == pytest.approx(history["loss"][-1], abs=1e-6)
    assert client.updates == int(central.optimizer.iterations) == 9
    assert max(np.abs(x - y).max() for x, y in zip(weights, start, strict=True)) > 0.01


def test_one_step_of_each_client_is_one_step_on_all_examples():
    """FedSGD, section 2 of McMahan et al., 2017, with clients of unequal data."""
    task = classifier()
    start, parts = weights_of(task), (EXAMPLES[:2], EXAMPLES[2:])
    clients = [
        FederatedClient(task, part, 8, 16, seed=i) for i, part in enumerate(parts)
    ]
    sent = [client.learn(start)[0] for client in clients]
    found = mean(sent, [client.count for client in clients])
    set_weights(task, start)
    right, _ = FederatedClient(task, EXAMPLES, 8, 16).learn(start)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    plain = mean(sent, None)
    assert max(np.abs(x - y).max() for x, y in zip(plain, right, strict=True)) > 1e-3


def test_what_a_client_learns_depends_on_no_other():
    def last(alone: bool):
        task = classifier("adam", rate=0.01, dropout=0.1)
        set_weights(task, START)
        one = FederatedClient(task, EXAMPLES[:4], 2, seed=1)
        other = FederatedClient(task, EXAMPLES[4:], 2, seed=2)
        weights, _ = one.learn(START)
        if not alone:
            other.learn(START)
        return one.learn(weights)[0]

    START = weights_of(classifier())
    for one, other in zip(last(True), last(False), strict=True):
        np.testing.assert_array_equal(one, other)


def test_noise_is_another_one_for_each_client_and_each_time():
    pytest.importorskip("dp_accounting")
    task = classifier(privacy=DPSGD(clip_norm=1e-3, noise_multiplier=1e3), rate=1.0)
    start = weights_of(task)
    clients = [FederatedClient(task, EXAMPLES, 7, seed=seed) for seed in (1, 2)]
    sent = [client.learn(start)[0] for client in (*clients, clients[0])]
    noise = [
        np.concatenate([(x - y).ravel() for x, y in zip(own, start, strict=True)])
        for own in sent
    ]
    assert noise[0].std() == pytest.approx(1.0 / 7, rel=0.05)
    correlations = np.corrcoef(noise) - np.eye(3)
    assert np.abs(correlations).max() < 0.1
    assert [client.updates for client in clients] == [2, 1]
    assert clients[0].spent() > clients[1].spent() > 0.0


def test_shares_are_all_examples_once():
    labels = ["a"] * 700 + ["b"] * 300
    for skew in (None, 0.5, 100.0):
        shares = federated_shares(labels, 10, skew, least=5, seed=3)
        assert sorted(np.concatenate(shares)) == list(range(1000))
        assert min(map(len, shares)) >= 5
    sizes = [len(share) for share in federated_shares(labels, 10)]
    assert sizes == [18, 37, 54, 73, 91, 109, 127, 146, 163, 182]


def test_skew_says_how_unlike_clients_are():
    labels = np.repeat([0, 1], 1000)

    def spread(skew):
        shares = federated_shares(labels, 10, skew, least=10)
        return np.std([labels[share].mean() for share in shares])

    assert spread(0.5) > 0.3 > 0.1 > spread(100.0)
    assert spread(None) < 0.1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"clients": 0}, "too few for 0 clients"),
        ({"clients": 3, "least": 2}, "4 examples are too few for 3 clients"),
        ({"clients": 2, "skew": 0.0}, "skew must be positive"),
        ({"clients": 4, "skew": 1e-4}, "no draw gives each of 4 clients 1"),
    ],
)
def test_shares_that_there_are_not(how, message):
    with pytest.raises(ValueError, match=message):
        federated_shares("aabb", **how)


def test_what_is_no_client():
    task = encoder_task(TextClassifier, labels=["a", "b"])
    with pytest.raises(ValueError, match="compile the task"):
        FederatedClient(task, EXAMPLES)
    with pytest.raises(ValueError, match="for another task"):
        set_weights(task, weights_of(task)[:-1])


def test_a_client_that_is_not_private_tells_no_epsilon():
    client = FederatedClient(classifier(), EXAMPLES, batch_size=3)
    with pytest.raises(ValueError, match="privacy=DPSGD"):
        client.spent()
