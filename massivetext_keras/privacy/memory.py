"""What a trained task remembers: who was in its data, secrets, whole passages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.evaluation.significance import Interval
from massivetext_keras.generation.texts import prompt_ids
from massivetext_keras.optimization.batches import unpacked
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.language_model.task import CausalLM

_SAMPLES = 1000  # of the bootstrap
_AT_ONCE = 32  # passages that are continued together


def losses_of(task: Task, examples: Sequence[Any]) -> np.ndarray:
    """The loss of each example alone, in nats, float64 [n]: of a language model the
    mean over the tokens of a text, of others what they are trained with.

    Raises:
        ValueError: there are none, or one makes several rows.
    """
    if not len(examples):
        raise ValueError("examples: there are none to measure")
    if isinstance(task, CausalLM):
        scores = np.array(task.score([*examples]), np.float64)
        counts = task.count_graph.rows([text.encode() for text in examples])["tokens"]
        return -scores / np.maximum(np.asarray(counts), 1)
    found = []
    for batch in task.example_batches(examples).in_order():
        features, labels, weights = unpacked(batch, task.as_labels, task.weighs_rows)
        _, rows, *_ = task.summed_loss(features, labels, weights, training=False)
        found.append(np.asarray(rows, np.float64))
    losses = np.concatenate(found)
    if len(losses) != len(examples):
        raise ValueError(
            f"{len(examples)} examples make {len(losses)} rows: give shorter ones"
        )
    return losses


def membership(
    task: Task, members: Sequence[Any], others: Sequence[Any], seed: int = 0
) -> Interval:
    """How well the loss tells who was in the training data (Yeom et al., 2018): the
    area under the ROC curve, 0.5 by chance, and where 95 % of resamples have it.

    Args:
        task: that was trained on `members`, and on none of `others`.
        members, others: examples of one kind, some hundred of each.
        seed: of the resamples.

    Raises:
        ValueError: there are none of a kind.
    """
    inside, outside = losses_of(task, members), losses_of(task, others)
    random = np.random.default_rng(seed)
    drawn = [
        area(random.choice(inside, inside.size), random.choice(outside, outside.size))
        for _ in range(_SAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(area(inside, outside), float(low), float(high))


def area(low: np.ndarray, high: np.ndarray) -> float:
    """How often a number of the first is below one of the second, a tie being half.

    >>> area(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    ordered = np.sort(high)
    above = high.size - np.searchsorted(ordered, low, side="right")
    equal = high.size - np.searchsorted(ordered, low, side="left") - above
    return float((above + 0.5 * equal).sum() / (low.size * high.size))


def exposure(lm: CausalLM, form: str, secret: str, candidates: Sequence[str]) -> float:
    """How much less than chance has to be guessed for a secret (Carlini et al., 2019),
    in bits: log2 of all that could stand there, less log2 of the secret's rank by
    probability. Of n candidates it is log2(n + 1) at the most; what the model never saw
    has about 1.4.

    Args:
        form: text around the secret, with "{}" in its place.
        secret: that stood in the training data.
        candidates: others of the same kind, drawn at random, such as of
            `random_digits`; more of them tell more.

    Raises:
        ValueError: the form has no place, or the secret is among the candidates.

    >>> math.log2(512) - math.log2(1)
    9.0
    """
    if form.count("{}") != 1:
        raise ValueError(f"form={form!r} has to have one {{}}, where the secret stands")
    if secret in candidates or not candidates:
        raise ValueError("candidates are others than the secret, at least one")
    texts = [form.replace("{}", x) for x in (secret, *candidates)]
    scores = np.array(lm.score(texts))
    rank = 1 + int((scores[1:] >= scores[0]).sum())
    return math.log2(len(texts)) - math.log2(rank)


def random_digits(digits: int, count: int, seed: int = 0) -> list[str]:
    """Different numbers of so many digits.

    >>> random_digits(3, 2)
    ['865', '230']
    """
    random = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < min(count, 10**digits):
        found["".join(map(str, random.integers(0, 10, digits)))] = None
    return [*found]


def with_canaries(
    texts: Sequence[str], canary: str, times: int, seed: int = 0
) -> list[str]:
    """Texts among which another one stands so many times, at random places.

    >>> with_canaries(["a", "b"], "c", 1, seed=1)
    ['a', 'c', 'b']
    """
    found, random = [*texts], np.random.default_rng(seed)
    for _ in range(times):
        found.insert(int(random.integers(0, len(found) + 1)), canary)
    return found


class Passage(NamedTuple):
    """A passage of the data that a model writes word for word.

    Attributes:
        document: number of the document.
        prompt: what the model was given.
        text: what it went on with, as the document does.
    """

    document: int
    prompt: str
    text: str


class Extraction(NamedTuple):
    """What a model writes of its data.

    Attributes:
        tried: passages that it was given the beginning of.
        found: those that it continued word for word.
    """

    tried: int
    found: list[Passage]

    @property
    def share(self) -> float:
        """Of the passages that were tried."""
        return len(self.found) / self.tried


def extraction(
    lm: CausalLM,
    documents: Sequence[str],
    prompt_tokens: int = 50,
    tokens: int = 50,
    most: int = 1000,
    seed: int = 0,
) -> Extraction:
    """Which passages of its data a model continues word for word, when it writes what
    is most probable (Carlini et al., 2023).

    Args:
        lm: with a tokenizer.
        documents: of the data; of each that is long enough passages one after another
            are tried.
        prompt_tokens: of a passage, that are given.
        tokens: behind them, that have to be the same.
        most: passages that are tried, drawn at random from all of them.
        seed: of which.

    Raises:
        ValueError: no document is long enough, or a passage exceeds the context.
    """
    size, context = prompt_tokens + tokens, lm.config.max_length
    if min(prompt_tokens, tokens) < 1 or size > context:
        raise ValueError(
            f"prompt_tokens={prompt_tokens} and tokens={tokens} have to be positive, "
            f"and together at most the context of {context}"
        )
    tokenizer = lm.need_tokenizer()
    ids = prompt_ids(tokenizer, tf.constant([*documents])).to_list()
    passages = [
        (number, row[i : i + size])
        for number, row in enumerate(ids)
        for i in range(0, len(row) - size + 1, size)
    ]
    if not passages:
        raise ValueError(f"no document has {size} tokens")
    chosen = np.random.default_rng(seed).permutation(len(passages))[:most]
    passages, found = [passages[i] for i in sorted(chosen)], []
    for first in range(0, len(passages), _AT_ONCE):
        some = passages[first : first + _AT_ONCE]
        prompts = [row[:prompt_tokens] for _, row in some]
        written = lm.generate_ids(prompts, tokens, temperature=0, stop_ids=())
        for (number, row), whole in zip(some, written.to_list(), strict=True):
            if whole == row:
                parts = row[:prompt_tokens], row[prompt_tokens:]
                texts = [tokenizer.detokenize(part) for part in parts]
                texts = [text.numpy().decode() for text in texts]
                found.append(Passage(number, *texts))
    return Extraction(len(passages), found)
