"""Texts cut into words, in the graph, the same way for training and in use."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.tokenizers.parts.words import words_of


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
    words = words_of(texts)
    return words.starts, words.ends
