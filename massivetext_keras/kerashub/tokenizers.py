"""Tokenizers of KerasHub: `tokenizer.json` and what lies in `assets/tokenizer`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from massivetext_keras.huggingface.families.family import require
from massivetext_keras.kerashub.objects import TOKENIZER, hub_object
from massivetext_keras.support.files import read_json
from massivetext_keras.support.values import choose
from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.parts.merges import parse_merges
from massivetext_keras.tokenizers.sentencepiece import (
    SentencePieceTokenizer,
    parse_model,
)
from massivetext_keras.tokenizers.wordpiece import (
    WordPieceTokenizer,
    parse_vocabulary,
)

logger = logging.getLogger(__name__)

ASSETS = "assets/tokenizer"
_WORDS, _PAIRS = "vocabulary.txt", ("vocabulary.json", "merges.txt")
_PIECES = "vocabulary.spm"


class Rules(NamedTuple):
    """What a class of tokenizers is, which its file does not say.

    Attributes:
        kind: of ours that does the same.
        bos, eos, pad: the tokens that it has for them.
        others: more tokens that stand for no text.
        begins, ends: whether bos and eos are put around a text.
        separators: how many eos stand between two texts.
        pattern: that cuts texts into words for byte-level BPE.
        ends_too: more tokens that end what a model writes.
    """

    kind: type[Tokenizer]
    bos: str | None
    eos: str
    pad: str | None = None
    others: tuple[str, ...] = ()
    begins: bool = True
    ends: bool = True
    separators: int = 1
    pattern: str = "gpt2"
    ends_too: tuple[str, ...] = ()


_WORD_PIECES = Rules(WordPieceTokenizer, "[CLS]", "[SEP]", "[PAD]", ("[MASK]",))
_BART = Rules(BytePairTokenizer, "<s>", "</s>", "<pad>", separators=2)
_GPT2 = Rules(BytePairTokenizer, "<|endoftext|>", "<|endoftext|>", ends=False)
_LLAMA = Rules(SentencePieceTokenizer, "<s>", "</s>", ends=False)
# What the name of a class begins with -> its rules
RULES: dict[str, Rules] = {
    "Bert": _WORD_PIECES,
    "DistilBert": _WORD_PIECES,
    "Electra": _WORD_PIECES,
    "Roberta": _BART._replace(others=("<mask>",)),
    "Albert": Rules(SentencePieceTokenizer, "[CLS]", "[SEP]", "<pad>", ("[MASK]",)),
    "GPT2": _GPT2,
    "GPTNeoX": _GPT2,
    "Llama3": _GPT2._replace(
        bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
        pattern="llama3",
        ends_too=("<|eot_id|>",),
    ),
    "Llama": _LLAMA,
    "Mistral": _LLAMA,
    "Mixtral": _LLAMA,
    "Qwen": _GPT2._replace(bos=None, begins=False, pattern="qwen2"),
    "Bart": _BART,
    "T5": Rules(SentencePieceTokenizer, None, "</s>", "<pad>", begins=False),
}
_SUFFIX = "Tokenizer"


def read_tokenizer(
    folder: Path, begins: bool | None = None
) -> tuple[Tokenizer, tuple[int, ...]]:
    """The tokenizer of a preset, and the ids that end what a model writes.

    The ids are those of the class of KerasHub. Its byte-level BPE cuts every text by
    Llama 3's pattern in Python and by GPT-2's inside tf.data: here it is the pattern of
    the model. Its WordPiece takes control characters for spaces, and spaces outside of
    ASCII for letters; here they are what they are to BERT.

    Args:
        folder: with `tokenizer.json` and `assets`.
        begins: whether a text begins with bos (None: as the class does).

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, the class is unknown, or a setting would give
            other ids.
    """
    file = folder / TOKENIZER
    described = read_json(file)
    values = described.get("config") or {}
    name = str(described.get("class_name")).removesuffix(_SUFFIX)
    try:
        rules = choose("tokenizer", name, RULES)
        flags = {
            "add_bos": bool(rules.bos and (rules.begins if begins is None else begins)),
            "add_eos": rules.ends,
            "separators": rules.separators,
        }
        tokenizer = _READ[rules.kind](folder / ASSETS, values, rules, flags)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    ends = (rules.eos, *rules.ends_too)
    ids = (tokenizer.token_to_id(token) for token in ends)
    return tokenizer, tuple(index for index in ids if index is not None)


def _read_word_pieces(
    assets: Path, values: Mapping[str, Any], rules: Rules, flags: dict[str, Any]
) -> Tokenizer:
    only = {"split": True, "suffix_indicator": "##", "oov_token": "[UNK]"}
    require(values, only | {"split_on_cjk": True})
    lowercase = bool(values.get("lowercase"))
    return WordPieceTokenizer(
        parse_vocabulary((assets / _WORDS).read_bytes()),
        lowercase=lowercase,
        strip_accents=bool(values.get("strip_accents")),
        fold_case=lowercase,
        special_tokens=values.get("special_tokens") or (),
        **flags,
    )


def _read_byte_pairs(
    assets: Path, values: Mapping[str, Any], rules: Rules, flags: dict[str, Any]
) -> Tokenizer:
    vocabulary, merges = (assets / name for name in _PAIRS)
    tokens = read_json(vocabulary)
    others = {*rules.others, *(values.get("unsplittable_tokens") or ())}
    others -= {rules.bos, rules.eos, rules.pad}
    return BytePairTokenizer(
        tokens,
        parse_merges(merges.read_text(encoding="utf-8")),
        special_tokens=sorted(others & tokens.keys(), key=tokens.__getitem__),
        add_prefix_space=bool(values.get("add_prefix_space")),
        pattern=rules.pattern,
        bos_token=rules.bos,
        eos_token=rules.eos,
        pad_token=rules.pad,
        **flags,
    )


def _read_pieces(
    assets: Path, values: Mapping[str, Any], rules: Rules, flags: dict[str, Any]
) -> Tokenizer:
    require(values, {"add_bos": False, "add_eos": False})
    file = assets / _PIECES
    proto = parse_model(file.read_bytes(), str(file))
    named = {"bos_piece": rules.bos, "eos_piece": rules.eos, "pad_piece": rules.pad}
    for role, token in named.items():
        if token is not None:
            setattr(proto.trainer_spec, role, token)
    special = {*named.values(), *rules.others}
    for piece in proto.pieces:
        if piece.piece in special:
            piece.type = piece.CONTROL
    return SentencePieceTokenizer(proto.SerializeToString(deterministic=True), **flags)


_READ: dict[type, Callable[..., Tokenizer]] = {
    WordPieceTokenizer: _read_word_pieces,
    BytePairTokenizer: _read_byte_pairs,
    SentencePieceTokenizer: _read_pieces,
}


def fits(tokenizer: Tokenizer | None, architecture: str) -> bool:
    """Whether the class of tokenizers of a family is of the same kind."""
    return tokenizer is None or type(tokenizer) is RULES[architecture].kind


def write_tokenizer(
    tokenizer: Tokenizer, family: str, architecture: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `tokenizer.json` says of a tokenizer, and its other files.

    Args:
        tokenizer: to write.
        family: of `families.table.FAMILIES`, whose class it becomes.
        architecture: what the names of its classes begin with.

    Raises:
        ValueError: the class does what the tokenizer does not, or the reverse.
    """
    rules, name = RULES[architecture], f"{architecture}{_SUFFIX}"
    if type(tokenizer) is not rules.kind:
        raise ValueError(
            f"{name} of KerasHub is a {rules.kind.__name__}, the model has a "
            f"{type(tokenizer).__name__}"
        )
    ids = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
    for role, index in ids.items():
        wanted = getattr(rules, role)
        token = None if index is None else tokenizer.id_to_token(index)
        if wanted not in (None, token):
            raise ValueError(
                f"{name} of KerasHub has the {role}_token {wanted!r}, the model's "
                f"tokenizer {token!r}"
            )
    settings = tokenizer._settings()
    if settings.get("added_tokens"):
        raise ValueError(f"{name} of KerasHub has no added_tokens that stand for text")
    values, files = _WRITE[rules.kind](tokenizer, settings, rules)
    described = hub_object(
        family, name, "tokenizer", {"config_file": TOKENIZER, **values}
    )
    return described, {f"{ASSETS}/{file}": data for file, data in files.items()}


