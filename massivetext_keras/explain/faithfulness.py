"""How far an explanation can be believed: what the task says without its best parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.explain.hiding import Game, game_of, units_of
from massivetext_keras.explain.methods import METHODS, explain, question_of
from massivetext_keras.explain.questions import base_token
from massivetext_keras.text.strings import Texts, as_texts

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the units (DeYoung et al., 2020)
RANDOM = "random"


class Faithfulness(NamedTuple):
    """Measures of scores; all are means of outputs, such as probabilities.

    Attributes:
        deletion: mean output while units are hidden, that with the highest score first
            (Petsiuk et al., 2018); low is good.
        insertion: mean output while they are shown again, in that order, where all were
            hidden; high is good.
        comprehensiveness: what is lost with the best units hidden, mean over `SHARES`
            (DeYoung et al., 2020); high is good.
        sufficiency: what is lost with all but the best hidden, so; low is good.
    """

    deletion: float
    insertion: float
    comprehensiveness: float
    sufficiency: float


def curves(outputs: Game, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs with 0, 1, … all units hidden, and with 0, 1, … all of them shown.

    Args:
        outputs: of units that are seen.
        scores: [units]; the highest is hidden, or shown, first.

    Returns:
        float32 [units + 1] each.

    >>> def game(seen):
    ...     return seen @ np.array([1.0, 5.0])
    >>> [x.tolist() for x in curves(game, np.array([0.1, 0.9]))]
    [[6.0, 1.0, 0.0], [0.0, 5.0, 6.0]]
    """
    rank = np.argsort(np.argsort(-scores, kind="stable"))
    counts = np.arange(len(scores) + 1)[:, None]
    hidden, shown = rank[None] >= counts, rank[None] < counts
    deletion, insertion = np.split(outputs(np.concatenate([hidden, shown])), 2)
    return deletion, insertion


def area(curve: np.ndarray) -> float:
    """The mean height of a curve over equal steps, by trapezoids.

    >>> area(np.array([6.0, 1.0, 0.0]))
    2.0
    """
    if len(curve) < 2:
        return float(curve.mean())
    return float((curve[1:] + curve[:-1]).mean() / 2.0)


def faithfulness_of(outputs: Game, scores: np.ndarray) -> Faithfulness:
    """The measures of scores of one text.

    Of n units a share s is n s of them, rounded up.

    Args:
        outputs: of units that are seen.
        scores: [units].
    """
    deletion, insertion = curves(outputs, scores)
    counts = [int(np.ceil(round(share * len(scores), 9))) for share in SHARES]
    lost = [deletion[0] - deletion[k] for k in counts]
    missing = [insertion[-1] - insertion[k] for k in counts]
    return Faithfulness(
        area(deletion), area(insertion), float(np.mean(lost)), float(np.mean(missing))
    )


def faithfulness(
    task,
    texts: Texts,
    methods: Sequence[str],
    target: Any = None,
    *,
    output: str | None = None,
    beside: str | None = None,
    baseline: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
) -> dict[str, Faithfulness]:
    """Measures methods on texts, by words, beside scores that are random.

    Args:
        task: that is explained.
        texts: one or several, none without a word.
        methods: names of `METHODS`.
        target, output, beside, baseline: of `explain`. A probability has measures
            between 0 and 1.
        options: of methods, by their names.
        seed: of the random scores.

    Returns:
        The means over all texts of each method, and of "random".

    Raises:
        ValueError: there is no text, or one has no words; or as `explain`.
    """
    texts, _ = as_texts("text", texts)
    if not texts:
        raise ValueError("there are no texts to measure explanations on")
    how = {"output": output, "beside": beside}
    # What the task says itself is asked once, the same for all methods.
    questions = [question_of(task, text, target, **how) for text in texts]
    units = [units_of(question, "word") for question in questions]
    for text, some in zip(texts, units, strict=True):
        if not some.count:
            raise ValueError(f"text {text!r} has no words to score")
    base_id = base_token(task.need_tokenizer(), baseline)
    random = np.random.default_rng(seed)
    scores: dict[str, list[np.ndarray]] = {}
    for name in methods:
        unit = {"unit": "word"} if name in METHODS and METHODS[name].hides else {}
        more = {**how, **unit, "baseline": baseline, **(options or {}).get(name, {})}
        found = explain(task, texts, name, target, **more)
        scores[name] = [x.words().scores for x in found]
    scores[RANDOM] = [random.random(some.count) for some in units]
    games = [
        game_of(task, *pair, base_id) for pair in zip(questions, units, strict=True)
    ]
    return {
        name: Faithfulness(
            *np.mean(
                [faithfulness_of(*x) for x in zip(games, rows, strict=True)], axis=0
            ).tolist()
        )
        for name, rows in scores.items()
    }
