"""All families of models at Hugging Face, and what is said of one that is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from massivetext_keras.huggingface.families import decoders, encoder_decoders, encoders
from massivetext_keras.huggingface.families.family import Family
from massivetext_keras.huggingface.labels import architecture

# The first that can hold a model is what it is written as.
FAMILIES: dict[str, Family] = {
    "bert": encoders.BERT,
    "roberta": encoders.ROBERTA,
    "xlm-roberta": encoders.XLM_ROBERTA,
    "camembert": encoders.CAMEMBERT,
    "distilbert": encoders.DISTILBERT,
    "albert": encoders.ALBERT,
    "electra": encoders.ELECTRA,
    "gpt2": decoders.GPT2,
    "gpt_neox": decoders.GPT_NEOX,
    "llama": decoders.LLAMA,
    "mistral": decoders.MISTRAL,
    "qwen2": decoders.QWEN2,
    "mixtral": decoders.MIXTRAL,
    "bart": encoder_decoders.BART,
    "marian": encoder_decoders.MARIAN,
    "t5": encoder_decoders.T5,
    "mt5": encoder_decoders.MT5,
}


def unknown_family(values: Mapping[str, Any]) -> ValueError:
    """The error for a `model_type` that is not read: it names the families of the same
    kind, and the one whose config has most of the same fields.

    >>> str(unknown_family({"pad_token_id": 1, "vocab_size": 9}))[-27:]
    'set "model_type": "roberta"'
    """
    class_name, kind = architecture(values), None
    if values.get("is_encoder_decoder"):
        kind = "encoder_decoder"
    elif class_name.endswith(("CausalLM", "LMHeadModel")):
        kind = "decoder"
    elif class_name:
        kind = "encoder"
    known = [name for name, x in FAMILIES.items() if kind in (None, x.base.stack)]

    def likeness(name: str) -> tuple[int, bool]:
        theirs = {str(x) for v in FAMILIES[name].fields.values() for x in np.ravel(v)}
        is_roberta = values.get("pad_token_id") == 1 and name == "roberta"
        return len(theirs & values.keys()), is_roberta

    nearest, hint = max(known, key=likeness), ""
    if likeness(nearest)[0]:
        hint = (
            f"; {nearest} has most of its fields: if it is one, set "
            f'"model_type": "{nearest}"'
        )
    what = "" if kind is None else f" {kind.replace('_', '-')}s"
    name = json.dumps(values.get("model_type"))
    return ValueError(
        f"model_type={name} is not supported; known{what}: {', '.join(known)}{hint}"
    )
