"""BERT (Devlin et al., 2019) as google-research and TensorFlow's Model Garden published
it: `bert_config.json`, `bert_model.ckpt` and `vocab.txt`."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.checkpoints.folder import CheckpointFolder
from massivetext_keras.checkpoints.names import TURNED, Variables
from massivetext_keras.checkpoints.variables import read_variables
from massivetext_keras.huggingface.families import encoders
from massivetext_keras.huggingface.families.family import Head, blocks
from massivetext_keras.saving.weights import Tensors
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import read_json
from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.wordpiece import (
    WordPieceTokenizer,
    parse_vocabulary,
)

CONFIG = "bert_config.json"
PARAMETERS = "params.yaml"
VOCABULARY = "vocab.txt"
_MASKED_LM = {
    "head/transform": "cls.predictions.transform.dense",
    "head/norm": "cls.predictions.transform.LayerNorm",
    "head/bias": "cls.predictions.output_bias",
}


def _outputs(layer: str, theirs: str) -> dict[str, str]:
    """A product whose weights have names of their own: [out, in], and all else is
    [in, out]."""
    return {
        f"{layer}/kernel": f"{theirs}output_weights{TURNED}",
        f"{layer}/bias": f"{theirs}output_bias",
    }


def _own_gelu(values: Mapping[str, Any]) -> dict[str, Any]:
    """The "gelu" of that code is the tanh formula, as `modeling.py` has it."""
    is_gelu = values.get("hidden_act", "gelu") == "gelu"
    return {"activation": "gelu_tanh"} if is_gelu else {}


BERT = Variables(
    base=encoders.BERT.base.replace(pooler=True),
    fields=encoders.BERT.fields,
    names={
        "tokens/embeddings": "bert.embeddings.word_embeddings",
        "embeddings/positions/embeddings": "bert.embeddings.position_embeddings",
        "embeddings/segments/embeddings": "bert.embeddings.token_type_embeddings",
        "embeddings/norm": "bert.embeddings.LayerNorm",
        **blocks(
            "stack",
            "bert.encoder.layer_{i}",
            {
                "attention/qkv": tuple(
                    f"attention.self.{part}" for part in ("query", "key", "value")
                ),
                "attention/output": "attention.output.dense",
                "attention_norm": "attention.output.LayerNorm",
                "feed_forward/up": "intermediate.dense",
                "feed_forward/down": "output.dense",
                "feed_forward_norm": "output.LayerNorm",
            },
        ),
        "pooler": "bert.pooler.dense",
    },
    architecture="bert_model.ckpt",
    heads={
        "pretraining": Head(
            "pretraining",
            {**_MASKED_LM, **_outputs("head/next_sentence", "cls.seq_relationship.")},
        ),
        "masked_lm": Head("masked_lm", _MASKED_LM),
        "classification": Head("classifier", _outputs("head/classes", "")),
        "question_answering": Head("squad", _outputs("head/spans", "cls.squad.")),
    },
    only={"norm_first": False},
    extra_fields=_own_gelu,
)

_GARDEN_LM = {**_MASKED_LM, "head/bias": "cls.predictions.output_bias.bias"}
# The same with the names that the layers of the Model Garden have. A head for whole
# texts has a pooler of its own, or takes the encoder's.
GARDEN = BERT._replace(
    names={
        "tokens": "word_embeddings",
        "embeddings/positions": "position_embedding",
        "embeddings/segments": "type_embeddings",
        "embeddings/norm": "embeddings.layer_norm",
        **blocks(
            "stack",
            "transformer.layer_{i}",
            {
                "attention/qkv": tuple(
                    f"self_attention.{part}" for part in ("query", "key", "value")
                ),
                "attention/output": "self_attention.attention_output",
                "attention_norm": "self_attention_layer_norm",
                "feed_forward/up": "intermediate",
                "feed_forward/down": "output",
                "feed_forward_norm": "output_layer_norm",
            },
        ),
        "pooler": "pooler_transform",
    },
    heads={
        "pretraining": Head(
            "BertPretrainerV2",
            {
                **_GARDEN_LM,
                "pooler": "next_sentence.pooler_dense",
                "head/next_sentence": "next_sentence.logits",
            },
        ),
        "masked_lm": Head("BertPretrainerV2", _GARDEN_LM),
        "classification": Head(
            "BertClassifier",
            {
                "pooler": "sentence_prediction.pooler_dense",
                "head/classes": "sentence_prediction.logits",
            },
        ),
        "question_answering": Head(
            "BertSpanLabeler", {"head/spans": "predictions.transform.logits"}
        ),
    },
    other_names={"pooler": "pooler_transform"},
)
_TOKENS = "word_embeddings/embeddings"
# What stands before a variable's name is the name of the model around.
_INNER = re.compile(
    r"(?<![^/])(word_embeddings|position_embedding|type_embeddings|embeddings/layer_norm"
    r"|transformer/layer_\d+|pooler_transform|cls/predictions|next_sentence"
    r"|sentence_prediction|predictions/transform/logits)/.*"
)
# Of `params.yaml`, where it is another name than that of `bert_config.json`.
_FIELDS = {
    "num_layers": "num_hidden_layers",
    "hidden_activation": "hidden_act",
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
}


class BertFolder(CheckpointFolder):
    """A folder of google-research, or of the Model Garden.

    Args:
        path: a local folder.
    """

    descriptions = (CONFIG, PARAMETERS)  # the second is of a run of the Model Garden

    @functools.cached_property
    def config(self) -> TransformerConfig:
        file = self.description
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file")
        try:
            return BERT.read(
                read_json(file) if file.name == CONFIG else _parameters(file)
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}: {error}") from None

    @functools.cached_property
    def tensors(self) -> Tensors:
        return read_variables(self.path, _inner)

    @property
    def family(self) -> Variables:
        return GARDEN if _TOKENS in self.tensors else BERT

    def tokenizer(self) -> Tokenizer:
        """Of `vocab.txt`: "uncased", unless a token of it has a capital letter.

        Raises:
            FileNotFoundError: it is missing.
            ValueError: a token is missing or occurs twice.
        """
        tokens = parse_vocabulary((self.path / VOCABULARY).read_bytes())
        # [CLS] and [unused1] are in all vocabularies
        words = (token for token in tokens if not token.startswith("["))
        lowercase = all(token == token.lower() for token in words)
        return WordPieceTokenizer(
            tokens, lowercase=lowercase, add_bos=True, add_eos=True
        )


def _inner(name: str) -> str:
    found = _INNER.search(name)
    return found[0] if found else name


def _parameters(file: Path) -> dict[str, Any]:
    """What `bert_config.json` would say.

    Raises:
        ValueError: it is no YAML, or not of a run of BERT.
    """
    yaml = need("yaml", "records")
    try:
        values = yaml.safe_load(file.read_text())["task"]["model"]["encoder"]["bert"]
        return {_FIELDS.get(name, name): value for name, value in values.items()}
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML ({error})") from None
    except (KeyError, TypeError, AttributeError):
        raise ValueError("there is no task.model.encoder.bert") from None
