"""Special tokens by name inside texts: ids where they are asked for, else characters.

A text that somebody typed may hold the name of a special token, or a part of one that
what stands beside it makes whole, and must not become one. So it is *escaped*: names
are broken by a byte that occurs in no UTF-8. In what is put together of such texts and
of a template's own, the names that are whole are the template's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

import tensorflow as tf

from massivetext_keras.tokenizers.parts.added_tokens import first_of

# None of them occurs in valid UTF-8.
_BREAK, _WHOLE, _CUT = b"\xfd", b"\xfe", b"\xff"
_BREAK_CHARACTER = _BREAK.decode("utf-8", "surrogateescape")
_BLANK = r"\t-\r \x{85}\p{Z}"
_WS = rf"[{_BLANK}]*"


class SpecialTokens(tf.Module):
    """Finds the names of special tokens in texts.

    Names of one byte, which cannot be broken, are not looked for.

    Arguments:
        ids: name -> id.
        lstrip, rstrip: names that take the white space before or after them along, as
            Phi's `<|end|>` does.

    >>> special = SpecialTokens({"<s>": 1})
    >>> parts, ids = special.split(tf.constant(["<s>a"]))
    >>> parts.to_list(), ids.numpy().tolist()
    ([[b'', b'', b'a']], [-1, 1, -1])
    >>> special.split(special.escape(tf.constant(["<s>a"])))[0].to_list()
    [[b'\\xfd<\\xfds>a\\xfd']]
    """

    def __init__(
        self,
        ids: Mapping[str, int],
        lstrip: Sequence[str] = (),
        rstrip: Sequence[str] = (),
    ):
        super().__init__(name="special_tokens")
        self.strips = {"lstrip": tuple(lstrip), "rstrip": tuple(rstrip)}
        ids = {name: index for name, index in ids.items() if len(name.encode()) > 1}
        # RE2 takes the first alternative that matches
        self._names = names = tuple(sorted(ids, key=len, reverse=True))
        kinds: dict[tuple[bool, bool], list[str]] = {}
        for name in names:
            kind = (name in lstrip, name in rstrip)
            kinds.setdefault(kind, []).append(re.escape(name))
        self._pattern = "|".join(
            f"{_WS * left}(?:{'|'.join(names)}){_WS * right}"
            for (left, right), names in sorted(kinds.items())
        )
        rests: dict[str, list[str]] = {}  # beginnings -> what may follow
        for name in names:
            rests.setdefault(name[0], []).append(re.escape(name[1:]))
        self._breaks = tuple(
            (f"{re.escape(first)}({'|'.join(some)})", _rewrite(first))
            for first, some in rests.items()
        )
        # Where a name may go on beside a text; blanks, which a token may take along,
        # stay outside if no name has any.
        blank, other = _WS, f"[^{_BLANK}]"
        if any(character.isspace() for name in names for character in name):
            blank, other = "", "(?s:.)"
        edges = rf"\A({blank})({other})", rf"({other})({blank})\z"
        between = rb"\1" + _BREAK + rb"\2"
        self._edges = tuple((edge, between) for edge in edges) if names else ()
        with tf.init_scope():
            pairs = tf.lookup.KeyValueTensorInitializer(
                ["", *ids], tf.constant([-1, *ids.values()], tf.int32)
            )
            self._index = tf.lookup.StaticHashTable(pairs, -1)

    @functools.cached_property
    def _times(self) -> int:
        """Passes that break all names."""
        return 1 + _meet(self._names)

    def escape(self, text: tf.Tensor) -> tf.Tensor:
        """Breaks the names in valid UTF-8, and those that begin before it or end behind
        it, inside a graph; a string tensor."""
        for pattern, broken in (*self._breaks * self._times, *self._edges):
            text = tf.strings.regex_replace(text, pattern, broken)
        return text

    @functools.cached_property
    def _any_name(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._names)))

    def escape_text(
        self, text: str, said: Sequence[tuple[int, int]] | None = None
    ) -> str:
        """The same of a Python string; bytes that are no UTF-8 are surrogates in it.

        Arguments:
            text: valid Unicode.
            said: from where to where it was typed, in order (None: all of it). A name
                stays that has no character there.

        >>> special = SpecialTokens({"<s>": 1})
        >>> text = special.escape_text("<s>a<s>", [(3, 5)])
        >>> text.encode("utf-8", "surrogateescape")
        b'<s>a<\\xfds>'
        """
        if not self._names:
            return text
        longest = len(self._names[0])
        before, within = set(), set()
        for start, end in [(0, len(text))] if said is None else said:
            place = max(start - longest + 1, 0)
            while found := self._any_name.search(text, place, end + longest - 1):
                place = found.start() + 1
                if found.start() >= start:
                    if found.start() < end:
                        within.add(found.start())
                elif found.end() > start:
                    before.add(start)
        parts, last = [], 0
        for place in sorted(before | within):
            parts += [text[last:place], _BREAK_CHARACTER * (place in before)]
            broken = _broken(text[place].encode()).decode("utf-8", "surrogateescape")
            parts.append(broken if place in within else text[place])
            last = place + 1
        return "".join([*parts, text[last:]])

    def split(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Cuts texts at special tokens, inside a graph.

        Arguments:
            text: string [n], escaped or not.
        Returns:
            string [n, (parts)], what is no special token, else ""; and int32 [parts],
            the id of each part, -1 for text.
        """
        if self._names:
            whole = _CUT + _WHOLE + rb"\0" + _CUT
            text = tf.strings.regex_replace(text, self._pattern, whole)
        parts = tf.strings.split(text, sep=_CUT)
        flat = parts.flat_values
        special = tf.strings.substr(flat, 0, 1) == _WHOLE
        names = tf.strings.regex_replace(tf.where(special, flat, b""), r"\A\C", "")
        names = tf.where(special, names, b"")
        ids = self._index.lookup(names)
        stripped = tf.strings.regex_replace(names, rf"\A{_WS}|{_WS}\z", "")
        ids = tf.where(ids < 0, self._index.lookup(stripped), ids)
        return parts.with_flat_values(tf.where(special, b"", flat)), ids


