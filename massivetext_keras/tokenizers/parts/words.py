"""Texts cut into words inside the graph, and where in a text each of them is."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.tokenizers.parts.offsets import sums_before

# occurs in no valid UTF-8
_MARK = b"\xff"
# Letters of scripts that put no spaces between words.
_ALONE = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Bopomofo}"
    r"\x{3005}\x{30fc}\x{ff70}"
)
_SPACE = r"\s\p{Z}\p{Cc}"
_MORE = r"[\pM\x{200d}]*"

# What a word is: a run of letters and digits, or any other character, with the marks
# behind it; or whatever stands between spaces.
WORDS = {
    "words": rf"[^{_SPACE}\pP\pS{_ALONE}]+|[^{_SPACE}]{_MORE}",
    "spaces": rf"[^{_SPACE}]+",
}


class Words(NamedTuple):
    """The words of texts.

    Attributes:
        texts: string [n, (words)].
        starts, ends: int32 [n, (words)], the first character of each word and the one
            behind it.
    """

    texts: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def words_of(texts: tf.Tensor, kind: str = "words") -> Words:
    """Cuts texts into words.

    Args:
        texts: string [n], valid UTF-8.
        kind: a key of `WORDS`. "words": a run of letters and digits; or one other
            character that is no space: punctuation, a symbol, or a letter of a script
            without spaces, such as Chinese; each with the marks behind it. "spaces":
            what stands between white space.

    >>> words = words_of(tf.constant(["Ann's 北京"]))
    >>> [word.decode() for word in words.texts[0].numpy()]
    ['Ann', "'", 's', '北', '京']
    >>> words.starts.to_list(), words.ends.to_list()
    ([[0, 3, 4, 6, 7]], [[3, 4, 5, 7, 8]])
    """
    marked = tf.strings.regex_replace(texts, WORDS[kind], _MARK + rb"\0" + _MARK)
    # what is between words and a word, in turn
    parts = tf.strings.split(marked, sep=_MARK)
    sizes = parts.with_flat_values(
        tf.strings.length(parts.flat_values, unit="UTF8_CHAR")
    )
    starts = sums_before(sizes)
    places = tf.ragged.range(parts.row_lengths())
    is_word = places.with_flat_values(places.flat_values % 2 == 1)
    ends = starts.with_flat_values(starts.flat_values + sizes.flat_values)
    return Words(*(tf.ragged.boolean_mask(x, is_word) for x in (parts, starts, ends)))
