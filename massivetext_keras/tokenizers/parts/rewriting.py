"""What is done to a text before its tokens are found, in the graph."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_text as tf_text

from massivetext_keras.tokenizers.parts.offsets import Origin

# space of SentencePiece
SPACE = "\u2581"
_MARK = "\ue000"  # for private use, and so of no case
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
        texts = _rewrite(texts, name, arguments)
    return texts


def _rewrite(texts: tf.Tensor, name: str, arguments: Sequence[str]) -> tf.Tensor:
    if name in NORMAL_FORMS:
        return tf_text.normalize_utf8(texts, name)
    if name in _STEPS:
        return _STEPS[name](texts, *arguments)
    raise ValueError(f"rewrites: there is no step {name!r}")


def rewrite_with_origin(
    texts: tf.Tensor, steps: Sequence[Sequence[str]]
) -> tuple[tf.Tensor, Origin]:
    """The same, and where each character of the result is from.

    >>> text, origin = rewrite_with_origin(tf.constant(["e\u0301t"]), [["NFC"]])
    >>> origin.starts.to_list(), origin.ends.to_list()
    ([[0, 2]], [[2, 3]])
    """
    origin = Origin.of(texts)
    for name, *arguments in steps:
        before, texts = texts, _rewrite(texts, name, arguments)
        if name == "prefix":
            origin = origin.shifted(texts != before)
        elif name != "strip_end":  # which leaves the beginning as it is
            unit = WITH_MARKS if name in NORMAL_FORMS else None
            if name == "replace":
                unit = f"(?s){re.escape(arguments[0])}|."
            function = functools.partial(_rewrite, name=name, arguments=arguments)
            origin = origin.rewritten(before, function, unit)
    return texts, origin


def step_to_json(step: Sequence[str]) -> dict[str, Any]:
    """Returns a step as a normalizer of `tokenizer.json`.

    >>> step_to_json(["NFC"])
    {'type': 'NFC'}
    """
    name, *arguments = step
    if name in _JSON:
        return _JSON[name]
    return replacing({"String": arguments[0]}, arguments[1])


def step_of_json(normalizer: dict[str, Any]) -> list[str] | None:
    """Returns the step that a normalizer of `tokenizer.json` is, None if it is none.

    >>> step_of_json({"type": "Lowercase"})
    ['lowercase']
    """
    for name, known in _JSON.items():
        if normalizer == known:
            return [name]
    if normalizer["type"] == "Replace" and "String" in normalizer["pattern"]:
        return ["replace", normalizer["pattern"]["String"], normalizer["content"]]
    return None


def replacing(pattern: dict[str, str], new: str) -> dict[str, Any]:
    """Returns the normalizer that replaces a "String" or a "Regex"."""
    return {"type": "Replace", "pattern": pattern, "content": new}


def _lowercase(texts: tf.Tensor) -> tf.Tensor:
    # At a word's end the small letter would be another one, and at a zero the text
    # would end: zeros are spelled with a mark, as is the mark, and spelled back.
    for old, new in (("Σ", "σ"), (_MARK, f"{_MARK}1"), (r"\x00", f"{_MARK}0")):
        texts = tf.strings.regex_replace(texts, old, new)
    texts = tf.strings.lower(texts, encoding="utf-8")
    for mark, character in ((f"{_MARK}0", b"\0"), (f"{_MARK}1", _MARK)):
        texts = tf.strings.regex_replace(texts, mark, character)
    return texts


def _replace(texts: tf.Tensor, old: str, new: str) -> tf.Tensor:
    return tf.strings.regex_replace(texts, re.escape(old), new.replace("\\", r"\\"))


def _regex(pattern: str, new: str):
    return lambda texts: tf.strings.regex_replace(texts, pattern, new)


# A character and all that may become one with it, or change places behind it: marks,
# and of Korean, also in the forms of compatibility, the letters that are never first.
WITH_MARKS = (
    r"(?s).[\pM\x{1161}-\x{1175}\x{11a8}-\x{11c2}\x{3133}\x{3135}\x{3136}"
    r"\x{313a}-\x{313f}\x{314f}-\x{3163}\x{ff9e}\x{ff9f}\x{ffa3}\x{ffa5}\x{ffa6}"
    r"\x{ffaa}-\x{ffaf}\x{ffc2}-\x{ffdc}]*"
)

_WS = r"[\t-\r \x{85}\p{Z}]"

_STEPS = {
    "lowercase": _lowercase,
    "replace": _replace,
    "strip_accents": _regex(r"\p{M}+", ""),
    "spaces": _regex(_WS, " "),
    "strip_end": _regex(rf"{_WS}+\z", ""),
    "prefix": _regex(rf"\A[^ {SPACE}]", r" \0"),
}

_JSON = {
    **{name: {"type": name} for name in NORMAL_FORMS},
    "lowercase": {"type": "Lowercase"},
    "strip_accents": {"type": "StripAccents"},
    "spaces": replacing({"Regex": r"\s"}, " "),
    "strip_end": replacing({"Regex": r"\s+\z"}, ""),
    "prefix": replacing({"Regex": rf"\A(?=[^ {SPACE}])"}, " "),
}
