"""What classes a model tells, as Hugging Face stores it in `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROBLEMS = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
_TELLS = ("ForSequenceClassification", "ForTokenClassification")


def label_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The labels, and of whole texts the problem, of a model that tells classes.

    Args:
        values: of `config.json`; where labels are left out, transformers means two.

    >>> label_options(
    ...     {
    ...         "architectures": ["BertForSequenceClassification"],
    ...         "id2label": {"1": "spam", "0": "ham"},
    ...     }
    ... )
    {'labels': ('ham', 'spam'), 'problem': 'single_label'}
    >>> label_options({"architectures": ["BertModel"]})
    {}
    """
    names = values.get("architectures") or [""]
    if not names[0].endswith(_TELLS):
        return {}
    table = values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    labels = tuple(str(table[key]) for key in sorted(table, key=int))
    if names[0].endswith(_TELLS[1]):
        return {"labels": labels}
    ours = {theirs: ours for ours, theirs in _PROBLEMS.items()}
    usual = "regression" if len(labels) == 1 else "single_label"
    problem = ours.get(values.get("problem_type"), usual)
    return {"labels": () if problem == "regression" else labels, "problem": problem}


def label_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `label_options`.

    >>> label_values({"labels": ("a", "b"), "problem": "multi_label"})["id2label"]
    {'0': 'a', '1': 'b'}
    """
    labels = options.get("labels") or ("LABEL_0",)
    return {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": _PROBLEMS[options.get("problem", "single_label")],
    }
