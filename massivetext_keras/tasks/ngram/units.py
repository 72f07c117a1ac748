"""What n-grams are made of: words, characters, bytes or tokens; in graphs, too."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

import tensorflow as tf

from massivetext_keras.evaluation.words import marks, unspaced_letters
from massivetext_keras.ngram.arpa import SPECIAL
from massivetext_keras.support.values import UnknownName, nearest

_SPACES = b"\0 \t\n\r\v\f"
_ESCAPED = re.compile(r"<0x([0-9A-F]{2})>")


class Units:
    """How a text is cut, for the sequences of an n-gram model.

    Its pieces are bytes, or ids of a tokenizer. In a file each has a name without white
    space, which is most often itself.

    Attributes:
        name: of the way.
        by_line: whether each line is a sequence of its own; else a text is one.
    """

    name: str
    by_line: bool

    def split(self, text: str) -> Sequence[bytes | int]:
        """The pieces of one sequence."""
        raise NotImplementedError

    def split_in_graph(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The same, of string [n]; string or int32 [n, (pieces)]."""
        raise NotImplementedError

    def join(self, pieces: Sequence[bytes | int], before: str = "") -> str:
        """The text of pieces that follow on a text, without it."""
        raise NotImplementedError

    def name_of(self, piece: bytes | int) -> str:
        return piece.decode() if isinstance(piece, bytes) else str(piece)

    def piece_of(self, name: str) -> bytes | int:
        return name.encode()

    def sequences(self, text: str) -> Iterable[str]:
        """The sequences of a text that are not empty."""
        texts = text.split("\n") if self.by_line else [text]
        return [text for text in texts if text and not text.isspace()]

    @property
    def separator(self) -> str:
        """What splits a text into sequences in a graph."""
        return "\n" if self.by_line else ""


class Spaced(Units):
    """What stands between white space, as KenLM has it."""

    name, by_line = "spaced", True

    def split(self, text):
        pieces = text.encode(errors="replace").translate(_AS_SPACE).split()
        if "<" in text:  # names of what is no word
            pieces = [piece for piece in pieces if piece not in _NOT_WORDS]
        return pieces

    def split_in_graph(self, texts):
        texts = tf.strings.regex_replace(texts, r"[\x00\r\v\f\t]", " ")
        pieces = tf.strings.split(texts)
        known = [pieces.values != name for name in SPECIAL]
        return tf.ragged.boolean_mask(
            pieces, pieces.with_values(functools.reduce(tf.logical_and, known))
        )

    def join(self, pieces, before=""):
        text = " ".join(piece.decode() for piece in pieces)
        return f" {text}" if before and not before[-1].isspace() and text else text


class Words(Spaced):
    """The same, but letters of scripts without spaces, as Chinese, stand alone."""

    name = "words"

    def split(self, text):
        return super().split(_alone().sub(r" \g<0> ", text))

    def split_in_graph(self, texts):
        alone = tf.strings.regex_replace(texts, _alone().pattern, r" \0 ")
        return super().split_in_graph(alone)

    def join(self, pieces, before=""):
        marked = super().join(pieces, before)
        letter = f"[{unspaced_letters()}{marks()}]"
        tight = f"(?<={letter}) | (?={letter})"
        return re.sub(tight, "", before[-1:] + marked)[len(before[-1:]) :]


class Characters(Units):
    """Single characters of a whole text; white space has a name such as <0x20>."""

    name, by_line = "characters", False

    def split(self, text):
        return [letter.encode(errors="replace") for letter in text]

    def split_in_graph(self, texts):
        return tf.strings.unicode_split(texts, "UTF-8")

    def join(self, pieces, before=""):
        return b"".join(pieces).decode(errors="replace")

    def name_of(self, piece):
        is_space = len(piece) == 1 and piece in _SPACES
        return f"<0x{ord(piece):02X}>" if is_space else piece.decode()

    def piece_of(self, name):
        found = _ESCAPED.fullmatch(name)
        return bytes([int(found[1], 16)]) if found else name.encode()


class Bytes(Characters):
    """Single bytes of a whole text in UTF-8, by such names."""

    name = "bytes"

    def split(self, text):
        return [bytes([byte]) for byte in text.encode(errors="replace")]

    def split_in_graph(self, texts):
        return tf.strings.bytes_split(texts)

    def name_of(self, piece):
        return f"<0x{ord(piece):02X}>"


class Tokens(Units):
    """Ids of a tokenizer, of a whole text."""

    name, by_line = "tokens", False

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def split(self, text):
        return self.tokenizer.tokenize(text).numpy().tolist()

    def split_in_graph(self, texts):
        return self.tokenizer.tokenize(texts)

    def join(self, pieces, before=""):
        return self.tokenizer.detokenize([pieces]).numpy()[0].decode(errors="replace")

    def name_of(self, piece):
        return str(piece)

    def piece_of(self, name):
        return int(name)


UNITS = {cls.name: cls for cls in (Words, Spaced, Characters, Bytes)}
_NOT_WORDS = frozenset(name.encode() for name in SPECIAL)
_AS_SPACE = bytes.maketrans(b"\0", b" ")


def units_named(name: str, tokenizer=None) -> Units:
    """The way of a name; "tokens" are those of the tokenizer.

    Raises:
        ValueError: it is unknown, or says "tokens" where there is no tokenizer.

    >>> units_named("words").split("ein Haus 北京")
    [b'ein', b'Haus', b'\\xe5\\x8c\\x97', b'\\xe4\\xba\\xac']
    """
    if name == Tokens.name and tokenizer is not None:
        return Tokens(tokenizer)
    if name == Tokens.name:
        raise ValueError("units='tokens' needs the tokenizer that they are of")
    if name not in UNITS:
        known = [*UNITS, Tokens.name]
        raise UnknownName(f"unknown units {name!r}: {nearest(name, known)}")
    return UNITS[name]()


@functools.cache
def _alone() -> re.Pattern[str]:
    """A letter of a script without spaces with its marks, for Python and RE2."""
    return re.compile(f"[{unspaced_letters()}][{marks()}]*")
