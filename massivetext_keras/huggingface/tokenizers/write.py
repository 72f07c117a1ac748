"""Tokenizers into Hugging Face folders: `tokenizer.json` and what belongs to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from massivetext_keras.huggingface.tokenizers.pieces import step_of_rule
from massivetext_keras.huggingface.tokenizers.templates import post_processor
from massivetext_keras.tokenizers import byte_pair, sentencepiece
from massivetext_keras.tokenizers.base import CONFIG_FILE, Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.character import CharacterTokenizer
from massivetext_keras.tokenizers.parts import splitting
from massivetext_keras.tokenizers.parts.merges import merge_pairs, parse_merges
from massivetext_keras.tokenizers.parts.rewriting import SPACE, replacing, step_to_json
from massivetext_keras.tokenizers.sentencepiece import SentencePieceTokenizer
from massivetext_keras.tokenizers.translation import TranslationTokenizer
from massivetext_keras.tokenizers.wordpiece import WordPieceTokenizer

TOKENIZER_FILE = "tokenizer.json"
CHARACTERS = {
    "type": "Split",
    "pattern": {"Regex": r"[\s\S]"},
    "behavior": "Isolated",
    "invert": False,
}
# Puts a space before a text, but not after a special token.
_FIRST = {
    "type": "Metaspace",
    "replacement": SPACE,
    "prepend_scheme": "first",
    "split": False,
}
_PREFIX = ["prefix"]
_ROLES = ("pad", "bos", "eos", "unk", "mask")


def huggingface_files(tokenizer: Tokenizer, **settings: Any) -> dict[str, bytes]:
    """The files with which `AutoTokenizer` of transformers gives a tokenizer's ids.

    They are `tokenizer.json` (but for Marian), `tokenizer_config.json` and the
    tokenizer's own ones, and `from_huggingface` makes the same tokenizer of them.
    There, the name of a special token in a text is that token; to a unigram model so is
    the name of a byte whose characters it does not know; and it may break ties in
    another way.

    Arguments:
        tokenizer: any of this package.
        **settings: more values for `tokenizer_config.json`, such as `model_max_length`.
    Raises:
        ValueError: the tokenizer does what `tokenizer.json` has no words for.

    >>> sorted(huggingface_files(ByteTokenizer()))
    ['tokenizer.json', 'tokenizer_config.json']
    """
    kind = type(tokenizer)
    named = {
        f"{role}_token": tokenizer.id_to_token(index)
        for role in _ROLES
        if (index := getattr(tokenizer, f"{role}_id")) is not None
    }
    if kind is TranslationTokenizer:
        named["tokenizer_class"] = "MarianTokenizer"
        return {**tokenizer._files(), CONFIG_FILE: _json({**named, **settings})}
    if kind not in _PARTS:
        raise ValueError(f"a {kind.__name__} has no form at Hugging Face")
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(tokenizer, i) for i in tokenizer.special_ids],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": post_processor(tokenizer),
        "decoder": None,
        **_PARTS[kind](tokenizer),
    }
    document["added_tokens"].sort(key=lambda token: token["id"])
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **named,
    }
    if kind is WordPieceTokenizer:
        config["cls_token"] = config.pop("bos_token")
        config["sep_token"] = config.pop("eos_token")
    # what is done before the model stands in tokenizer.json alone
    rewritten = kind is SentencePieceTokenizer and tokenizer._rewrites
    return {
        **({} if rewritten else tokenizer._files()),
        TOKENIZER_FILE: _json(document),
        CONFIG_FILE: _json({**config, **settings}),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def _added(tokenizer: Tokenizer, index: int, special: bool = True) -> dict[str, Any]:
    """One token that is found in a text before all else."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content = tokenizer.id_to_token(index)
    for flag, tokens in tokenizer.special_tokens.strips.items():
        flags[flag] = special and content in tokens
    return {"id": index, "content": content, **flags, "special": special}


