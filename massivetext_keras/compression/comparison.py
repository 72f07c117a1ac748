"""A task before and after it was made smaller: its size, speed and answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.evaluation.significance import LOWER_IS_BETTER
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.language_model.task import CausalLM

_ROUNDS = 5  # of which the fastest counts
_SOME = 32  # examples that are answered together
_PROMPT, _NEW_TOKENS = 8, 48
_BATCHES = 1, 8  # of texts that a language model writes at once
_WORST = 10


class Side(NamedTuple):
    """A task as one of the two.

    Attributes:
        name: of the form in which it is stored.
        bytes: of its weights, in a file and in memory.
        speeds: name -> answers, or tokens, per second.
        measures: of quality by name, the most important first.
    """

    name: str
    bytes: int
    speeds: dict[str, float]
    measures: dict[str, float]


class Change(NamedTuple):
    """An answer that is another one.

    Attributes:
        asked: the text.
        before, after: what was answered.
        expected: what should be, "" if nobody says.
        cost: by how much the answer is worse; the largest first.
    """

    asked: str
    before: str
    after: str
    expected: str
    cost: float


class Comparison(NamedTuple):
    """What became of a task.

    Attributes:
        before, after: the two.
        count: texts or examples that both answered.
        changed: how many answers are others.
        worst: those that cost most.
    """

    before: Side
    after: Side
    count: int  # type: ignore[assignment]  # hides that of tuple
    changed: int
    worst: list[Change]

    @property
    def share(self) -> float:
        """Bytes after, as a share of those before."""
        return self.after.bytes / self.before.bytes

    @property
    def loss(self) -> float | None:
        """By which share of it the most important measure is worse; below 0, better
        (None: nothing was measured)."""
        if not self.before.measures:
            return None
        name, before = next(iter(self.before.measures.items()))
        worse = before - self.after.measures[name]
        if name in _LOWER:
            worse = -worse
        return worse / abs(before) if before else 0.0

    def rows(self) -> list[tuple[str, str, str, str]]:
        """What is compared, before, after and their ratio, as text."""
        one, other = self.before, self.after
        found = [
            (
                "MB of weights",
                f"{one.bytes / 1e6:.2f}",
                f"{other.bytes / 1e6:.2f}",
                f"{self.share:.3f}",
            )
        ]
        for name, speed in one.speeds.items():
            now = other.speeds[name]
            found.append((name, f"{speed:.1f}", f"{now:.1f}", f"{now / speed:.2f}"))
        for name, value in one.measures.items():
            now = other.measures[name]
            ratio = f"{now / value:.4f}" if value else ""
            found.append((name, f"{value:.4f}", f"{now:.4f}", ratio))
        return found


_LOWER = {*LOWER_IS_BETTER, "perplexity"}


def compare(
    before: Task,
    after: Task,
    examples: Sequence[Any] = (),
    texts: Sequence[str] = (),
    speed: bool = True,
) -> Comparison:
    """Asks two tasks the same.

    Args:
        before, after: of one class, with tokenizers.
        examples: of the task, with what should be said of them.
        texts: of a `CausalLM`, instead: how probable they are, and what is written.
        speed: whether to measure it, in turns, the best of five; so other work on the
            machine falls on both.

    Raises:
        ValueError: a language model was given no texts, or another task no examples.
    """
    writes = isinstance(before, CausalLM)
    asked = list(texts if writes else examples)
    if not asked:
        what = "texts" if writes else "examples"
        raise ValueError(f"compare: a {type(before).__name__} is asked {what}")
    sides, changes = (_likelihoods if writes else _measures)(before, after, asked)
    speeds: tuple[dict, dict] = ({}, {})
    if speed:
        speeds = speeds_of(before, after, asked)
    one, other = (
        Side(name_of(task), weight_bytes(task), seconds, measures)
        for task, seconds, measures in zip((before, after), speeds, sides, strict=True)
    )
    changes.sort(key=lambda change: -change.cost)
    return Comparison(one, other, len(asked), len(changes), changes[:_WORST])


def name_of(task: Task) -> str:
    """The forms in which a task is stored.

    >>> from massivetext_keras.tasks import CausalLM
    >>> name_of(CausalLM.from_preset("gpt_nano", num_layers=1, hidden_size=16))
    'float32'
    """
    forms = {x.form: None for x in task.quantization.storages().values()}
    return " and ".join(forms) or "float32"


def weight_bytes(task: Task) -> int:
    """Bytes of the weights that a preset of a task holds."""
    total = 0
    for weight in task.named_weights().values():
        kind = np.dtype("float16" if weight.dtype == "bfloat16" else weight.dtype)
        total += math.prod(weight.shape) * kind.itemsize
    return total


def _likelihoods(before: CausalLM, after: CausalLM, texts: Sequence[str]):
    """Perplexities of tokens, and the texts that lost most by what is written after
    their first words."""
    tokenize = before.need_tokenizer().tokenize
    lengths = np.maximum(tokenize(list(texts)).row_lengths().numpy(), 1)
    scores = [np.array(task.score(list(texts))) for task in (before, after)]
    sides = [
        {"perplexity": float(np.exp(-found.sum() / lengths.sum()))} for found in scores
    ]
    lost = (scores[0] - scores[1]) / lengths
    some = np.argsort(-lost)[:_WORST]
    prompts = [" ".join(texts[i].split()[:4]) for i in some]
    written = [
        task.generate(prompts, max_new_tokens=24, temperature=0.0)
        for task in (before, after)
    ]
    changes = [
        Change(prompt, one, other, "", float(lost[i]))
        for i, prompt, one, other in zip(some, prompts, *written, strict=True)
        if one != other
    ]
    return sides, changes


def _measures(before: Task, after: Task, examples: Sequence[Any]):
    """Measures of the task's field, and the answers that are others."""
    given = [task.predictions(examples) for task in (before, after)]
    sides = [
        dict(task.measure(examples, predictions))
        for task, predictions in zip((before, after), given, strict=True)
    ]
    changes = []
    for example, one, other in zip(examples, *given, strict=True):
        first, second = _said(one), _said(other)
        if first != second:
            text, expected = _asked(example)
            costs = [_cost(before, example, answer) for answer in (one, other)]
            changes.append(Change(text, first, second, expected, costs[0] - costs[1]))
    return sides, changes


