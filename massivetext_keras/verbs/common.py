"""What the verbs share."""

from __future__ import annotations

from typing import Any

# name -> flag, and each value as an attribute, as `absl.flags.FlagValues` has them.
Values = Any


class UsageError(Exception):
    """The command line is wrong; the program exits with 2."""


def tokenizer_named(name: str):
    """The tokenizer that --tokenizer names."""
    from massivetext_keras import tokenizers

    return tokenizers.ByteTokenizer() if name == "bytes" else tokenizers.load(name)