def _unknown(tokenizer: Tokenizer) -> str | None:
    """The token of what is not in the vocabulary, if there is one."""
    index = tokenizer.unk_id
    return None if index is None else tokenizer.id_to_token(index)


def _bpe(vocabulary: dict[str, int], merges: Sequence, **options) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **options,
        "vocab": vocabulary,
        "merges": merges,
    }


def _sequence(what: str, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(steps) < 2:
        return steps[0] if steps else None
    return {"type": "Sequence", what: steps}


def _bytes(tokenizer: ByteTokenizer) -> dict[str, Any]:
    return {
        "decoder": _sequence("decoders", [{"type": "ByteFallback"}, {"type": "Fuse"}]),
        "model": _bpe(tokenizer._vocabulary.ids, [], byte_fallback=True),
    }


def _characters(tokenizer: CharacterTokenizer) -> dict[str, Any]:
    return {
        "pre_tokenizer": CHARACTERS,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": tokenizer._vocabulary.ids,
            "unk_token": _unknown(tokenizer),
        },
    }


def _byte_level(tokenizer: BytePairTokenizer) -> dict[str, Any]:
    files, settings = tokenizer._files(), tokenizer._settings(whole=True)
    merges = merge_pairs(parse_merges(files[byte_pair.MERGES_FILE].decode()))
    ids = tokenizer._vocabulary.ids
    added = [
        {
            **_added(tokenizer, ids[token], special=False),
            "normalized": settings["normalize_first"],
            "single_word": token in settings["single_words"],
        }
        for token in settings["added_tokens"]
    ]
    special = [_added(tokenizer, index) for index in tokenizer.special_ids]
    form = settings["normal_form"]
    before = splitting.pre_tokenizers(settings["pattern"])
    level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    own = {
        "add_prefix_space": settings["add_prefix_space"],
        "use_regex": all(step["type"] != "Split" for step in before),
    }
    return {
        "added_tokens": special + added,
        "normalizer": form and {"type": form},
        "pre_tokenizer": _sequence("pretokenizers", [*before, {**level, **own}]),
        "decoder": {**level, "add_prefix_space": True},
        "model": _bpe(ids, merges, ignore_merges=settings["ignore_merges"]),
    }


