"""SentencePiece models out of the `tokenizer.json` that was made of one."""

from __future__ import annotations

import base64
import re
from collections.abc import Set
from typing import Any

from massivetext_keras.tokenizers.parts.merges import last_merges, merge_pairs
from massivetext_keras.tokenizers.parts.rewriting import SPACE, replacing, step_of_json
from massivetext_keras.tokenizers.parts.vocabulary import tokens_in_order

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")

# What is done to spaces, in the order of the file: the steps before the model, and
# whether SentencePiece puts a space before a text, keeps one space of several and none
# at the ends, and writes spaces as U+2581.
_SPACES = {
    # the models of this package
    (): ([], False, False, False),
    ("ends", "several", "escape"): ([], False, True, True),
    ("ends", "several", "prepend", "escape"): ([], True, True, True),
    ("ends", "several"): ([], False, True, False),
    ("ends", "several", "prepend"): ([], True, True, False),
    ("prepend",): ([], True, False, False),
    # Gemma
    ("escape",): ([], False, False, True),
    ("escape", "split"): ([], False, False, True),
    # Llama 2, Mistral
    ("prepend", "escape"): ([], True, False, True),
    ("metaspace whole first",): ([["prefix"]], False, False, True),
    ("metaspace whole always",): ([["prefix"]], False, False, True),
    ("metaspace whole never",): ([], False, False, True),
    # T5, XLM-R, ALBERT
    ("words", "metaspace split always"): ([["spaces"]], True, True, True),
    ("strip", "several", "metaspace split always"): ([["strip_end"]], True, True, True),
}
# Each with its forms, the one that is written first.
_RULES = [
    ("strip", {"type": "Strip", "strip_left": False, "strip_right": True}),
    ("ends", replacing({"Regex": "^ +| +$"}, "")),
    ("several", replacing({"Regex": " {2,}"}, " ")),
    ("several", replacing({"Regex": " {2,}"}, SPACE)),
    ("prepend", {"type": "Prepend", "prepend": " "}),
    ("prepend", {"type": "Prepend", "prepend": SPACE}),
    ("escape", replacing({"String": " "}, SPACE)),
]


