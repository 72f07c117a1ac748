"""How many spans are found, as seqeval counts them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from massivetext_keras.support.extras import need
from massivetext_keras.support.tags import Labelled, Word, tags_of_spans


def span_scores(
    gold: Sequence[Iterable[Labelled]],
    found: Sequence[Iterable[Labelled]],
    words: Sequence[Sequence[Word] | None] | None = None,
) -> dict[str, float]:
    """Precision, recall and F1 of spans, as seqeval counts them in its strict mode.

    A span is right if its first word, its last word and its label are.

    Args:
        gold: (start, end, label) of each text, as people say.
        found: the same, as a model says.
        words: (start, end) of the words of each text, by which is counted; None where
            there are none: then by characters.

    Returns:
        `f1`, `precision` and `recall` over all spans, `macro_f1`, the mean of the
        labels, and `f1/LABEL` of each.

    Raises:
        ImportError: seqeval is not installed.

    >>> words = [[(0, 6), (7, 13), (14, 21)]]
    >>> gold, found = [[(0, 13, "X")]], [[(0, 13, "X"), (14, 21, "X")]]
    >>> scores = span_scores(gold, found, words)
    >>> round(scores["f1"], 2), scores["precision"], scores["recall"]
    (0.67, 0.5, 1.0)
    """
    metrics = need("seqeval.metrics", "evaluation")
    scheme = need("seqeval.scheme", "evaluation").IOB2
    texts = [
        (list(people), list(model), own)
        for people, model, own in zip(
            gold, found, words or [None] * len(gold), strict=True
        )
    ]
    tags: tuple[list, list] = ([], [])
    for people, model, own in texts:
        own = _segments(people, model) if own is None else own
        for side, spans in zip(tags, (people, model), strict=True):
            side.append(tags_of_spans(own, spans))
    if not any(tag != "O" for row in (*tags[0], *tags[1]) for tag in row):
        return {"f1": 1.0, "precision": 1.0, "recall": 1.0, "macro_f1": 1.0}
    how = {"mode": "strict", "scheme": scheme, "zero_division": 0}
    report = metrics.classification_report(*tags, output_dict=True, **how)
    whole, macro = report.pop("micro avg"), report.pop("macro avg")
    report.pop("weighted avg")
    return {
        "f1": float(whole["f1-score"]),
        "precision": float(whole["precision"]),
        "recall": float(whole["recall"]),
        "macro_f1": float(macro["f1-score"]),
        **{f"f1/{label}": float(x["f1-score"]) for label, x in sorted(report.items())},
    }


def _segments(*sides: Iterable[Labelled]) -> list[Word]:
    """The parts between all places where a span begins or ends."""
    places = sorted({place for spans in sides for x in spans for place in x[:2]})
    return list(itertools.pairwise(places))
