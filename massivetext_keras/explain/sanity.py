"""Whether explanations are of the model: they must change with its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from massivetext_keras.explain.methods import explain
from massivetext_keras.text.strings import Texts, as_texts


def sanity_check(
    task, texts: Texts, method: str, target: Any, seed: int = 0, **options: Any
) -> dict[str, float]:
    """How alike explanations are before and after weights are randomised (Adebayo et
    al., 2018).

    Head and layers get weights of noise one after another, from the top to the
    embeddings. A method whose scores stay alike does not explain the model.

    Args:
        task: whose weights are changed, and given back.
        texts: one or several.
        method: see `explain`.
        target: see `explain`; what the task says itself would change with the weights.
        seed: of the noise.
        **options: of `explain`.

    Returns:
        By the name of the part that was randomised last, the mean over the texts of the
        rank correlation of scores without their signs (Spearman), from -1 to 1.

    Raises:
        ValueError: there is no target, no text, or as `explain`.
    """
    if target is None:
        raise ValueError("a sanity check needs a target: it is to be the same for all")
    texts, _ = as_texts("text", texts)
    if not texts:
        raise ValueError("there are no texts to explain")
    before = explain(task, texts, method, target, **options)
    found = {}
    with weights_given_back(task):
        random = np.random.default_rng(seed)
        for name, weights in parts_from_the_top(task).items():
            for weight in weights:
                randomize(weight, random)
            after = explain(task, texts, method, target, **options)
            pairs = zip(before, after, strict=True)
            found[name] = float(
                np.mean(
                    [rank_correlation(abs(a.scores), abs(b.scores)) for a, b in pairs]
                )
            )
    return found


def parts_from_the_top(task) -> dict[str, list[keras.Variable]]:
    """The weights of a task: its heads, blocks from the last to the first, the rest.

    Args:
        task: with a backbone.
    """
    parts: dict[str, list[keras.Variable]] = {}
    own = {id(weight) for weight in task.backbone.weights}
    heads = [x for x in task.named_weights().values() if id(x) not in own]
    if heads:
        parts["head"] = heads
    taken = {id(weight) for weight in heads}
    for name in ("decoder", "stack", "encoder"):
        stack: Any = getattr(task.backbone, name, None)
        blocks = list(getattr(stack, "blocks", ()))
        for number in reversed(range(len(blocks))):
            weights = [x for x in blocks[number].weights if id(x) not in taken]
            if weights:
                parts[f"{stack.name}/{number}"] = weights
                taken |= {id(weight) for weight in weights}
    parts["rest"] = [x for x in task.backbone.weights if id(x) not in taken]
    return parts


def randomize(weight: keras.Variable, random: np.random.Generator) -> None:
    """Gives a weight noise with the mean and the deviation that its numbers have.

    Args:
        weight: of floats; others stay.
        random: that the noise is drawn of.
    """
    values = np.asarray(weight.value, np.float32)
    if values.size and keras.backend.is_float_dtype(weight.dtype):
        weight.assign(random.normal(values.mean(), values.std(), values.shape))


@contextlib.contextmanager
def weights_given_back(task) -> Iterator[None]:
    """Within the block the weights of a task may change; behind it they are as before.

    Args:
        task: whose weights they are.
    """
    kept = [(weight, weight.numpy()) for weight in task.weights]
    try:
        yield
    finally:
        for weight, values in kept:
            weight.assign(values)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of ranks, equal numbers sharing theirs; 0 where all
    numbers of a side are equal.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([5.0, 6.0, 7.0]))
    1.0
    """
    x, y = (ranks(side) - (len(side) - 1) / 2.0 for side in (first, second))
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Places of numbers in their order, from 0 on; equal ones have the mean of theirs.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2.0)[index]