def tokenize_pieces(tokenizer, pieces: tf.Tensor) -> tf.RaggedTensor:
    """See `Tokenizer.tokenize_pieces`."""
    rows, count = tf.unstack(tf.shape(pieces, tf.int64))
    parts, special = tokenizer.special_tokens.split(tf.reshape(pieces, [-1]))
    text, place = _unescaped(parts.flat_values), parts.value_rowids()
    # nothing stands between two special tokens that touch
    there = (text != "") | (special >= 0)
    text, special, place = (tf.boolean_mask(x, there) for x in (text, special, place))
    if tokenizer._prefixed is None:
        ids = tokenizer._tokenize(text)
    else:
        row = place // tf.maximum(count, 1)
        first = first_of(row)
        if tokenizer._prefixed == "always":
            first |= tf.concat([[False], special[:-1] >= 0], 0)[: tf.size(row)]
        begun = tokenizer._tokenize(tf.where(first, text, ""))
        further = tokenizer._tokenize_further(tf.where(first, "", text))
        ids = tf.concat([begun, further], axis=1)
    special = tf.ragged.boolean_mask(special[:, None], special[:, None] >= 0)
    ids = tf.concat([ids, special], axis=1)
    lengths = tf.math.unsorted_segment_sum(ids.row_lengths(), place, rows * count)
    return tf.RaggedTensor.from_row_lengths(ids.flat_values, lengths)


def _unescaped(text: tf.Tensor) -> tf.Tensor:
    """Escaped strings [n] as they were."""
    return tf.strings.reduce_join(tf.strings.split(text, sep=_BREAK), axis=-1)


def _rewrite(first: str) -> bytes:
    """What RE2 puts for a name that begins so."""
    return _broken(first.encode()).replace(b"\\", rb"\\") + rb"\1"


def _broken(name: bytes) -> bytes:
    return name[:1] + _BREAK + name[1:]


def _meet(names: Sequence[str]) -> bool:
    """Whether a name may begin inside another one: one pass does not break both."""
    whole = set(names)
    begun = {name[:size] for name in names for size in range(1, len(name))}
    return any(
        name[start:] in begun
        or any(name[start:end] in whole for end in range(start + 2, len(name) + 1))
        for name in names
        for start in range(1, len(name))
    )
