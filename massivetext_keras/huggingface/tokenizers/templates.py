"""The tokens around one text, and between two, as `tokenizer.json` has them."""

from __future__ import annotations

from typing import Any

from massivetext_keras.tokenizers.base import Tokenizer


def tokens_around(post_processor: dict | None) -> tuple[str | None, str | None]:
    """Returns the tokens that a post-processor puts before and after one text."""
    if not post_processor:
        return None, None
    if post_processor["type"] == "Sequence":
        found = [tokens_around(step) for step in post_processor["processors"]]
        before = next((first for first, _ in found if first), None)
        return before, next((last for _, last in found if last), None)
    if post_processor["type"] in ("RobertaProcessing", "BertProcessing"):
        return post_processor["cls"][0], post_processor["sep"][0]
    if post_processor["type"] != "TemplateProcessing":
        return None, None
    names = [
        piece.get("SpecialToken", {}).get("id") for piece in post_processor["single"]
    ]
    at = names.index(None)
    return (names[0] if at else None), (names[-1] if at < len(names) - 1 else None)


def separators(post_processor: dict | None, after: str | None) -> int:
    """Returns how often the token behind a text stands between two of them."""
    post_processor = post_processor or {}
    kind = post_processor.get("type")
    if kind == "Sequence":
        steps = post_processor["processors"]
        return max((separators(step, after) for step in steps), default=1)
    if kind == "RobertaProcessing":
        return 2
    if kind != "TemplateProcessing" or after is None:
        return 1
    pair = post_processor.get("pair") or ()
    names = [piece.get("SpecialToken", {}).get("id") for piece in pair]
    texts = [place for place, name in enumerate(names) if name is None]
    return max(1, names[: texts[1]].count(after)) if len(texts) > 1 else 1


def post_processor(tokenizer: Tokenizer) -> dict[str, Any] | None:
    """What puts them there, for `tokenizer.json`; None: nothing is."""
    ids = {
        name: index
        for name, index, is_added in (
            ("bos", tokenizer.bos_id, tokenizer.add_bos),
            ("eos", tokenizer.eos_id, tokenizer.add_eos),
        )
        if is_added and index is not None
    }
    if not ids:
        return None
    names = {role: tokenizer.id_to_token(index) for role, index in ids.items()}

    def piece(role: str, segment: int) -> list[dict[str, Any]]:
        if role in ("A", "B"):
            return [{"Sequence": {"id": role, "type_id": segment}}]
        if role not in names:
            return []
        return [{"SpecialToken": {"id": names[role], "type_id": segment}}]

    single = piece("bos", 0) + piece("A", 0) + piece("eos", 0)
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [
            *single,
            *piece("eos", 0) * (tokenizer.separators - 1),
            *piece("B", 1),
            *piece("eos", 1),
        ],
        "special_tokens": {
            names[role]: {
                "id": names[role],
                "ids": [ids[role]],
                "tokens": [names[role]],
            }
            for role in names
        },
    }
