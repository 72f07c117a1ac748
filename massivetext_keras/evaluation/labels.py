"""Measures of labels that were given to texts, as scikit-learn computes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from massivetext_keras.support.extras import need

_MOST_CLASSES = 40  # whose names and numbers a picture has room for
_AVERAGES = ("macro", "micro")
_SCORES = ("f1", "precision", "recall")


def label_measures(
    true: Sequence[str] | Sequence[Sequence[str]],
    predicted: Sequence[str] | Sequence[Sequence[str]],
    labels: Sequence[str] | None = None,
) -> dict[str, float]:
    """Accuracy; F1, precision and recall of each label, their means and overall.

    Args:
        true: the right label of each text, or its right labels.
        predicted: as many.
        labels: to be measured, in this order (None: all that occur, sorted).

    Returns:
        "accuracy", of texts that have exactly the right labels; "f1_macro" (the mean
        over labels), "f1_micro" (of all decisions together), and so of "precision" and
        "recall"; "f1/LABEL", "precision/LABEL" and "recall/LABEL".

    Raises:
        ValueError: there are more of one than of the other, or none.
        ImportError: scikit-learn is not installed.

    >>> measures = label_measures(["a", "b", "a"], ["a", "b", "b"])
    >>> round(measures["accuracy"], 4), round(measures["f1/b"], 4)
    (0.6667, 0.6667)
    """
    _check(true, predicted)
    metrics = need("sklearn.metrics", "evaluation")
    sets = [[_set(x) for x in side] for side in (true, predicted)]
    found = sorted(set().union(*(x for side in sets for x in side)))
    names = list(found if labels is None else labels)
    # a column that is not measured: scikit-learn takes a single one for two classes
    sides = [np.array([[n in x for n in names] + [False] for x in s]) for s in sets]
    columns = [*range(len(names))]
    right = [a == b for a, b in zip(*sets, strict=True)]
    values = {"accuracy": float(np.mean(right))}
    if not names:
        return values

    def scores(average):
        return metrics.precision_recall_fscore_support(
            *sides, labels=columns, average=average, zero_division=0.0
        )

    for average in _AVERAGES:
        precision, recall, f1, _ = scores(average)
        averages = zip(_SCORES, (f1, precision, recall), strict=True)
        values |= {f"{name}_{average}": float(value) for name, value in averages}
    precision, recall, f1, _ = scores(None)
    for name, column in zip(_SCORES, (f1, precision, recall), strict=True):
        rows = zip(names, column, strict=True)
        values |= {f"{name}/{label}": float(value) for label, value in rows}
    return values


def confusion(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> np.ndarray:
    """How often texts of each label were given each label.

    Args:
        true: the right label of each text.
        predicted: as many.
        labels: of the rows and columns; texts with others are not counted.

    Returns:
        int [labels, labels], a row for what is true.

    >>> confusion(["a", "b", "a"], ["a", "b", "b"], ["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    _check(true, predicted)
    metrics = need("sklearn.metrics", "evaluation")
    known = set(labels)
    if not known.intersection(true):  # scikit-learn refuses that
        return np.zeros([len(labels)] * 2, int)
    return metrics.confusion_matrix(true, predicted, labels=list(labels))


def draw_confusion(matrix: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """A confusion matrix as a picture: counts, on the share of their row.

    Args:
        matrix: int [labels, labels], from `confusion`.
        labels: their names.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ImportError: matplotlib is not installed.
    """
    backend = need("matplotlib.backends.backend_agg", "evaluation")
    figures = need("matplotlib.figure", "evaluation")
    matrix, count = np.asarray(matrix), len(labels)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = min(max(5.0, 0.5 * count + 3.0), 16.0)
    figure = figures.Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set(xlabel="predicted", ylabel="true", xticks=[], yticks=[])
    if count <= _MOST_CLASSES:
        names = [_short(label) for label in labels]
        axes.set_xticks(range(count), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(count), names, parse_math=False)
        for row, column in np.argwhere(matrix > 0):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = f"{matrix[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=color)
    canvas = backend.FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def number_measures(
    true: Sequence[float], predicted: Sequence[float]
) -> dict[str, float]:
    """Errors of predicted numbers, and how well they go along with the true ones.

    Args:
        true: the right number of each text.
        predicted: as many.

    Returns:
        "mean_squared_error", "mean_absolute_error", "r2", and the correlations
        "pearson" and "spearman", 0 where one side is all the same.

    >>> number_measures([1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["mean_absolute_error"]
    0.6666666666666666
    """
    _check(true, predicted)
    metrics = need("sklearn.metrics", "evaluation")
    stats = need("scipy.stats", "evaluation")
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    varied = len(true) > 1 and np.ptp(true) > 0 and np.ptp(predicted) > 0
    return {
        "mean_squared_error": float(metrics.mean_squared_error(true, predicted)),
        "mean_absolute_error": float(metrics.mean_absolute_error(true, predicted)),
        "r2": float(metrics.r2_score(true, predicted)) if len(true) > 1 else 0.0,
        "pearson": float(stats.pearsonr(true, predicted)[0]) if varied else 0.0,
        "spearman": float(stats.spearmanr(true, predicted)[0]) if varied else 0.0,
    }


def _check(true: Sequence, predicted: Sequence) -> None:
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            f"{len(true)} right answers and {len(predicted)} predictions: there must "
            "be as many, and some"
        )


def _set(labels: str | Sequence[str]) -> frozenset[str]:
    return frozenset([labels] if isinstance(labels, str) else labels)


def _short(label: str, most: int = 16) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
