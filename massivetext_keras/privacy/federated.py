"""One of many that learn together, each from examples that nobody else sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from massivetext_keras.privacy.accounting import epsilon
from massivetext_keras.tasks.base import Task


class FederatedClient:
    """Trains a task on examples of its own, for federated averaging (McMahan et al.,
    2017): a server sends weights, clients send back what they make of them, and the
    server takes the mean, weighted by `count`.

    Clients of one process may share a task: what a client learns depends on the weights
    that it is given, on its examples, its seed and how often it has learnt, not on the
    others. A schedule of the rate begins anew each time, as the optimizer does, so
    let the rate be constant.

    Args:
        task: compiled, with `privacy` where what is sent is to tell little of a row.
        examples: its own, or files of them.
        batch_size: rows of a batch.
        max_length: tokens of a row (None: the model's `max_length`).
        seed: of the order of its batches, dropout and noise: another one for each
            client, and where `privacy` is given, its own secret.

    Attributes:
        count: its examples.
        updates: that it has made.

    Raises:
        ValueError: the task is not compiled, or there are no examples.
    """

    def __init__(
        self,
        task: Task,
        examples: Any,
        batch_size: int = 32,
        max_length: int | None = None,
        seed: int = 0,
    ):
        if getattr(task, "optimizer", None) is None:
            raise ValueError("compile the task before its clients are made")
        examples = task.examples_of(examples)
        batches = task.example_batches(examples, batch_size, max_length=max_length)
        self.task, self.count, self.batch_size = task, len(examples), batch_size
        self.batches, self.seed = batches.training(seed), seed
        self.updates = self.times = 0
        task.build_optimizer()
        self._first = [variable.numpy() for variable in task.optimizer.variables]

    def learn(
        self, weights: Sequence[np.ndarray], epochs: int = 1
    ) -> tuple[list[np.ndarray], dict[str, float]]:
        """What becomes of weights in some passes over the examples.

        Args:
            weights: of the server, as `weights_of` gives them.
            epochs: passes.

        Returns:
            The weights, and `loss` and other measures of the last pass.
        """
        optimizer = self.task.optimizer
        set_weights(self.task, weights)
        for variable, value in zip(optimizer.variables, self._first, strict=True):
            variable.assign(value)
        # Keys of dropout and noise come from both numbers, and are used once.
        turn = (self.seed * 0x9E3779B1 + self.times) % 2**32
        self.task.randomness.state.assign([turn, self.seed % 2**32])
        history = self.task.fit(self.batches, epochs=epochs, verbose=0)
        self.times += 1
        self.updates += int(optimizer.iterations) - int(self._first[0])
        measures = {name: values[-1] for name, values in history.history.items()}
        return weights_of(self.task), measures

    def spent(self, accountant: str = "rdp") -> float:
        """Epsilon of all that it has sent so far; see `epsilon`.

        Raises:
            ValueError: the task was not compiled with `privacy`.
        """
        privacy = self.task.privacy
        if privacy is None:
            raise ValueError("a client is private by task.compile(privacy=DPSGD(…))")
        return epsilon(privacy, self.count, self.batch_size, self.updates, accountant)


def weights_of(task: Task) -> list[np.ndarray]:
    """What a server and its clients send each other: the weights that are trained."""
    return [variable.numpy() for variable in task.trainable_variables]


def set_weights(task: Task, weights: Sequence[np.ndarray]) -> None:
    """Gives a task what `weights_of` gave.

    Raises:
        ValueError: they are those of another task.
    """
    variables = task.trainable_variables
    given, own = ([tuple(x.shape) for x in some] for some in (weights, variables))
    if given != own:
        raise ValueError(f"weights of the shapes {given} are for another task")
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)


def federated_shares(
    labels: Sequence[Any],
    clients: int,
    skew: float | None = None,
    least: int = 1,
    seed: int = 0,
) -> list[np.ndarray]:
    """Who of some clients has which examples: each example one of them, at random.

    Args:
        labels: of the examples.
        clients: how many.
        skew: of the Dirichlet distribution that says how the examples of each label are
            divided (Hsu et al., 2019): at 0.1 most clients have few labels, at 100 all
            have the same share of each. None: all labels alike, and the last of n
            clients has n times as many examples as the first.
        least: examples that each is to have.
        seed: of the draw.

    Returns:
        For each client int64 [its examples], sorted places in `labels`.

    Raises:
        ValueError: so many examples for each are not there, or not found by 1,000
            draws.

    >>> [share.tolist() for share in federated_shares("aabbab", 2)]
    [[2, 3], [0, 1, 4, 5]]
    """
    if not 0 < clients * least <= len(labels):
        raise ValueError(
            f"{len(labels)} examples are too few for {clients} clients with at least "
            f"{least} each"
        )
    if skew is not None and not skew > 0.0:
        raise ValueError(f"skew must be positive, got {skew}")
    random = np.random.default_rng(seed)
    names = np.asarray([str(label) for label in labels])
    for _ in range(1000):
        groups = [np.arange(len(names))] if skew is None else _by_label(names)
        shares: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for places in groups:
            if skew is None:
                parts = np.arange(1.0, clients + 1)
            else:
                parts = random.dirichlet([skew] * clients)
            ends = np.cumsum(parts)[:-1] / parts.sum() * len(places)
            cut = np.split(random.permutation(places), np.round(ends).astype(int))
            for share, part in zip(shares, cut, strict=True):
                share.append(part)
        found = [np.sort(np.concatenate(share)) for share in shares]
        if min(map(len, found)) >= least:
            return found
    raise ValueError(f"skew={skew}: no draw gives each of {clients} clients {least}")


def _by_label(names: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(names == name) for name in np.unique(names)]
