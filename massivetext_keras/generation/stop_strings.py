"""Strings that end a text, as patterns that are data of one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

REPLACEMENT = "\ufffd"
_NOTHING = r"[^\x00-\x{10FFFF}]"


class StopStrings(NamedTuple):
    """What a text is cut at: the earliest place where one of some strings begins.

    What is left is that of the text that would be written without them, whatever their
    order and however it is cut into tokens. So where one is complete, but another that
    began before it may still become so, the text goes on until that is known.

    Attributes:
        complete: string scalar, a regular expression of the strings.
        begun: string scalar, that of the strings, and of their beginnings where the
            text ends with them.

    >>> stop = StopStrings.make(["ab", "xa"])
    >>> stop.cut(tf.constant(["xab", "bab", "a"])).numpy().tolist()
    [b'', b'b', b'a']
    >>> stop.settled(tf.constant(["xab", "cx", "ca"])).numpy().tolist()
    [b'', b'c', b'c']
    >>> stop.stops(tf.constant(["xab", "cx", "ca"])).numpy().tolist()
    [True, False, False]
    """

    complete: tf.Tensor
    begun: tf.Tensor

    @classmethod
    def make(cls, strings: str | Sequence[str] = ()) -> StopStrings:
        """From one string or several.

        Raises:
            ValueError: one is empty or no string.
        """
        strings = (strings,) if isinstance(strings, str) else tuple(strings)
        for string in strings:
            if not isinstance(string, str):
                raise ValueError(f"a stop string is a string, got {string!r}")
            if not string:
                raise ValueError(
                    "a stop string is empty: it would end every text at once"
                )
        complete = [_pattern(string) for string in strings] or [_NOTHING]
        begun = [_beginnings(string) for string in strings if len(string) > 1]
        begun = [rf"(?:{'|'.join(begun)})\z"] if begun else []
        with tf.init_scope():
            return cls(
                tf.constant(rf"(?s)(?:{'|'.join(complete)}).*"),
                tf.constant(rf"(?s)(?:{'|'.join([*complete, *begun])}).*"),
            )

    @classmethod
    def spec(cls) -> StopStrings:
        """The signature of any strings."""
        return cls(*(tf.TensorSpec([], tf.string, name) for name in cls._fields))

    def is_any(self) -> tf.Tensor:
        """Whether there is a string, bool scalar."""
        return self.complete != StopStrings.make().complete

    def cut(self, texts: tf.Tensor) -> tf.Tensor:
        """Texts up to where a string begins, string [batch]."""
        return tf.strings.regex_replace(texts, self.complete, "", replace_global=False)

    def settled(self, texts: tf.Tensor) -> tf.Tensor:
        """Of texts that are not finished, what nothing can change that follows: without
        a character whose bytes may not all be there, or what may become a string."""
        return tf.strings.regex_replace(
            _without_halves(texts), self.begun, "", replace_global=False
        )

    def stops(self, texts: tf.Tensor) -> tf.Tensor:
        """Whether unfinished texts can be cut, whatever follows, bool [batch]."""
        texts = _without_halves(texts)
        cut = self.cut(texts)
        return (cut != texts) & (cut == self.settled(texts))


def _without_halves(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(texts, f"{REPLACEMENT}+$", "")


def _characters(string: str) -> list[str]:
    """A regular expression for each character; half a surrogate pair is U+FFFD."""
    codes = (0xFFFD if 0xD800 <= ord(c) < 0xE000 else ord(c) for c in string)
    return [rf"\x{{{code:x}}}" for code in codes]


def _pattern(string: str) -> str:
    return "".join(_characters(string))


def _beginnings(string: str) -> str:
    """A regular expression of what a string begins with, but not of all of it."""
    found = ""
    for character in reversed(_characters(string)[:-1]):
        found = f"{character}(?:{found})?" if found else character
    return found