def model_of_json(
    document: dict[str, Any], added: dict[str, int], special: Set[str], unk: str | None
) -> tuple[Any, list[list[str]]]:
    """Returns a `ModelProto` and the steps of `rewrite` that go before it.

    `tokenizers` maps characters by grapheme, SentencePiece wherever they match. So the
    ids differ where a letter is decomposed into more than five bytes, as ALBERT's
    normal form does with Hangul. Where several segmentations of a unigram model are
    equally good, either may take another one.

    Arguments:
        document: a `tokenizer.json` with a BPE or Unigram model of characters.
        added: token -> id of those that are not the model's own, too.
        special: tokens that stand for no text.
        unk: the unknown token, where the model has none.
    Raises:
        ValueError: the document asks for what SentencePiece cannot do; the message
            names it.

    >>> model = {"type": "BPE", "merges": [["a", "b"]], "byte_fallback": False}
    >>> model["vocab"] = {"<unk>": 0, "a": 1, "b": 2, "ab": 3}
    >>> proto, _ = model_of_json({"model": model}, {}, {"<unk>"}, "<unk>")
    >>> [(piece.piece, piece.score) for piece in proto.pieces]
    [('<unk>', 0.0), ('a', -1.0), ('b', -1.0), ('ab', 0.0)]
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.normalizer_spec.name = "identity"
    rewrites, split = _set_normalizer(proto.normalizer_spec, document)
    model, kinds = document["model"], proto.SentencePiece
    scores = (_bpe if model["type"] == "BPE" else _unigram)(model, added)
    if model["type"] == "Unigram":
        unk = model["vocab"][model["unk_id"]][0]
    else:
        unk = model.get("unk_token") or unk or "<unk>"
    if unk not in scores:
        raise ValueError("a model without an unknown token")
    byte_fallback = bool(model.get("byte_fallback"))
    spaces = proto.normalizer_spec
    literal = not (spaces.add_dummy_prefix or rewrites or spaces.precompiled_charsmap)
    literal = literal and not spaces.remove_extra_whitespaces
    least = min((score for score in scores.values() if score is not None), default=0)
    for token, score in scores.items():
        kind = kinds.NORMAL
        if token == unk:
            kind = kinds.UNKNOWN
        elif token in special:
            kind = kinds.CONTROL
        elif byte_fallback and _BYTE.fullmatch(token):
            kind = kinds.BYTE
        elif token in added and SPACE not in token:
            kind = kinds.USER_DEFINED if literal else kinds.UNUSED
        elif score is None or (split and SPACE in token[1:]):
            # worse than all others, or it would stand in their way
            kind, score = kinds.UNUSED, least - 1
        score = score if kind in (kinds.NORMAL, kinds.UNUSED) else 0
        proto.pieces.add(piece=token, type=kind, score=score or 0)
    trainer = proto.trainer_spec
    trainer.model_type = getattr(trainer, model["type"].upper())
    trainer.byte_fallback = byte_fallback
    trainer.vocab_size = len(proto.pieces)
    trainer.unk_id, trainer.unk_piece = list(scores).index(unk), unk
    return proto, rewrites


def _bpe(model: dict, added: dict[str, int]) -> dict[str, float | None]:
    """Token -> its score in the order of ids, None where no merge makes it."""
    tokens, merges = tokens_in_order({**model["vocab"], **added}), model["merges"]
    pairs = merge_pairs(merges)
    return {
        token: None if rank is None else float(-(rank if token[1:] else len(pairs)))
        for token, rank in zip(tokens, last_merges(tokens, pairs), strict=True)
    }


def _unigram(model: dict, added: dict[str, int]) -> dict[str, float | None]:
    scores = dict(model["vocab"])
    own = {token: index for index, token in enumerate(scores)}
    return {token: scores.get(token) for token in tokens_in_order({**own, **added})}


def _set_normalizer(spec, document: dict) -> tuple[list[list[str]], bool]:
    """Sets a NormalizerSpec.

    Returns:
        The steps before it, and whether no piece goes beyond a word.
    """
    rewrites, rules = [], []
    for step in _flat(document.get("normalizer"), "normalizers"):
        kind = step["type"]
        if rule := _rule_of_spaces(step):
            rules.append(rule)
        elif rules or spec.precompiled_charsmap:
            raise ValueError(f"the normalizer {kind!r} after others")
        elif kind == "Precompiled":
            spec.precompiled_charsmap = base64.b64decode(step["precompiled_charsmap"])
        elif known := step_of_json(step):
            rewrites.append(known)
        else:
            raise ValueError(f"the normalizer {step}")
    for step in _flat(document.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Metaspace":
            rules.append(_metaspace(step))
        elif step["type"] == "WhitespaceSplit":
            rules.append("words")
        elif step["type"] == "Split" and step["pattern"] == {"String": " "}:
            rules.append("split")
        else:
            raise ValueError(f"the pre_tokenizer {step['type']!r}")
    if "words" in rules and {*rules[: rules.index("words")]} <= {"strip", "several"}:
        rules = rules[rules.index("words") :]
    if tuple(rules) not in _SPACES:
        raise ValueError(f"what is done to spaces ({', '.join(rules)})")
    more, prefix, single, escape = _SPACES[tuple(rules)]
    spec.add_dummy_prefix = prefix
    spec.remove_extra_whitespaces = single
    spec.escape_whitespaces = escape
    return [*rewrites, *more], "metaspace split always" in rules


def _flat(step: dict | None, parts: str) -> list[dict]:
    if not step:
        return []
    return step[parts] if step["type"] == "Sequence" else [step]


def step_of_rule(name: str) -> dict[str, Any]:
    """Returns the normalizer of `tokenizer.json` that does a thing to spaces.

    >>> step_of_rule("prepend")
    {'type': 'Prepend', 'prepend': ' '}
    """
    return next(step for rule, step in _RULES if rule == name)


def _rule_of_spaces(step: dict) -> str | None:
    return next((rule for rule, known in _RULES if step == known), None)


def _metaspace(step: dict) -> str:
    if step.get("replacement", SPACE) != SPACE:
        raise ValueError(f"Metaspace with {step['replacement']!r}")
    old = "always" if step.get("add_prefix_space", True) else "never"
    parts = "split" if step.get("split", True) else "whole"
    return f"metaspace {parts} {step.get('prepend_scheme', old)}"
