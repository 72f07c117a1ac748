"""T5 (Raffel et al., 2020) and its version 1.1 as google-research published them:
`operative_config.gin`, `model.ckpt-…` and, from elsewhere, `sentencepiece.model`."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.checkpoints.folder import CheckpointFolder
from massivetext_keras.checkpoints.gin import read_bindings
from massivetext_keras.checkpoints.names import TURNED, Variables
from massivetext_keras.huggingface.families.family import (
    Names,
    blocks,
    require,
    unsupported,
    value_of,
)
from massivetext_keras.huggingface.families.table import FAMILIES, unknown_family
from massivetext_keras.support.files import read_json
from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.parts.rewriting import SPACE
from massivetext_keras.tokenizers.sentencepiece import (
    SentencePieceTokenizer,
    add_sentinels,
    parse_model,
)

GIN = "operative_config.gin"
CONFIG = "config.json"
VOCABULARY = "sentencepiece.model"
_TOKENS, _LOGITS = "shared/embedding", "decoder/logits/kernel"
_SIDES = ("encoder", "decoder")
_SENTINEL = re.compile(f"{SPACE}?(<extra_id_[0-9]+>)")
_EXTRA_IDS = "SentencePieceVocabulary.extra_ids"


def _both(argument: str) -> tuple[str, ...]:
    return tuple(f"{side}/{argument}" for side in _SIDES)


def _names(config: TransformerConfig) -> Names:
    names: dict[str, Any] = {
        "tokens/embeddings": "shared.embedding",
        "output/embeddings": f"decoder.logits.kernel{TURNED}",
    }
    for side, last in zip(_SIDES, ("layer_001", "layer_002"), strict=True):
        first, cross = "layer_000.SelfAttention", "layer_001.EncDecAttention"
        up = f"{last}.DenseReluDense.wi"
        layer: Names = {
            "attention/qkv/kernel": tuple(f"{first}.{part}" for part in "qkv"),
            "attention/output/kernel": f"{first}.o",
            "attention_norm/gain": "layer_000.layer_norm.scale",
            "cross_attention/query/kernel": f"{cross}.q",
            "cross_attention/key_value/kernel": (f"{cross}.k", f"{cross}.v"),
            "cross_attention/output/kernel": f"{cross}.o",
            "cross_attention_norm/gain": "layer_001.layer_norm.scale",
            "feed_forward/up": (f"{up}_0", f"{up}_1") if config.gated else up,
            "feed_forward/down": f"{last}.DenseReluDense.wo",
            "feed_forward_norm/gain": f"{last}.layer_norm.scale",
        }
        names |= blocks(side, f"{side}.block_{{i:0>3}}", layer)
        bias = f"{side}.block_000.{first}.relative_attention_bias{TURNED}"
        names[f"{side}/relative/table"] = bias
        names[f"{side}/final_norm/gain"] = f"{side}.final_layer_norm.scale"
    return names


def _rms_norms() -> Names:
    """Of newer runs, whose layers are called by what they do."""
    names: dict[str, str | tuple[str, ...]] = {}
    for side, last in zip(_SIDES, ("layer_001", "layer_002"), strict=True):
        layers = ("attention", "layer_000"), ("cross_attention", "layer_001")
        layer: Names = {
            f"{ours}_norm/gain": f"{theirs}.rms_norm.scale"
            for ours, theirs in (*layers, ("feed_forward", last))
        }
        names |= blocks(side, f"{side}.block_{{i:0>3}}", layer)
        names[f"{side}/final_norm/gain"] = f"{side}.rms_norm.scale"
    return names


def _feed_forward(values: Mapping[str, Any]) -> dict[str, Any]:
    """From 'relu' or ['gelu', 'linear'], which both sides have."""
    first, second = _both("DenseReluDense.activation")
    kind = value_of(values, first, "relu")
    require(values, {second: kind})
    key = tuple(kind) if isinstance(kind, list) else (kind,)
    if key not in _FEED_FORWARDS:
        raise unsupported(first, kind, *map(list, _FEED_FORWARDS))
    return _FEED_FORWARDS[key]


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    _require_sublayers(values)
    return _feed_forward(values)


def _require_sublayers(values: Mapping[str, Any]) -> None:
    """Refuses what is done around the layers in another order, with the same weights.

    Raises:
        ValueError: it is.
    """
    for part, wanted in _SUBLAYERS.items():
        for name in _both(f"LayerStack.sublayers_{part}"):
            if (text := values.get(name)) is not None:
                found = re.findall(r"@[\w.]*\bsublayer_(\w+)", str(text))
                if found != wanted:
                    raise unsupported(name, found, wanted)


_SUBLAYERS = {
    "initial": ["dropout"],
    "per_layer": ["rms_norm", "call_layer", "dropout", "residual"],
    "final": ["rms_norm", "dropout"],
}
# Its gelu is the tanh formula.
_FEED_FORWARDS: dict[tuple[str, ...], dict[str, Any]] = {
    (theirs, *linear): {"activation": ours, "gated": bool(linear)}
    for theirs, ours in (("relu", "relu"), ("gelu", "gelu_tanh"), ("swish", "silu"))
    for linear in ([], ["linear"])
}
_SIZES: Names = {
    "num_layers": "encoder/make_layer_stack.num_layers",
    "num_decoder_layers": "decoder/make_layer_stack.num_layers",
    "hidden_size": _both("Unitransformer.d_model"),
    "num_heads": _both("SelfAttention.num_heads"),
    "head_size": _both("SelfAttention.key_value_size"),
    "intermediate_size": _both("DenseReluDense.hidden_size"),
}
_ONLY = {
    "SelfAttention.relative_attention_type": "bias_shared",
    "SelfAttention.num_memory_heads": 0,
    "SelfAttention.shared_kv": False,
    "SelfAttention.attention_func": None,
    "SelfAttention.attention_kwargs": None,
    "SelfAttention.combine_dims": True,
    "SelfAttention.keep_query_heads_dims": False,
    "SelfAttention.fold_scaling_into_initializer": True,
    "DenseReluDense.use_bias": False,
    "Unitransformer.positional_embedding": False,
    "Unitransformer.sinusoid_positional_embedding": False,
    "Unitransformer.input_full_attention": False,
    "make_layer_stack.block_scope": True,
}

T5 = Variables(
    base=transformer("t5_small"),
    fields={
        **_SIZES,
        "max_length": "encoder/Unitransformer.max_length",
        "dropout": "encoder/SelfAttention.dropout_rate",
        "norm_epsilon": (
            "sublayer_rms_norm.epsilon",
            *_both("LayerStack.norm_epsilon"),  # of old runs
        ),
        "relative_buckets": _both("SelfAttention.relative_attention_num_buckets"),
    },
    names={},
    extra_names=_names,
    architecture="model.ckpt",
    only={name: _ONLY[argument] for argument in _ONLY for name in _both(argument)}
    | {
        "Bitransformer.shared_embedding": True,
        "unit_scaling_convention.value": False,
    },
    extra_fields=_fields,
    other_names=_rms_norms(),
)


class T5Folder(CheckpointFolder):
    """A folder of google-research's T5 or mT5 on Mesh TensorFlow.

    Args:
        path: a local folder.
    """

    descriptions = (GIN, CONFIG)  # the second is what transformers has for the model

    @functools.cached_property
    def config(self) -> TransformerConfig:
        file = self.description
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file, nor {CONFIG} beside it")
        try:
            config = self._read_json() if file.name == CONFIG else self._read_gin()
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}: {error}") from None
        # an output layer of its own is known by its variable
        tied = _LOGITS not in self.tensors
        scale = config.hidden_size**-0.5 if tied else 1.0
        return config.replace(tied_embeddings=tied, logit_scale=scale)

    @property
    def family(self) -> Variables:
        return T5

    @functools.cached_property
    def _bindings(self) -> dict[str, Any]:
        file = self.path / GIN
        found = read_bindings(file.read_text()) if file.is_file() else {}
        whole = {name: found[name] for name in found if "/" not in name}
        sides = {f"{side}/{name}": whole[name] for side in _SIDES for name in whole}
        return {**sides, **found}

    def _read_gin(self) -> TransformerConfig:
        values = self._bindings
        for names in _SIZES.values():
            for name in (names,) if isinstance(names, str) else names:
                if not isinstance(values.get(name), int):
                    raise ValueError(f"no number is bound to {name}")
        # how many tokens are embedded stands in no file
        words = self.tensors.shapes.get(_TOKENS, (T5.base.vocabulary_size,))[0]
        return T5.read(values).replace(vocabulary_size=words)

    def _read_json(self) -> TransformerConfig:
        values = read_json(self.description)
        if values.get("model_type") not in ("t5", "mt5"):
            raise unknown_family(values)
        return FAMILIES[values["model_type"]].read(values)

    def tokenizer(self) -> Tokenizer:
        """Of `sentencepiece.model`, with the hundred special tokens that T5 puts behind
        its pieces, or as many as `operative_config.gin` says.

        Raises:
            FileNotFoundError: it is missing: it lies elsewhere than the checkpoint.
            ValueError: it is no SentencePiece model.
        """
        file = self.path / VOCABULARY
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: no such file; T5's is published apart from its checkpoints, "
                "copy it there"
            )
        proto = parse_model(file.read_bytes(), str(file))
        for piece in proto.pieces:  # a vocabulary may come with them
            if own := _SENTINEL.fullmatch(piece.piece):
                piece.piece, piece.type = own[1], piece.CONTROL
        add_sentinels(proto, self._bindings.get(_EXTRA_IDS, 100))
        model = proto.SerializeToString(deterministic=True)
        return SentencePieceTokenizer(model, add_eos=True)
