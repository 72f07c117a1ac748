"""Folders of Hugging Face, in and out: models, tokenizers, adapters."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.huggingface.generation import read_options
from massivetext_keras.huggingface.models import (
    head_named,
    heads_in,
    load,
    read_config,
    save,
)
from massivetext_keras.huggingface.peft import Lora, is_peft, read_lora
from massivetext_keras.huggingface.positions import shortened
from massivetext_keras.huggingface.tokenizers.read import from_huggingface
from massivetext_keras.huggingface.tokenizers.write import huggingface_files

__all__ = [
    "Lora",
    "from_huggingface",
    "head_named",
    "heads_in",
    "huggingface_files",
    "is_peft",
    "load",
    "read_config",
    "read_lora",
    "read_options",
    "save",
    "shortened",
]