def _wordpiece(tokenizer: WordPieceTokenizer) -> dict[str, Any]:
    settings = tokenizer._settings()
    if "fold_case" in settings:
        raise ValueError(f"WordPiece to {TOKENIZER_FILE}: no words for fold_case")
    special = [_added(tokenizer, index) for index in tokenizer.special_ids]
    vocabulary = dict(tokenizer._vocabulary.ids)
    added = [
        {
            **_added(tokenizer, vocabulary[token.content], special=False),
            "single_word": token.single_word,
            "normalized": token.normalized,
        }
        for token in tokenizer._added_tokens
    ]
    # those at the end are not the model's own
    names = {token.content for token in tokenizer._added_tokens}
    while (last := next(reversed(vocabulary))) in names:
        del vocabulary[last]
    return {
        "added_tokens": special + added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": settings.get("strip_accents"),
            "lowercase": settings["lowercase"],
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {
            "type": "WordPiece",
            "unk_token": _unknown(tokenizer),
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def _pieces(tokenizer: SentencePieceTokenizer) -> dict[str, Any]:
    """A SentencePiece model; its rules for spaces become normalizers."""
    proto = sentencepiece.parse_model(tokenizer._files()[sentencepiece.MODEL_FILE])
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    kinds, rewrites = proto.SentencePiece, tokenizer._rewrites
    of_kind: dict[int, list[int]] = {kind: [] for kind in range(1, 7)}
    for index, piece in enumerate(proto.pieces):
        of_kind[piece.type].append(index)
    symbols = of_kind[kinds.USER_DEFINED]
    added = [tokenizer._vocabulary.ids[token] for token in tokenizer._added_tokens]
    refused = {
        "its model type": trainer.model_type not in (trainer.UNIGRAM, trainer.BPE),
        "treat_whitespace_as_suffix": trainer.treat_whitespace_as_suffix,
        "unused pieces": {*of_kind[kinds.UNUSED]} - {*added},
        "user-defined symbols with a prefix": symbols and tokenizer._strips,
    }
    for what, found in refused.items():
        if found:
            raise ValueError(f"SentencePiece to {TOKENIZER_FILE}: no words for {what}")
    if trainer.model_type == trainer.BPE:
        model = _bpe(
            tokenizer._vocabulary.ids,
            _merges(proto, of_kind[kinds.NORMAL]),
            unk_token=proto.pieces[of_kind[kinds.UNKNOWN][0]].piece,
            fuse_unk=True,
            byte_fallback=trainer.byte_fallback,
        )
    else:
        model = _unigram(proto, of_kind[kinds.NORMAL])
    special = [_added(tokenizer, index) for index in tokenizer.special_ids]
    normalizers = _normalizers(normalizer, rewrites)
    pre_tokenizer = None
    if tokenizer._prefixed == "first" and normalizer.escape_whitespaces:
        prefixes = [step_to_json(_PREFIX), *map(step_of_rule, ("prepend", "escape"))]
        normalizers = [step for step in normalizers if step not in prefixes]
        pre_tokenizer = _FIRST
    return {
        "added_tokens": special
        + [_added(tokenizer, i, special=False) for i in (*symbols, *added)],
        "normalizer": _sequence("normalizers", normalizers),
        "pre_tokenizer": pre_tokenizer,
        "decoder": _sequence("decoders", _decoders(normalizer, tokenizer._strips)),
        "model": model,
    }


def _merges(proto, normal: Sequence[int]) -> list[tuple[str, str]]:
    """Every pair of pieces that is a piece, the best one first.

    SentencePiece joins whatever two neighbours make the piece with the best score.
    """
    ids = {proto.pieces[index].piece: index for index in normal}
    merges = []
    for whole in sorted(ids, key=lambda piece: -proto.pieces[ids[piece]].score):
        pairs = [(whole[:cut], whole[cut:]) for cut in range(1, len(whole))]
        pairs = [pair for pair in pairs if ids.keys() >= {*pair}]
        merges += sorted(pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    return merges


def _unigram(proto, normal: Sequence[int]) -> dict[str, Any]:
    """Pieces and scores; what no text shall match is worse than its characters."""
    least = min((proto.pieces[index].score for index in normal), default=0.0)
    chosen, longest = set(normal), max(len(piece.piece) for piece in proto.pieces)
    worst = (longest + 1) * min(least, -1.0)
    vocabulary = [
        (piece.piece, piece.score if index in chosen else worst)
        for index, piece in enumerate(proto.pieces)
    ]
    return {
        "type": "Unigram",
        "unk_id": proto.trainer_spec.unk_id,
        "vocab": vocabulary,
        "byte_fallback": proto.trainer_spec.byte_fallback,
    }


def _normalizers(spec, rewrites: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    steps = [step_to_json(step) for step in rewrites]
    if spec.precompiled_charsmap:
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    if spec.remove_extra_whitespaces:
        steps += [step_of_rule("ends"), step_of_rule("several")]
    if spec.add_dummy_prefix:
        steps.append(step_of_rule("prepend"))
    if spec.escape_whitespaces:
        steps.append(step_of_rule("escape"))
    return steps


def _decoders(spec, strips: bool) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"type": "ByteFallback"}, {"type": "Fuse"}]
    if spec.escape_whitespaces:
        steps.insert(0, replacing({"String": SPACE}, " "))
    if strips:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return steps


_PARTS: dict[type, Callable[[Any], dict[str, Any]]] = {
    ByteTokenizer: _bytes,
    BytePairTokenizer: _byte_level,
    CharacterTokenizer: _characters,
    SentencePieceTokenizer: _pieces,
    WordPieceTokenizer: _wordpiece,
}
