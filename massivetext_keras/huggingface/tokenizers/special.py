"""What the files of a Hugging Face folder say about special tokens."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

_MORE = ("additional_special_tokens", "extra_special_tokens")


def described_tokens(document: Mapping, config: Mapping) -> list[dict[str, Any]]:
    """Returns what is said about each token that is looked for in a text.

    Arguments:
        document: tokenizer.json, or {}.
        config: special_tokens_map.json and tokenizer_config.json, or {}.
    """
    named = (config[key] for key in config if key.endswith("_token"))
    return [
        *document.get("added_tokens", ()),
        *config.get("added_tokens_decoder", {}).values(),
        *({**token, "special": True} for token in named if isinstance(token, Mapping)),
    ]


def more_special(config: Mapping) -> set[str]:
    """Returns the names of special tokens that have no role of their own.

    >>> sorted(more_special({"extra_special_tokens": {"image_token": "<image>"}}))
    ['<image>']
    """
    found = set()
    for name in _MORE:
        tokens = config.get(name) or ()
        tokens = tokens.values() if isinstance(tokens, Mapping) else tokens
        found |= {t["content"] if isinstance(t, Mapping) else t for t in tokens}
    return found


def white_space(
    described: Sequence[Mapping], special: Container[str]
) -> dict[str, list[str]]:
    """Returns the special tokens that take white space along: lstrip and rstrip of a
    tokenizer.

    >>> white_space([{"content": "<mask>", "lstrip": True}], {"<mask>"})
    {'lstrip': ['<mask>']}
    """
    found = {
        flag: {t["content"] for t in described if t.get(flag)}
        for flag in ("lstrip", "rstrip")
    }
    return {
        flag: sorted(token for token in tokens if token in special)
        for flag, tokens in found.items()
        if any(token in special for token in tokens)
    }


def prefix_after_special(document: Mapping, config: Mapping, is_llama: bool) -> bool:
    """Returns whether a space is put before what follows a special token, too.

    Llama's tokenizer is told so by `legacy`, others by tokenizer.json.
    """
    name = config.get("tokenizer_class")
    if is_llama and name is not None and name.startswith(("Llama", "CodeLlama")):
        return bool(config.get("legacy", False))
    steps = document.get("pre_tokenizer") or {}
    steps = steps.get("pretokenizers", [steps])
    return all(step.get("prepend_scheme", "always") == "always" for step in steps)
