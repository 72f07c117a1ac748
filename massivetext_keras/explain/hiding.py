"""Scores from what a task says of a text with parts of it hidden: occlusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from massivetext_keras.explain.explanation import by_word
from massivetext_keras.explain.gradients import Found
from massivetext_keras.explain.graphs import Ask, scores
from massivetext_keras.explain.questions import Question
from massivetext_keras.support.values import choose

_MOST_ROWS = 8192  # that are held at a time

# bool [rows, units], which units are seen -> float32 [rows], the outputs
Game = Callable[[np.ndarray], np.ndarray]


class Units(NamedTuple):
    """What is hidden together: a token, or the tokens of a word.

    Attributes:
        groups: int [tokens], which unit each token is of.
        offsets: int [units, 2], in characters.
    """

    groups: np.ndarray
    offsets: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]  # hides that of tuple
        return len(self.offsets)


def units_of(question: Question, unit: str = "token") -> Units:
    """The units of a text.

    Args:
        question: about the text.
        unit: "token" or "word".
    """
    choose("unit", unit, {"token": 0, "word": 0})
    if unit == "word":
        return Units(*by_word(question.text, question.offsets))
    return Units(np.arange(len(question.places)), question.offsets)


def game_of(task, question: Question, units: Units, base_id: int) -> Game:
    """The outputs for a text in which units are hidden.

    Args:
        task: that is asked.
        question: about the text.
        units: of it.
        base_id: what stands for hidden tokens.
    """

    def outputs(seen: np.ndarray) -> np.ndarray:
        found = []
        for at in range(0, len(seen), _MOST_ROWS):
            rows = question.hidden(seen[at : at + _MOST_ROWS][:, units.groups], base_id)
            found.append(scores(task, [Ask(question, row) for row in rows]))
        return np.concatenate(found)

    return outputs


def occlusion(
    task, questions: Sequence[Question], units: Sequence[Units], base_id: int
) -> list[Found]:
    """What the output loses with each unit hidden (Zeiler & Fergus, 2014; Li et al.,
    2016).

    Args:
        task: that is asked.
        questions: about texts; all their rows go into the same batches.
        units: of each text.
        base_id: what stands for hidden tokens.
    """
    asked, sizes = [], []
    for question, some in zip(questions, units, strict=True):
        seen = _all_but_one(some.count)
        rows = question.hidden(seen[:, some.groups], base_id)
        asked += [Ask(question, row) for row in rows]
        sizes.append(len(rows))
    outputs = np.split(scores(task, asked), np.cumsum(sizes)[:-1])
    return [
        ((found[0] - found[2:]).astype(np.float32), float(found[1]), float(found[0]))
        for found in outputs
    ]


def _all_but_one(count: int) -> np.ndarray:
    """All units seen, none, and all but each of them; bool [2 + units, units].

    >>> _all_but_one(2).astype(int).tolist()
    [[1, 1], [0, 0], [0, 1], [1, 0]]
    """
    first = np.stack([np.ones(count, bool), np.zeros(count, bool)])
    return np.concatenate([first, ~np.eye(count, dtype=bool)])
