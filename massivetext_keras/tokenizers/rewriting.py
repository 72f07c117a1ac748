"""What is done to a text before its tokens are found, in the graph."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

# space of SentencePiece
SPACE = "\u2581"
NORMAL_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def rewrite(texts: tf.Tensor, steps: Sequence[Sequence[str]]) -> tf.Tensor:
    r"""Carries out steps, one after the other.

    | step | what it does |
    |---|---|
    | NFC, NFD, NFKC, NFKD | Unicode's normal form |
    | lowercase | of each character alone |
    | strip_accents | removes all marks |
    | replace, old, new | a literal string |
    | spaces | makes each kind of white space a space |
    | strip_end | removes white space from the end |
    | prefix | puts a space before a text that begins with none |

    Arguments:
        texts: string [n], valid UTF-8.
        steps: (name, arguments ...).
    Raises:
        ValueError: there is no such step.

    >>> steps = [["replace", "``", '"'], ["NFKD"], ["strip_accents"], ["lowercase"]]
    >>> rewrite(tf.constant(["``ÉTÉ"]), steps).numpy()[0].decode()
    '"ete'
    """
    for name, *arguments in steps:
        if name in NORMAL_FORMS:
            texts = tf_text.normalize_utf8(texts, name)
        elif name in _STEPS:
            texts = _STEPS[name](texts, *arguments)
        else:
            raise ValueError(f"rewrites: there is no step {name!r}")
    return texts


def _lowercase(texts: tf.Tensor) -> tf.Tensor:
    # at a word's end the small letter would be another one
    texts = tf.strings.regex_replace(texts, "Σ", "σ")
    return tf.strings.lower(texts, encoding="utf-8")


def _replace(texts: tf.Tensor, old: str, new: str) -> tf.Tensor:
    return tf.strings.regex_replace(texts, re.escape(old), new.replace("\\", r"\\"))


def _regex(pattern: str, new: str):
    return lambda texts: tf.strings.regex_replace(texts, pattern, new)


_WS = r"[\t-\r \x{85}\p{Z}]"

_STEPS = {
    "lowercase": _lowercase,
    "replace": _replace,
    "strip_accents": _regex(r"\p{M}+", ""),
    "spaces": _regex(_WS, " "),
    "strip_end": _regex(rf"{_WS}+\z", ""),
    "prefix": _regex(rf"\A[^ {SPACE}]", r" \0"),
}
