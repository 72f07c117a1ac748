"""Tokenizers as llama.cpp has them: pieces with scores, or byte-level merges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from massivetext_keras.huggingface.tokenizers.write import (
    TOKENIZER_FILE,
    huggingface_files,
)
from massivetext_keras.tokenizers import (
    BytePairTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
)
from massivetext_keras.tokenizers.parts.rewriting import SPACE
from massivetext_keras.tokenizers.sentencepiece import MODEL_FILE, parse_model

# Kinds of tokens, numbered as SentencePiece numbers them.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
# Our patterns -> the pre-tokenizers of llama.cpp.
_PATTERNS = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}
_ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}

Values = dict[str, Any]


def values_of(tokenizer: Tokenizer | None, size: int) -> Values:
    """The values of a file's header, by their keys behind "tokenizer.ggml.".

    Args:
        tokenizer: of the model, or None.
        size: rows of the embedding; what is beyond the tokenizer's are unused tokens.

    Raises:
        ValueError: llama.cpp has no such tokenizer; says which it has.
    """
    if tokenizer is None:
        return {"model": "no_vocab"}
    if type(tokenizer) is SentencePieceTokenizer:
        values = _pieces(tokenizer)
    elif type(tokenizer) is BytePairTokenizer:
        values = _merges(tokenizer)
    else:
        raise ValueError(
            f"llama.cpp has no {type(tokenizer).__name__}, but a BytePairTokenizer and "
            "a SentencePieceTokenizer of BPE"
        )
    missing = range(len(values["tokens"]), size)
    values["tokens"] += [f"[unused{i}]" for i in missing]
    values["token_type"] += [UNUSED] * len(missing)
    if "scores" in values:
        values["scores"] += [-1e9] * len(missing)
    for role, theirs in _ROLES.items():
        if (index := getattr(tokenizer, f"{role}_id")) is not None:
            values[f"{theirs}_token_id"] = index
    values["add_bos_token"] = bool(tokenizer.add_bos)
    values["add_eos_token"] = bool(tokenizer.add_eos)
    return values


def _pieces(tokenizer: SentencePieceTokenizer) -> Values:
    """A BPE model of SentencePiece. llama.cpp writes every space as U+2581."""
    proto = parse_model(tokenizer._files()[MODEL_FILE])
    trainer, spec = proto.trainer_spec, proto.normalizer_spec
    settings = tokenizer._settings()
    lacks = {
        "a unigram model": trainer.model_type != trainer.BPE,
        "a normalizer": bool(spec.precompiled_charsmap),
        "remove_extra_whitespaces": spec.remove_extra_whitespaces,
        "rewrites": settings.get("rewrites", []) not in ([], [["prefix"]]),
        "added_tokens": bool(settings.get("added_tokens")),
    }
    for what, there in lacks.items():
        if there:
            raise ValueError(f"llama.cpp has no SentencePieceTokenizer with {what}")
    tokens = [piece.piece for piece in proto.pieces]
    if not spec.escape_whitespaces:
        tokens = [token.replace(" ", SPACE) for token in tokens]
    return {
        "model": "llama",
        "pre": "default",
        "tokens": tokens,
        "scores": [piece.score for piece in proto.pieces],
        "token_type": [piece.type for piece in proto.pieces],
        "add_space_prefix": tokenizer._prefixed is not None,
    }


def _merges(tokenizer: BytePairTokenizer) -> Values:
    settings = tokenizer._settings(whole=True)
    lacks = {
        f"pattern={settings['pattern']!r}": settings["pattern"] not in _PATTERNS,
        f"normal_form={settings['normal_form']!r}": settings["normal_form"] is not None,
        "single_words": bool(settings["single_words"]),
    }
    for what, there in lacks.items():
        if there:
            raise ValueError(f"llama.cpp has no BytePairTokenizer with {what}")
    document = json.loads(huggingface_files(tokenizer)[TOKENIZER_FILE])
    tokens = list(tokenizer._vocabulary.tokens)
    kinds = [NORMAL] * len(tokens)
    for added in document["added_tokens"]:
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    return {
        "model": "gpt2",
        "pre": _PATTERNS[settings["pattern"]],
        "tokens": tokens,
        "token_type": kinds,
        "merges": [" ".join(pair) for pair in document["model"]["merges"]],
        "add_space_prefix": settings["add_prefix_space"],
    }


def tokenizer_of(values: Mapping[str, Any]) -> Tokenizer | None:
    """The tokenizer of a file, the inverse of `values_of`.

    Raises:
        ValueError: it is of no kind that is read.
    """
    kind = values.get("model", "no_vocab")
    if kind == "no_vocab":
        return None
    readers = {"llama": _of_pieces, "gpt2": _of_merges}
    if kind not in readers:
        raise ValueError(
            f"tokenizer.ggml.model={kind!r} is not read; known: {', '.join(readers)}"
        )
    how: dict[str, Any] = {
        f"add_{role}": bool(values.get(f"add_{role}_token", role == "bos"))
        and f"{role}_token_id" in values
        for role in ("bos", "eos")
    }
    return readers[kind](values, how)


def _of_pieces(values: Mapping[str, Any], how: dict[str, Any]) -> Tokenizer:
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    rows = zip(values["tokens"], values["scores"], values["token_type"], strict=True)
    for token, score, kind in rows:
        proto.pieces.add(piece=token, score=score, type=kind)
    trainer, spec = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type = trainer.BPE
    trainer.byte_fallback = BYTE in values["token_type"]
    trainer.vocab_size = len(proto.pieces)
    for role, theirs in _ROLES.items():
        if (index := values.get(f"{theirs}_token_id")) is not None:
            setattr(trainer, f"{role}_id", index)
            setattr(trainer, f"{role}_piece", values["tokens"][index])
    spec.name = "identity"
    spec.add_dummy_prefix = bool(values.get("add_space_prefix", True))
    spec.remove_extra_whitespaces = False
    spec.escape_whitespaces = True
    return SentencePieceTokenizer(proto.SerializeToString(deterministic=True), **how)


def _of_merges(values: Mapping[str, Any], how: dict[str, Any]) -> Tokenizer:
    patterns = {theirs: ours for ours, theirs in _PATTERNS.items()}
    pre = values.get("pre", "gpt-2")
    if pre not in patterns:
        raise ValueError(
            f"tokenizer.ggml.pre={pre!r} is not read; known: {', '.join(patterns)}"
        )
    tokens, kinds = values["tokens"], values["token_type"]
    named = {
        f"{role}_token": tokens[values[f"{theirs}_token_id"]]
        for role, theirs in _ROLES.items()
        if role != "unk" and f"{theirs}_token_id" in values
    }
    some = {
        kind: [token for token, own in zip(tokens, kinds, strict=True) if own == kind]
        for kind in (CONTROL, USER_DEFINED, UNUSED)
    }
    return BytePairTokenizer(
        {token: i for i, token in enumerate(tokens)},
        values["merges"],
        special_tokens=some[CONTROL] + some[UNUSED],
        added_tokens=some[USER_DEFINED],
        pattern=patterns[pre],
        add_prefix_space=bool(values.get("add_space_prefix", False)),
        **named,
        **how,
    )
