"""Hugging Face's bidirectional encoders and their pretraining heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import (
    Family,
    Head,
    Names,
    blocks,
    number,
    unsupported,
    value_of,
)

_LAYER: Names = {
    "attention/qkv": (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ),
    "attention/output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward/up": "intermediate.dense",
    "feed_forward/down": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}
_MASKED_LM = {
    "head/transform": "cls.predictions.transform.dense",
    "head/norm": "cls.predictions.transform.LayerNorm",
    "head/bias": "cls.predictions.bias",
}
_SPANS = {"head/spans": "qa_outputs"}
_TAGS = {"head": "classifier"}


def _segments(values: Mapping[str, Any]) -> dict[str, Any]:
    if values.get("type_vocab_size") == 0:
        raise unsupported("type_vocab_size", 0, "1 or more")
    return {}


# Devlin et al., 2019
BERT = Family(
    base=transformer("bert_base_uncased").replace(pooler=False),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "num_hidden_layers",
        "hidden_size": "hidden_size",
        "num_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_length": "max_position_embeddings",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "activation": "hidden_act",
        "norm_epsilon": "layer_norm_eps",
        "segment_types": "type_vocab_size",
    },
    names={
        "tokens": "embeddings.word_embeddings",
        "embeddings/positions": "embeddings.position_embeddings",
        "embeddings/segments": "embeddings.token_type_embeddings",
        "embeddings/norm": "embeddings.LayerNorm",
        **blocks("stack", "encoder.layer.{i}", _LAYER),
        "pooler": "pooler.dense",
        "output": "cls.predictions.decoder",
    },
    architecture="BertModel",
    prefix="bert.",
    heads={
        "question_answering": Head("BertForQuestionAnswering", _SPANS),
        "token_classification": Head("BertForTokenClassification", _TAGS),
        "masked_lm": Head("BertForMaskedLM", _MASKED_LM),
        "pretraining": Head(
            "BertForPreTraining",
            {**_MASKED_LM, "head/next_sentence": "cls.seq_relationship"},
        ),
        "classification": Head(
            "BertForSequenceClassification", {"head/classes": "classifier"}
        ),
    },
    only={
        "is_decoder": False,
        "add_cross_attention": False,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
    },
    extra_fields=_segments,
    optional=("pooler",),
    renames=(
        (r"\.decoder\.bias$", ".bias"),
        (r"LayerNorm\.gamma$", "LayerNorm.weight"),
        (r"LayerNorm\.beta$", "LayerNorm.bias"),
    ),
    buffers=r"(.*\.)?(position_ids|token_type_ids)",
)


def _roberta_positions(values: Mapping[str, Any]) -> dict[str, Any]:
    """The first real token's position is the one after padding's."""
    offset = number(values, "pad_token_id", 1) + 1
    if offset < 1:
        raise unsupported("pad_token_id", offset - 1, "0 or more")
    rows = number(values, "max_position_embeddings", 512)
    return {**_segments(values), "max_length": rows - offset, "position_offset": offset}


_DENSE_CLASSIFICATION = {
    "head/transform": "classifier.dense",
    "head/classes": "classifier.out_proj",
}
# Liu et al., 2019
ROBERTA = BERT._replace(
    base=transformer("roberta_base").replace(
        pooler=False, segment_types=2, norm_epsilon=1e-12
    ),
    names={**BERT.names, "output": "lm_head.decoder"},
    architecture="RobertaModel",
    prefix="roberta.",
    heads={
        "question_answering": Head("RobertaForQuestionAnswering", _SPANS),
        "token_classification": Head("RobertaForTokenClassification", _TAGS),
        "masked_lm": Head(
            "RobertaForMaskedLM",
            {
                "head/transform": "lm_head.dense",
                "head/norm": "lm_head.layer_norm",
                "head/bias": "lm_head.bias",
            },
            activation="gelu",
        ),
        "dense_classification": Head(
            "RobertaForSequenceClassification", _DENSE_CLASSIFICATION
        ),
    },
    extra_fields=_roberta_positions,
    extra_values=lambda config: {
        "max_position_embeddings": config.max_length + config.position_offset,
        "pad_token_id": config.position_offset - 1,
    },
)

# Conneau et al., 2020
XLM_ROBERTA = ROBERTA._replace(
    base=ROBERTA.base.replace(vocabulary_size=30522),
    architecture="XLMRobertaModel",
    heads={
        "question_answering": Head("XLMRobertaForQuestionAnswering", _SPANS),
        "token_classification": Head("XLMRobertaForTokenClassification", _TAGS),
        "masked_lm": ROBERTA.heads["masked_lm"]._replace(
            architecture="XLMRobertaForMaskedLM"
        ),
        "dense_classification": Head(
            "XLMRobertaForSequenceClassification", _DENSE_CLASSIFICATION
        ),
    },
)

# Martin et al., 2020
CAMEMBERT = XLM_ROBERTA._replace(
    architecture="CamembertModel",
    heads={
        name: head._replace(
            architecture=head.architecture.replace("XLMRoberta", "Camembert")
        )
        for name, head in XLM_ROBERTA.heads.items()
    },
)

# Sanh et al., 2019
DISTILBERT = BERT._replace(
    base=transformer("distilbert_base_uncased"),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "n_layers",
        "hidden_size": "dim",
        "num_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "max_length": "max_position_embeddings",
        "dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "activation": "activation",
    },
    names={
        **BERT.names,
        **blocks(
            "stack",
            "transformer.layer.{i}",
            {
                "attention/qkv": (
                    "attention.q_lin",
                    "attention.k_lin",
                    "attention.v_lin",
                ),
                "attention/output": "attention.out_lin",
                "attention_norm": "sa_layer_norm",
                "feed_forward/up": "ffn.lin1",
                "feed_forward/down": "ffn.lin2",
                "feed_forward_norm": "output_layer_norm",
            },
        ),
        "output": "vocab_projector",
    },
    architecture="DistilBertModel",
    prefix="distilbert.",
    heads={
        "question_answering": Head("DistilBertForQuestionAnswering", _SPANS),
        "dense_classification": Head(
            "DistilBertForSequenceClassification",
            {"head/transform": "pre_classifier", "head/classes": "classifier"},
        ),
        "token_classification": Head("DistilBertForTokenClassification", _TAGS),
        "masked_lm": Head(
            "DistilBertForMaskedLM",
            {
                "head/transform": "vocab_transform",
                "head/norm": "vocab_layer_norm",
                "head/bias": "vocab_projector.bias",
            },
        ),
    },
    extra_fields=lambda values: {},
    optional=(),
)


def _albert_embedding(values: Mapping[str, Any]) -> dict[str, Any]:
    if values.get("embedding_size", 0) is None:
        raise unsupported("embedding_size", None, "1 or more")
    return _segments(values)


_ALBERT_MASKED_LM = {
    "head/transform": "predictions.dense",
    "head/norm": "predictions.LayerNorm",
    "head/bias": "predictions.bias",
}
# Lan et al., 2020
ALBERT = BERT._replace(
    base=transformer("albert_xxlarge").replace(pooler=False),
    fields={**BERT.fields, "embedding_size": "embedding_size"},
    names={
        **BERT.names,
        "embeddings/projection": "encoder.embedding_hidden_mapping_in",
        **blocks(
            "stack",
            "encoder.albert_layer_groups.0.albert_layers.{i}",
            {
                "attention/qkv": (
                    "attention.query",
                    "attention.key",
                    "attention.value",
                ),
                "attention/output": "attention.dense",
                "attention_norm": "attention.LayerNorm",
                "feed_forward/up": "ffn",
                "feed_forward/down": "ffn_output",
                "feed_forward_norm": "full_layer_layer_norm",
            },
        ),
        "pooler": "pooler",
        "output": "predictions.decoder",
    },
    architecture="AlbertModel",
    prefix="albert.",
    heads={
        "question_answering": Head("AlbertForQuestionAnswering", _SPANS),
        "token_classification": Head("AlbertForTokenClassification", _TAGS),
        "masked_lm": Head("AlbertForMaskedLM", _ALBERT_MASKED_LM),
        "pretraining": Head(
            "AlbertForPreTraining",
            {**_ALBERT_MASKED_LM, "head/next_sentence": "sop_classifier.classifier"},
        ),
        "classification": Head(
            "AlbertForSequenceClassification", {"head/classes": "classifier"}
        ),
    },
    only={**BERT.only, "num_hidden_groups": 1, "inner_group_num": 1},
    extra_fields=_albert_embedding,
)


def _electra_embedding(values: Mapping[str, Any]) -> dict[str, Any]:
    """Projected only if it is of another width."""
    size = value_of(values, "embedding_size", 128)
    same = size == value_of(values, "hidden_size", 256)
    return {**_segments(values), "embedding_size": None if same else size}


# Clark et al., 2020
ELECTRA = BERT._replace(
    base=transformer("electra_small_discriminator"),
    names={
        **BERT.names,
        "embeddings/projection": "embeddings_project",
        "output": "generator_lm_head",
    },
    architecture="ElectraModel",
    prefix="electra.",
    heads={
        "question_answering": Head("ElectraForQuestionAnswering", _SPANS),
        "dense_classification": Head(
            "ElectraForSequenceClassification", _DENSE_CLASSIFICATION
        ),
        "token_classification": Head("ElectraForTokenClassification", _TAGS),
        "masked_lm": Head(
            "ElectraForMaskedLM",
            {
                "head/transform": "generator_predictions.dense",
                "head/norm": "generator_predictions.LayerNorm",
                "head/bias": "generator_lm_head.bias",
            },
            activation="gelu",
        ),
        "discriminator": Head(
            "ElectraForPreTraining",
            {
                "head/transform": "discriminator_predictions.dense",
                "head/score": "discriminator_predictions.dense_prediction",
            },
        ),
    },
    extra_fields=_electra_embedding,
    extra_values=lambda config: {"embedding_size": config.width_of_embedding},
    optional=(),
)
