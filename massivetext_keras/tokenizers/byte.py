"""Bytes as tokens."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.tokenizers.base import Tokenizer, Vocabulary
from massivetext_keras.tokenizers.parts.offsets import in_characters

_SPECIAL = ("<pad>", "<s>", "</s>")


class ByteTokenizer(Tokenizer):
    """One id per byte of UTF-8: pad 0, bos 1, eos 2, then byte + 3, as ByT5 does.

    Xue et al. 2022, "ByT5: Towards a Token-Free Future with Pre-trained Byte-to-Byte
    Models", https://arxiv.org/abs/2105.13626 (there 1 is eos and 2 is unk).

    Arguments:
        add_bos, add_eos: see `Tokenizer`.

    >>> tokenizer = ByteTokenizer()
    >>> tokenizer("é").numpy().tolist(), tokenizer.vocabulary_size
    ([198, 172], 259)
    >>> tokenizer.detokenize([1, 198, 172, 2]).numpy().decode()
    'é'
    """

    def __init__(self, **kwargs):
        values = range(256)
        tokens = (*_SPECIAL, *(f"<0x{value:02X}>" for value in values))
        super().__init__(
            Vocabulary(tokens, pad_id=0, bos_id=1, eos_id=2),
            surfaces=[*_SPECIAL] + [bytes([value]) for value in values],
            **kwargs,
        )

    @classmethod
    def train(cls, files=None, *, texts=None, **kwargs) -> ByteTokenizer:
        """Returns a ByteTokenizer: there is nothing to learn from files or texts."""
        return cls(**kwargs)

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        values = tf.io.decode_raw(tf.strings.reduce_join(text), tf.uint8)
        lengths = tf.cast(tf.strings.length(text), tf.int64)
        return tf.RaggedTensor.from_row_lengths(
            tf.cast(values, tf.int32) + len(_SPECIAL), lengths, validate=False
        )

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        ids = self._tokenize(text)
        places = tf.ragged.range(ids.row_lengths())
        places = ids.with_flat_values(tf.cast(places.flat_values, tf.int32))
        return ids, *in_characters(text, places, places + 1)
