"""Texts cut into words, in the graph, the same way for training and in use."""

from __future__ import annotations

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
# a run of letters and digits, or any other character, with the marks behind it
_WORD = rf"[^{_SPACE}\pP\pS{_ALONE}]+|[^{_SPACE}]{_MORE}"


def word_offsets(texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Where the words of texts are.

    A word is a run of letters and digits; or one other character that is no space:
    punctuation, a symbol, or a letter of a script without spaces, such as Chinese; each
    with the marks behind it. Korean has spaces.

    Args:
        texts: string [n], valid UTF-8.

    Returns:
        The first character of each word and the one behind it, int32 [n, (words)].

    >>> starts, ends = word_offsets(tf.constant(["Ann's 北京 U.S."]))
    >>> [[*zip(*row)] for row in zip(starts.to_list(), ends.to_list())]
    [[(0, 3), (3, 4), (4, 5), (6, 7), (7, 8), (9, 10), (10, 11), (11, 12), (12, 13)]]
    """
    marked = tf.strings.regex_replace(texts, _WORD, _MARK + rb"\0" + _MARK)
    # what is between words and a word, in turn
    parts = tf.strings.split(marked, sep=_MARK)
    sizes = parts.with_flat_values(
        tf.strings.length(parts.flat_values, unit="UTF8_CHAR")
    )
    starts = sums_before(sizes)
    places = tf.ragged.range(parts.row_lengths())
    is_word = places.with_flat_values(places.flat_values % 2 == 1)
    ends = starts.with_flat_values(starts.flat_values + sizes.flat_values)
    return tuple(tf.ragged.boolean_mask(x, is_word) for x in (starts, ends))
