"""Presets of KerasHub, in and out, without KerasHub."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.kerashub.models import Folder, save
from massivetext_keras.kerashub.tokenizers import read_tokenizer

__all__ = ["Folder", "read_tokenizer", "save"]
