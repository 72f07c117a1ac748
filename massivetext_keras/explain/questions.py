"""What is explained: a text as a task reads it, and the number that is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.support.values import choose
from massivetext_keras.text.framing import frame, utf8


class Question(NamedTuple):
    """A text as the features of a task, and what is to be explained about it.

    Attributes:
        text: as it was given.
        features: int32 [length] each, without padding.
        places: int [tokens], where in the row the text's tokens are.
        offsets: int [tokens, 2], where in the text they are, in characters.
        output: name of the output, see `outputs`.
        given: what the output takes besides the features, arrays by name: `picks`,
            int32 [k, …], which numbers of the model's answer are meant, or `other`,
            float32 [d], the vector of another text.
        target: a name for it.
        read_at: int [m], places of the row whose hidden states the output is made of.
        side: what the names of the text's features begin with.
    """

    text: str
    features: dict[str, np.ndarray]
    places: np.ndarray
    offsets: np.ndarray
    output: str
    given: dict[str, np.ndarray]
    target: str
    read_at: np.ndarray
    side: str = ""

    @property
    def ids(self) -> np.ndarray:
        """int32 [length], the row that the text is in."""
        return self.features[f"{self.side}token_ids"]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The parts of the text that its tokens stand for."""
        return tuple(self.text[start:end] for start, end in self.offsets)

    def hidden(self, keep: np.ndarray, base_id: int) -> np.ndarray:
        """Rows in which tokens are hidden.

        Args:
            keep: bool [rows, tokens], which of them stay.
            base_id: what the others become.

        Returns:
            int32 [rows, length].
        """
        rows = np.repeat(self.ids[None], len(keep), axis=0)
        rows[:, self.places] = np.where(keep, rows[:, self.places], base_id)
        return rows


# By the name of an output: of a task, its features and what is given, float32 [batch].
Output = Callable[[Any, dict[str, tf.Tensor], dict[str, tf.Tensor]], tf.Tensor]


def choose_output(name: str | None, known: tuple[str, ...]) -> str:
    """The output that is asked for, the first one if none is.

    Raises:
        UnknownName: the task has no such output; names the nearest.
    """
    return choose("output", name or known[0], dict(zip(known, known, strict=True)))


def tokens_of(tokenizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a text, int32 [tokens], and their offsets, int [tokens, 2]."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(utf8(text))
    return ids.numpy(), np.stack([starts.numpy(), ends.numpy()], axis=1).astype(int)


def between(offsets: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """The first and the last token that characters from start to end are in."""
    first = np.searchsorted(offsets[:, 1], start, side="right")
    return int(first), int(np.searchsorted(offsets[:, 0], end, side="left")) - 1


def edges(tokenizer) -> tuple[int, int]:
    """How many special tokens are before and behind a text."""
    before, after = map(len, frame(tokenizer))
    return before, after


def encoder_features(ids: np.ndarray, segments: np.ndarray | None = None) -> dict:
    """Features of a row without padding."""
    found = {"token_ids": ids.astype(np.int32), "padding_mask": np.ones_like(ids)}
    if segments is not None:
        found["segment_ids"] = segments.astype(np.int32)
    return found


def base_token(tokenizer, name: str | None = None) -> int:
    """What stands for a token that is hidden.

    Args:
        tokenizer: of the task.
        name: a token of its vocabulary (None: that which masks, or else pads, is
            unknown, or ends a text, the first that there is).

    Raises:
        ValueError: there is no such token.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> base_token(ByteTokenizer())
    0
    """
    if name is not None:
        index = tokenizer.token_to_id(name)
        if index is None:
            raise ValueError(f"baseline {name!r} is no token of the vocabulary")
        return index
    for index in (
        tokenizer.mask_id,
        tokenizer.pad_id,
        tokenizer.unk_id,
        tokenizer.eos_id,
    ):
        if index is not None:
            return index
    raise ValueError("no token can stand for a hidden one: name one as the baseline")
