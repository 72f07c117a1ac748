"""The example of federated averaging: Flower's rounds are those of a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.privacy import FederatedClient, set_weights, weights_of
from tests.privacy.test_federated import EXAMPLES, classifier, mean

# Flower wants an older protobuf than TensorFlow: see "Federated learning" in
# docs/trust.md for a venv of its own, in which this runs.
pytest.importorskip("flwr", reason="needs flwr, in a venv of its own")


@pytest.mark.parametrize("parts", [1, 3])
def test_rounds_are_those_of_a_plain_loop(parts):
    from examples.federated import federate

    task = classifier()
    start = weights_of(task)
    shares = [EXAMPLES[i * i :: parts] for i in range(parts)]  # of unequal sizes

    def clients():
        return [FederatedClient(task, x, 2, seed=i) for i, x in enumerate(shares)]

    right = start
    own = clients()
    for _ in range(2):
        sent = [client.learn(right, epochs=2)[0] for client in own]
        right = mean(sent, [client.count for client in own])
    set_weights(task, start)
    seen = []
    federate(task, clients(), 2, 2, lambda task: seen.append(weights_of(task)) or 0.5)
    for one, other in zip(weights_of(task), right, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(seen) == 3
    for one, other in zip(seen[0], start, strict=True):
        np.testing.assert_array_equal(one, other)
