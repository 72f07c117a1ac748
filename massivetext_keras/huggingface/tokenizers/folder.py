"""What the files of a Hugging Face folder say about its tokenizer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massivetext_keras.huggingface.tokenizers.classes import class_name
from massivetext_keras.huggingface.tokenizers.special import (
    described_tokens,
    more_special,
    white_space,
)
from massivetext_keras.huggingface.tokenizers.templates import separators, tokens_around
from massivetext_keras.huggingface.tokenizers.write import TOKENIZER_FILE
from massivetext_keras.support.files import read_json
from massivetext_keras.tokenizers.base import CONFIG_FILE
from massivetext_keras.tokenizers.parts.added_tokens import AddedToken

# kind -> beginnings of tokenizer classes, model types
_KINDS = {
    "llama": (
        ("Llama", "CodeLlama", "Gemma"),
        ("llama", "mistral", "mixtral", "gemma", "gemma2", "gemma3"),
    ),
    "t5": (("T5",), ("t5",)),
    "mt5": (("MT5",), ("mt5",)),
    "albert": (("Albert",), ("albert",)),
    "roberta": (("Roberta", "XLMRoberta", "Bart"), ("roberta", "xlm-roberta", "bart")),
}


@dataclass(frozen=True)
class TokenizerFolder:
    """The files of a folder that say how its texts become ids, each read once.

    Args:
        path: the folder.
    """

    path: Path

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def json(self, name: str) -> dict:
        """an object; {} where there is no such file."""
        path = self.path / name
        return read_json(path) if path.is_file() else {}

    @functools.cached_property
    def config(self) -> dict:
        return self.json("tokenizer_config.json")

    @functools.cached_property
    def added(self) -> dict[str, int]:
        """the tokens that were added to the model's own, with their ids."""
        listed = self.json(TOKENIZER_FILE).get("added_tokens", ())
        decoder = self.config.get("added_tokens_decoder", {})
        return (
            self.json("added_tokens.json")
            | {token["content"]: token["id"] for token in listed}
            | {token["content"]: int(index) for index, token in decoder.items()}
        )

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """what the configs call bos_token, mask_token and so on."""
        named = {k: v for k, v in self.roles.items() if k.endswith("_token")}
        contents = {
            key: value.get("content") if isinstance(value, dict) else value
            for key, value in named.items()
        }
        return {k: token for k, token in contents.items() if isinstance(token, str)}

    @functools.cached_property
    def roles(self) -> dict:
        """what the configs say about special tokens."""
        return self.json("special_tokens_map.json") | self.config

    @functools.cached_property
    def described(self) -> list[dict]:
        return described_tokens(self.json(TOKENIZER_FILE), self.roles)

    @functools.cached_property
    def special(self) -> set[str]:
        """the names of the tokens that stand for no text."""
        plain = {t["content"] for t in self.described if not t.get("special")}
        special = {t["content"] for t in self.described if t.get("special")}
        return {*self.names.values(), *special, *more_special(self.roles)} - plain

    def named(self, tokens: Sequence[str], default: str | None = None) -> dict:
        """pad_token, bos_token and eos_token: by name, by id, by default."""
        ids = self.json("config.json")
        result = {}
        for role in ("pad", "bos", "eos"):
            token = self.names.get(f"{role}_token")
            index = ids.get(f"{role}_token_id")
            index = index[0] if isinstance(index, list) and index else index
            if token is None and isinstance(index, int) and 0 <= index < len(tokens):
                token = tokens[index]
            if token is None and default in tokens and role != "pad":
                token = default
            result[f"{role}_token"] = token
        return result

    def flags(self, add_bos: bool = False, add_eos: bool = False) -> dict[str, Any]:
        """add_bos, add_eos and separators: what the config, else tokenizer.json
        says; and `white_space`.

        Arguments:
            add_bos, add_eos: the defaults, where neither says anything.
        """
        between = 2 if self.kind == "roberta" else 1
        if document := self.json(TOKENIZER_FILE):
            processor = document.get("post_processor")
            before, after = tokens_around(processor)
            add_bos, add_eos = before is not None, after is not None
            between = separators(processor, after)
        return {
            **white_space(self.described, self.special),
            "separators": between,
            "add_bos": bool(self.config.get("add_bos_token", add_bos)),
            "add_eos": bool(self.config.get("add_eos_token", add_eos)),
        }

    @functools.cached_property
    def kind(self) -> str | None:
        """the model whose tokenizer's habits this one has, if it is known."""
        name, model = self.config.get("tokenizer_class"), self.json("config.json")
        for kind, (classes, models) in _KINDS.items():
            if name is None and model.get("model_type") in models:
                return kind
            if name is not None and name.startswith(classes):
                return kind
        return None

    @functools.cached_property
    def ordinary(self) -> list[AddedToken]:
        """the added tokens that stand for text, in the order of their ids.

        Raises:
            ValueError: one takes the white space beside it along.
        """
        listed = (
            *self.json(TOKENIZER_FILE).get("added_tokens", ()),
            *self.config.get("added_tokens_decoder", {}).values(),
        )
        flags = {token["content"]: token for token in listed}
        found = []
        for token in sorted(set(self.added) - self.special, key=self.added.__getitem__):
            own = flags.get(token, {})
            for flag in ("lstrip", "rstrip"):
                if own.get(flag):
                    name = TOKENIZER_FILE if TOKENIZER_FILE in self else CONFIG_FILE
                    raise self.refuse(name, f"{flag} of the added token {token!r}")
            single, normalized = own.get("single_word"), own.get("normalized", True)
            found.append(AddedToken(token, bool(single), bool(normalized)))
        return found

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    @functools.cached_property
    def class_name(self) -> str | None:
        return class_name(self.config.get("tokenizer_class"))

    def refuse(self, name: str, what: str) -> ValueError:
        return ValueError(f"{self.path / name}: {what} is not supported")
