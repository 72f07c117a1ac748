"""The tokens of a tokenizer in the order of their ids, and the special ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer in the order of their ids, and the special ids.

    Arguments:
        tokens: one name per id, from 0 on.
        pad_id, bos_id, eos_id, unk_id: int or None.
        control_ids: further ids that stand for no text, such as [MASK].
    """

    tokens: tuple[str, ...]
    pad_id: int | None = None
    bos_id: int | None = None
    eos_id: int | None = None
    unk_id: int | None = None
    control_ids: tuple[int, ...] = ()

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def index(self, role: str, token: str) -> int:
        """Returns the id of a token, as `token_index` does."""
        if token not in self.ids:
            raise _missing(role, token)
        return self.ids[token]

    @functools.cached_property
    def special_ids(self) -> tuple[int, ...]:
        named = (self.pad_id, self.bos_id, self.eos_id, *self.control_ids)
        return tuple(sorted({index for index in named if index is not None}))


def tokens_in_order(vocabulary: Mapping[str, int] | Sequence[str]) -> tuple[str, ...]:
    """Returns the tokens of a vocabulary, sorted by id.

    Arguments:
        vocabulary: token -> id with the ids 0 to n - 1, or the tokens in order.
    Raises:
        ValueError: an id is missing, or two entries share an id or a token.

    >>> tokens_in_order({"b": 1, "a": 0})
    ('a', 'b')
    """
    if isinstance(vocabulary, Mapping):
        order = {index: token for token, index in vocabulary.items()}
        for index in range(len(vocabulary)):
            if index not in order:
                raise ValueError(
                    f"vocabulary: {len(vocabulary)} tokens need the ids 0 to "
                    f"{len(vocabulary) - 1}, and {index} is missing"
                )
        return tuple(order[index] for index in range(len(order)))
    tokens = tuple(vocabulary)
    if len(set(tokens)) < len(tokens):
        twice = next(t for i, t in enumerate(tokens) if t in tokens[:i])
        raise ValueError(f"vocabulary: the token {twice!r} occurs twice")
    return tokens


@overload
def token_index(tokens: Sequence[str], role: str, token: str) -> int: ...


@overload
def token_index(tokens: Sequence[str], role: str, token: None) -> None: ...


def token_index(tokens: Sequence[str], role: str, token: str | None) -> int | None:
    """Returns the id of a special token, None for None.

    Raises:
        ValueError: the token is not in the vocabulary.

    >>> token_index(["<pad>", "<s>"], "bos_token", "<s>")
    1
    """
    if token is None:
        return None
    if token not in tokens:
        raise _missing(role, token)
    return tokens.index(token)


def _missing(role: str, token: str) -> ValueError:
    return ValueError(f"{role}: {token!r} is not in the vocabulary")