def _write_word_pieces(
    tokenizer: WordPieceTokenizer, settings: Mapping[str, Any], rules: Rules
) -> tuple[dict[str, Any], dict[str, bytes]]:
    lowercase = settings["lowercase"]
    if lowercase and not settings.get("fold_case"):
        logger.warning("KerasHub folds the case of texts: ß is read as ss there")
    values = {
        "vocabulary": None,
        "lowercase": lowercase,
        "strip_accents": settings.get("strip_accents", lowercase),
        "special_tokens": settings.get("special_tokens"),
    }
    (data,) = tokenizer._files().values()
    return values, {_WORDS: data}


def _write_byte_pairs(
    tokenizer: BytePairTokenizer, settings: Mapping[str, Any], rules: Rules
) -> tuple[dict[str, Any], dict[str, bytes]]:
    lost = {"pattern": rules.pattern, "normal_form": None, "ignore_merges": False}
    for name, there in lost.items():
        if (own := settings.get(name, "gpt2" if name == "pattern" else there)) != there:
            logger.warning("KerasHub has no place for the tokenizer's %s=%r", name, own)
    special = [tokenizer.id_to_token(index) for index in tokenizer.special_ids]
    values = {
        "add_prefix_space": settings["add_prefix_space"],
        "unsplittable_tokens": special,
    }
    return values, dict(zip(_PAIRS, tokenizer._files().values(), strict=True))


def _write_pieces(
    tokenizer: SentencePieceTokenizer, settings: Mapping[str, Any], rules: Rules
) -> tuple[dict[str, Any], dict[str, bytes]]:
    if steps := settings.get("rewrites"):
        raise ValueError(f"KerasHub does not do to texts: {steps}")
    (data,) = tokenizer._files().values()
    return {"proto": None}, {_PIECES: data}


_WRITE: dict[type, Callable[..., tuple[dict[str, Any], dict[str, bytes]]]] = {
    WordPieceTokenizer: _write_word_pieces,
    BytePairTokenizer: _write_byte_pairs,
    SentencePieceTokenizer: _write_pieces,
}
