"""Checkpoints of TensorFlow 1 as their authors published them."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.checkpoints.bert import BertFolder

__all__ = ["BertFolder"]
