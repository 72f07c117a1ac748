"""What classes a model tells, as Hugging Face stores it in `config.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from massivetext_keras.huggingface.families.family import known
from massivetext_keras.huggingface.folder import CONFIG
from massivetext_keras.support.tags import PLACES, tag_names

_PROBLEMS = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
OF_TEXTS, OF_TOKENS = "ForSequenceClassification", "ForTokenClassification"
# Which of `layers.classification.HEADS` a class has, where it is not "pooled".
_HEADS = {
    f"DistilBert{OF_TEXTS}": "pooled_relu",
    f"Electra{OF_TEXTS}": "pooled_gelu",
}
_NEVER = -1e4  # logit of a tag that a model does not tell


def label_options(
    values: Mapping[str, Any], classes: int | None = None
) -> dict[str, Any]:
    """The labels, and of whole texts the problem, of a model that tells classes; of one
    that tags tokens, those of spans and the scheme, {} if its classes are no tags.

    Args:
        values: of `config.json`; where labels are left out, transformers means
            `num_labels`, or two.
        classes: that the head tells (None: not known).

    Raises:
        ValueError: there are as many labels for another number of classes, or the
            problem is unknown.

    >>> label_options(
    ...     {
    ...         "architectures": ["BertForSequenceClassification"],
    ...         "id2label": {"1": "spam", "0": "ham"},
    ...     }
    ... )
    {'labels': ('ham', 'spam'), 'problem': 'single_label', 'head': 'pooled'}
    >>> label_options(
    ...     {
    ...         "architectures": ["BertForTokenClassification"],
    ...         "id2label": {"0": "B-X", "1": "I-X", "2": "O"},
    ...     }
    ... )
    {'labels': ('X',), 'scheme': 'BIO'}
    >>> label_options({"architectures": ["BertModel"]})
    {}
    """
    name, names = architecture(values), _names(values)
    if classes not in (None, len(names)):
        raise ValueError(
            f"the head tells {classes} classes, and {CONFIG} has {len(names)} labels: "
            "set id2label, or num_labels"
        )
    if name.endswith(OF_TOKENS):
        tags = _tags(names)
        labels = tuple(dict.fromkeys(label for _, label in tags if label))
        ends = any(place in "ES" for place, _ in tags)
        told = {"labels": labels, "scheme": "BIOES" if ends else "BIO"}
        return told if labels and _OUTSIDE in tags else {}
    if not name.endswith(OF_TEXTS):
        return {}
    ours = {theirs: ours for ours, theirs in _PROBLEMS.items()}
    usual = "regression" if len(names) == 1 else "single_label"
    kind = values.get("problem_type")
    problem = usual if kind is None else known("problem_type", kind, ours)
    labels = () if problem == "regression" else names
    return {"labels": labels, "problem": problem, "head": head_of(name)}


def label_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `label_options`.

    >>> label_values({"labels": ("a", "b"), "problem": "multi_label"})["id2label"]
    {'0': 'a', '1': 'b'}
    >>> label_values({"labels": ("X",), "scheme": "BIO"})["id2label"]
    {'0': 'O', '1': 'B-X', '2': 'I-X'}
    """
    labels, kind = options.get("labels") or ("LABEL_0",), {}
    if "scheme" in options:
        labels = tag_names(labels, options["scheme"])
    else:
        kind = {"problem_type": _PROBLEMS[options.get("problem", "single_label")]}
    return {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
        **kind,
    }


def head_of(architecture: str) -> str:
    """Our name of the head of a class that tells classes of texts."""
    return _HEADS.get(architecture, "pooled")


def architecture(values: Mapping[str, Any]) -> str:
    """The class of transformers that a `config.json` names, "" if none."""
    return (values.get("architectures") or [""])[0]


def in_order(values: Mapping[str, Any], weights: np.ndarray) -> np.ndarray:
    """Weights of a head of tags in the order of `tag_names`.

    A tag that they do not have is never found, which leaves models of IOB1, or of I-
    and O alone, what they are.

    Args:
        values: of `config.json`; `label_options` knows its labels.
        weights: [tags] or [d, tags], in their order.

    >>> values = {
    ...     "architectures": ["BertForTokenClassification"],
    ...     "id2label": {"0": "I-X", "1": "O"},
    ... }
    >>> in_order(values, np.array([3.0, 5.0])).tolist()
    [5.0, -10000.0, 3.0]
    """
    options, there = label_options(values), _tags(_names(values))
    wanted = _tags(tag_names(options["labels"], options["scheme"]))
    if weights.shape[-1] != len(there):
        raise ValueError(
            f"the head tells {weights.shape[-1]} classes, and id2label has {len(there)}"
        )
    filler = 0.0 if weights.ndim > 1 else _NEVER
    columns = np.full([*weights.shape[:-1], len(wanted)], filler, weights.dtype)
    for column, tag in enumerate(wanted):
        if tag in there:
            columns[..., column] = weights[..., there.index(tag)]
    return columns


def _names(values: Mapping[str, Any]) -> tuple[str, ...]:
    table = values.get("id2label")
    if not table:
        count = values.get("num_labels", 2)
        if type(count) is not int or count < 1:
            raise ValueError(f"num_labels={count!r} is not a number of labels")
        table = {str(i): f"LABEL_{i}" for i in range(count)}
    return tuple(str(table[key]) for key in sorted(table, key=int))


_OUTSIDE = ("O", "")


def _tags(names: Sequence[str]) -> list[tuple[str, str]]:
    """(place in a span, label) of each tag."""
    found = []
    for name in names:
        place, dash, label = name.partition("-")
        if name == "O":
            found.append(_OUTSIDE)
        elif dash and place in PLACES:
            found.append((PLACES[place], label))
        else:
            found.append(("I", name))  # where no place is said
    return found
