"""SentencePiece models as TF-Text runs them, each with a resource of its own."""

from __future__ import annotations

import hashlib

import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow_text.python.ops import sentencepiece_tokenizer


class _SharedModel(sentencepiece_tokenizer._SentencepieceModelResource):
    """A model that outlives its kernel, which `tf.random.set_seed` clears away."""

    def _create_resource(self):
        return sentencepiece_tokenizer.gen_sentencepiece_tokenizer.sentencepiece_op(
            model=self._model, shared_name=self._name
        )


def graph_tokenizer(
    model: bytes, out_type: tf.DType = tf.int32
) -> tf_text.SentencepieceTokenizer:
    """Returns TF-Text's tokenizer of a serialized model; strings are pieces.

    Its name tells models apart: in a SavedModel, tokenizers of equal names read one
    and the same model.
    """
    name = f"sentencepiece_{hashlib.sha256(model).hexdigest()}"
    tokenizer = tf_text.SentencepieceTokenizer(model, out_type=out_type, name=name)
    tokenizer._model_resource = _SharedModel(model, name)
    return tokenizer