def _said(answer: Mapping[str, Any]) -> str:
    """The words of an answer, without how sure it is."""
    kept = {k: x for k, x in answer.items() if k not in ("score", "scores", "id")}
    return ", ".join(
        f"{x:.3g}" if isinstance(x, float) else f"{x}" for x in kept.values()
    )


def _asked(example: Any) -> tuple[str, str]:
    """The text of an example, and what should be said of it."""
    first, *others = example
    return str(first), str(others[0]) if others else ""


def _cost(task: Task, example: Any, answer: Mapping[str, Any]) -> float:
    """The most important measure of one answer."""
    name, value = next(iter(task.scores([example], [answer]).items()))
    return -value if name in _LOWER else value


def speeds_of(before: Task, after: Task, asked: Sequence[Any]) -> tuple[dict, dict]:
    """Answers or tokens per second of both."""
    runs: dict[str, list[Callable]] = {}
    amounts: dict[str, float] = {}
    if isinstance(before, CausalLM):
        ids = np.random.default_rng(0).integers(
            3, before.config.vocabulary_size, [max(_BATCHES), _PROMPT]
        )
        new = min(_NEW_TOKENS, before.config.max_length - _PROMPT)
        for batch in _BATCHES:
            name = f"tokens/s, batch {batch}"
            amounts[name] = batch * new
            runs[name] = [_writing(task, ids[:batch], new) for task in (before, after)]
    else:
        some = [asked[i % len(asked)] for i in range(_SOME)]
        for count in (1, _SOME):
            name = f"answers/s, batch {count}"
            amounts[name] = count
            runs[name] = [
                (lambda task=task, n=count: task.predictions(some[:n]))
                for task in (before, after)
            ]
    found: tuple[dict, dict] = ({}, {})
    for name, pair in runs.items():
        for side, seconds in zip(found, best_in_turns(pair), strict=True):
            side[name] = amounts[name] / seconds
    return found


def _writing(task: CausalLM, ids: np.ndarray, new: int) -> Callable:
    return lambda: task.generate_ids(
        ids.astype("int32"), max_new_tokens=new, temperature=0.0
    )


def best_in_turns(runs: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of each function's fastest run; they take turns."""
    for run in runs:
        run()  # made and compiled
    best = [math.inf] * len(runs)
    for _ in range(_ROUNDS):
        for i, run in enumerate(runs):
            begun = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - begun)
    return best
