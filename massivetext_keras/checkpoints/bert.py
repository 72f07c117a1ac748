"""BERT as google-research published it: `bert_config.json`, `bert_model.ckpt` and
`vocab.txt` (Devlin et al., 2019)."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import Sizes
from massivetext_keras.huggingface.families import encoders
from massivetext_keras.huggingface.families.family import (
    Family,
    Head,
    Names,
    blocks,
    place_of,
)
from massivetext_keras.huggingface.rules import Rule, turned
from massivetext_keras.saving.weights import Tensors, check_shapes
from massivetext_keras.support.files import read_json
from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.wordpiece import (
    WordPieceTokenizer,
    parse_vocabulary,
)

CONFIG = "bert_config.json"
VOCABULARY = "vocab.txt"
_INDEX = ".index"
# Kept beside the weights where they were trained on.
_OF_TRAINING = (
    r"(.*/)?(adam_[mv]|AdamWeightDecayOptimizer.*|global_step|beta[12]_power)"
)
_SUFFIXES = {
    "kernel": "/kernel",
    "bias": "/bias",
    "gain": "/gamma",
    "offset": "/beta",
    "embeddings": "",
}
_OUTPUT = "output_weights"  # [out, in], and all else [in, out]
_MASKED_LM = {
    "head/transform": "cls.predictions.transform.dense",
    "head/norm": "cls.predictions.transform.LayerNorm",
    "head/bias": "cls.predictions.output_bias",
}


class _Checkpoint(Family):
    """A table whose names have dots for the lines of TensorFlow's."""

    __slots__ = ()

    def _rule(
        self,
        names: Names,
        config: TransformerConfig,
        prefix: str,
        path: str,
        sizes: Sizes,
    ) -> Rule:
        _, weight, theirs, is_layer, block = place_of(names, path)
        suffix = _SUFFIXES[weight] if is_layer else ""
        *rows, columns = sizes
        shape = (*rows, sum(columns))
        transposed = theirs[0].endswith(_OUTPUT)
        parts = {}
        columns = columns if len(theirs) > 1 else shape[-1:]
        for name, size in zip(theirs, columns, strict=True):
            name = name.format(i=block).replace(".", "/") + suffix
            part = (*rows, size)
            parts[name] = turned(part) if transposed else part
        return Rule(parts, shape, transposed)


def _outputs(layer: str, theirs: str) -> dict[str, str]:
    """A product whose weights have names of their own."""
    return {
        f"{layer}/kernel": f"{theirs}{_OUTPUT}",
        f"{layer}/bias": f"{theirs}output_bias",
    }


def _own_gelu(values: Mapping[str, Any]) -> dict[str, Any]:
    """The "gelu" of that code is the tanh formula, as `modeling.py` has it."""
    is_gelu = values.get("hidden_act", "gelu") == "gelu"
    return {"activation": "gelu_tanh"} if is_gelu else {}


BERT = _Checkpoint(
    base=encoders.BERT.base.replace(pooler=True),
    fields=encoders.BERT.fields,
    names={
        "tokens": "bert.embeddings.word_embeddings",
        "embeddings/positions": "bert.embeddings.position_embeddings",
        "embeddings/segments": "bert.embeddings.token_type_embeddings",
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
    extra_fields=_own_gelu,
)


class BertFolder:
    """A folder of google-research whose files are read once, when they are asked for.

    Args:
        path: a local folder.

    Raises:
        FileNotFoundError: of whatever is asked: the folder or a file is missing.
        ValueError: a file is damaged, or asks for what would give other numbers.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @functools.cached_property
    def config(self) -> TransformerConfig:
        """The shape that `bert_config.json` describes."""
        file = self.path / CONFIG
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file")
        try:
            return BERT.read(read_json(file))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}: {error}") from None

    @functools.cached_property
    def tensors(self) -> Tensors:
        """The weights by the names of the checkpoint."""
        prefix = self._checkpoint()
        try:
            reader = tf.train.load_checkpoint(str(prefix))
        except (tf.errors.OpError, ValueError) as error:
            raise ValueError(f"{prefix}: not a readable checkpoint ({error})") from None
        shapes = {
            name: tuple(shape)
            for name, shape in reader.get_variable_to_shape_map().items()
            if not re.fullmatch(_OF_TRAINING, name)
        }
        return Tensors(shapes, reader.get_tensor)

    def _checkpoint(self) -> Path:
        """The newest of the folder, or the only one."""
        if newest := tf.train.latest_checkpoint(str(self.path)):
            return Path(newest)
        found = sorted(self.path.glob(f"*{_INDEX}"))
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise FileNotFoundError(
                f"{self.path}: one checkpoint is wanted, as bert_model.ckpt{_INDEX}; "
                f"there is {names}"
            )
        return found[0].with_suffix("")

    def heads(self) -> tuple[str, ...]:
        """The heads whose weights are there."""
        return tuple(
            head for head in BERT.heads if self._names_of(head) <= {*self.tensors}
        )

    def _names_of(self, head: str) -> set[str]:
        table = BERT.table(self.config, "", head)
        rules = (rule for path, rule in table.items() if path.startswith("head/"))
        return {name for rule in rules for name in rule.parts}

    def load(self, head: str | None = None) -> tuple[TransformerConfig, Tensors]:
        """The model: its shape, and weights by our names.

        Args:
            head: one of `heads`, to be loaded with it.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: variables are missing, left over or of another shape.
        """
        tensors = self.tensors
        classes = tensors.shapes.get("output_bias", (2,))[0]
        table = BERT.table(self.config, "", head, classes=classes)
        wanted = {name: s for rule in table.values() for name, s in rule.parts.items()}
        aside = set().union(*map(self._names_of, self.heads())) - wanted.keys()
        found = {k: shape for k, shape in tensors.shapes.items() if k not in aside}
        check_shapes(wanted, found, f"{self.path}: the variables do not fit {CONFIG}")
        shapes = {ours: rule.shape for ours, rule in table.items()}
        return self.config, Tensors(shapes, lambda ours: table[ours].join(tensors))

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
