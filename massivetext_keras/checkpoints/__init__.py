"""Checkpoints of TensorFlow as the models' authors published them."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.checkpoints.bert import BertFolder
from massivetext_keras.checkpoints.folder import CheckpointFolder
from massivetext_keras.checkpoints.t5 import T5Folder

__all__ = ["BertFolder", "CheckpointFolder", "T5Folder"]
