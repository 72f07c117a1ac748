"""KerasHub's bidirectional encoders and their heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import Head, Names, blocks, number
from massivetext_keras.kerashub.families.family import (
    DENSE_CLASSIFICATION,
    MASKED_LM,
    Backbone,
)

_ATTENTION = "_self_attention_layer"
LAYER: Names = {
    "attention/qkv": tuple(
        f"{_ATTENTION}.{x}_dense" for x in ("query", "key", "value")
    ),
    "attention/output": f"{_ATTENTION}.output_dense",
    "attention_norm": "_self_attention_layer_norm",
    "feed_forward/up": "_feedforward_intermediate_dense",
    "feed_forward/down": "_feedforward_output_dense",
    "feed_forward_norm": "_feedforward_layer_norm",
}
_MASKED_LM = {"masked_lm": Head("MaskedLM", MASKED_LM, activation="gelu")}
_CLASSES = {"classification": Head("TextClassifier", {"head/classes": "dense"})}
_DENSE_CLASSES = Head("TextClassifier", DENSE_CLASSIFICATION)

# Devlin et al., 2019; its gelu is the tanh formula there
BERT = Backbone(
    base=transformer("bert_base_uncased").replace(activation="gelu_tanh"),
    fields={
        "vocabulary_size": "vocabulary_size",
        "num_layers": "num_layers",
        "hidden_size": "hidden_dim",
        "num_heads": "num_heads",
        "intermediate_size": "intermediate_dim",
        "max_length": "max_sequence_length",
        "dropout": "dropout",
        "segment_types": "num_segments",
    },
    names={
        "tokens": "reversible_embedding",
        "embeddings/positions": "position_embedding",
        "embeddings/segments": "embedding",
        "embeddings/norm": "layer_normalization",
        **blocks("stack", "transformer_encoder{i}", LAYER),
        "pooler": "dense",
    },
    architecture="Bert",
    heads=_MASKED_LM | _CLASSES,
    optional=("pooler",),
)

# Liu et al., 2019; without the rows of positions that no token has
ROBERTA = Backbone(
    base=transformer("roberta_base").replace(
        position_offset=0, segment_types=0, pooler=False
    ),
    fields={k: v for k, v in BERT.fields.items() if k != "segment_types"},
    names={
        **BERT.names,
        "tokens": "token_and_position_embedding.token_embedding",
        "embeddings/positions": "token_and_position_embedding.position_embedding",
    },
    architecture="Roberta",
    heads=_MASKED_LM | {"dense_classification": _DENSE_CLASSES},
)

# Sanh et al., 2019
DISTILBERT = ROBERTA._replace(
    base=transformer("distilbert_base_uncased"),
    architecture="DistilBert",
    heads={
        **_MASKED_LM,
        "dense_classification": _DENSE_CLASSES._replace(activation="relu"),
    },
)

# Lan et al., 2020
ALBERT = BERT._replace(
    base=transformer("albert_base"),
    fields={**BERT.fields, "embedding_size": "embedding_dim"},
    names={
        **BERT.names,
        "embeddings/projection": "dense",
        "pooler": "dense_1",
    },
    architecture="Albert",
    heads={"masked_lm": Head("MaskedLM", MASKED_LM)} | _CLASSES,
    only={"num_groups": 1, "num_inner_repetitions": 1},
)


def _electra_embedding(values: Mapping[str, Any]) -> dict[str, Any]:
    """Projected only if it is of another width."""
    size = number(values, "embedding_dim", 768)
    same = size == number(values, "hidden_dim", 768)
    return {"embedding_size": None if same else size}


def _electra_names(config: TransformerConfig) -> Names:
    return ALBERT.names if config.embedding_size else {}


# Clark et al., 2020; there is no task for it
ELECTRA = BERT._replace(
    base=transformer("electra_base_discriminator").replace(
        activation="gelu_tanh", pooler=True
    ),
    fields={**BERT.fields, "vocabulary_size": "vocab_size"},
    architecture="Electra",
    heads={},
    extra_fields=_electra_embedding,
    extra_values=lambda config: {"embedding_dim": config.width_of_embedding},
    extra_names=_electra_names,
)
