"""All backbones of KerasHub that are read, by the names of their modules."""

from __future__ import annotations

from typing import Any

from massivetext_keras.kerashub.families import decoders, encoder_decoders, encoders
from massivetext_keras.kerashub.families.family import Backbone
from massivetext_keras.support.values import nearest

# The first that can hold a model is what it is written as.
FAMILIES: dict[str, Backbone] = {
    "bert": encoders.BERT,
    "roberta": encoders.ROBERTA,
    "distil_bert": encoders.DISTILBERT,
    "albert": encoders.ALBERT,
    "electra": encoders.ELECTRA,
    "gpt2": decoders.GPT2,
    "gpt_neo_x": decoders.GPT_NEOX,
    "llama3": decoders.LLAMA3,
    "llama": decoders.LLAMA,
    "mistral": decoders.MISTRAL,
    "mixtral": decoders.MIXTRAL,
    "qwen": decoders.QWEN,
    "bart": encoder_decoders.BART,
    "t5": encoder_decoders.T5,
}
_KIND = "Backbone"


def family_named(class_name: Any) -> str:
    """The key of a class of backbones in `FAMILIES`.

    Raises:
        ValueError: it is none of them; names the nearest one.

    >>> family_named("DistilBertBackbone")
    'distil_bert'
    >>> family_named("Qwen3Backbone")
    Traceback (most recent call last):
    ValueError: class_name='Qwen3Backbone' is not read: did you mean 'QwenBackbone'?
    """
    classes = {f"{x.architecture}{_KIND}": name for name, x in FAMILIES.items()}
    if class_name in classes:
        return classes[class_name]
    hint = nearest(str(class_name), classes)
    raise ValueError(f"class_name={class_name!r} is not read: {hint}")
