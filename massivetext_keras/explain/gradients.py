"""Scores from gradients by the embeddings: times the input, and integrated."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from massivetext_keras.explain.graphs import NO_VECTOR, Ask, gradients, scores
from massivetext_keras.explain.questions import Question

logger = logging.getLogger(__name__)

FEWEST_STEPS, MOST_STEPS = 16, 512

# Scores of the text's tokens, float32 [tokens], the base if there is one, the output.
Found = tuple[np.ndarray, float | None, float]


def gradient_times_input(task, questions: Sequence[Question]) -> list[Found]:
    """The gradient by each token's vector times the vector (Shrikumar et al., 2016).

    It is what a linear model would lose with the vector; the models here are none, so
    the scores need not sum to anything.

    Args:
        task: that is asked.
        questions: about texts.
    """
    asked = [Ask(x, x.ids, np.full_like(x.ids, NO_VECTOR)) for x in questions]
    outputs = scores(task, asked)
    parts = gradients(task, asked)
    return [
        (part[x.places], None, float(output))
        for x, part, output in zip(questions, parts, outputs, strict=True)
    ]


def integrated_gradients(
    task,
    questions: Sequence[Question],
    base_id: int,
    tolerance: float = 0.01,
) -> list[Found]:
    """Gradients along the straight way from hidden tokens to the text, integrated
    (Sundararajan et al., 2017).

    The way is between embeddings; positions and special tokens stay. The integral is
    taken by Gauss and Legendre, with twice as many points as long as the scores do not
    sum to what they should: the output less that of hidden tokens.

    Args:
        task: that is asked.
        questions: about texts.
        base_id: the token that stands for hidden ones.
        tolerance: by which share of that difference the sum may be off.
    """
    ids = [x.ids for x in questions]
    bases = [
        x.hidden(np.zeros([1, len(x.places)], bool), base_id)[0] for x in questions
    ]
    asked = [Ask(x, row) for x, row in zip(questions, ids, strict=True)]
    outputs = scores(task, asked)
    begins = scores(task, [Ask(*pair) for pair in zip(questions, bases, strict=True)])
    found: list = [None] * len(questions)
    left, steps = list(range(len(questions))), FEWEST_STEPS
    while left and steps <= MOST_STEPS:
        points, weights = np.polynomial.legendre.leggauss(steps)
        points, weights = (points + 1.0) / 2.0, weights / 2.0
        asked = [
            Ask(questions[i], ids[i], bases[i], float(point))
            for i in left
            for point in points
        ]
        parts = gradients(task, asked)
        rest = []
        for n, i in enumerate(left):
            rows = np.stack(parts[n * steps : (n + 1) * steps])
            sums = (weights @ rows)[questions[i].places].astype(np.float32)
            found[i] = (sums, float(begins[i]), float(outputs[i]))
            wanted = float(outputs[i] - begins[i])
            if abs(sums.sum() - wanted) > tolerance * abs(wanted):
                rest.append(i)
        left, steps = rest, 2 * steps
    if left:
        logger.warning(
            "integrated gradients of %d of %d texts miss %g of what they explain, with "
            "%d points: see their gap",
            *(len(left), len(questions), tolerance, steps // 2),
        )
    return found
