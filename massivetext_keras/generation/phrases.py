"""Phrases that are never written, whatever tokens they could be made of."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# (phrase, characters read once `rest` is read, bytes still to come)
_Item = tuple[int, int, bytes]


class BannedPhrases(NamedTuple):
    """Tells which next tokens would complete a phrase, in any upper or lower case.

    An automaton reads the bytes of the text (Aho & Corasick, 1975); a table has, for
    each of its states, where each token leads. So it does not matter how a text is cut
    into tokens, and a step of decoding costs one look-up.

    The tables are data of a graph, and their sizes are rounded up: other phrases of
    ordinary length need no new one.

    Attributes:
        table: int32 [states, kinds], the state that a kind of token leads to; a state s
            is -1 - s where a phrase ends.
        kinds: int32 [vocabulary], of the tokens.

    >>> banned = BannedPhrases.make(["no"], [b"", b"n", b"O", b"No", b"on"], 5)
    >>> states = banned.advance(tf.constant([0, 0]), tf.constant([1, 2]))
    >>> banned.forbid(tf.zeros([2, 5]), states).numpy().tolist()
    [[0.0, 0.0, -inf, -inf, -inf], [0.0, 0.0, 0.0, -inf, 0.0]]
    """

    table: tf.Tensor
    kinds: tf.Tensor

    @classmethod
    def make(
        cls, phrases: Sequence[str], tokens: Sequence[bytes], vocabulary_size: int
    ) -> BannedPhrases:
        """The tables for some phrases.

        Args:
            phrases: strings; also within longer words.
            tokens: the bytes behind each id, b"" for those that stand for no text.
            vocabulary_size: ids of the model, those without a token included.

        Raises:
            ValueError: a phrase is empty or no string, or no token is left to be
                written.
        """
        if not all(isinstance(phrase, str) for phrase in phrases):
            raise ValueError(f"banned phrases are strings, got {list(phrases)}")
        if not all(phrases):
            raise ValueError("a banned phrase is empty: every text has it")
        steps, hits = _automaton([phrase.casefold() for phrase in phrases])
        tokens = [*tokens, *[b""] * (vocabulary_size - len(tokens))]
        table, kinds = _table(steps, hits, tokens[:vocabulary_size])
        if (table < 0).all(axis=1).any():
            raise ValueError("the banned phrases leave no token that can be written")
        missing = [(0, _rounded_up(size) - size) for size in table.shape]
        with tf.init_scope():
            return cls(tf.constant(np.pad(table, missing)), tf.constant(kinds))

    @classmethod
    def none(cls, vocabulary_size: int) -> BannedPhrases:
        """The tables that ban nothing."""
        with tf.init_scope():
            return cls(
                tf.zeros([1, 1], tf.int32), tf.zeros([vocabulary_size], tf.int32)
            )

    @classmethod
    def spec(cls) -> BannedPhrases:
        """The signature of tables of any size."""
        return cls(
            tf.TensorSpec([None, None], tf.int32, "table"),
            tf.TensorSpec([None], tf.int32, "kinds"),
        )

    def forbid(self, scores: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
        """Scores with -inf at the tokens that would complete a phrase.

        Args:
            scores: float32 [rows, vocabulary].
            states: int32 [rows].
        """
        banned = tf.gather(self.table, states) < 0
        banned = tf.gather(banned, self.kinds, axis=1)
        return tf.where(banned, -float("inf"), scores)

    def advance(self, states: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """The states after one more token, int32 [rows], [rows] -> [rows]."""
        kinds = tf.gather(self.kinds, tokens)
        after = tf.gather_nd(self.table, tf.stack([states, kinds], axis=1))
        return tf.where(after < 0, -1 - after, after)

    def read(self, token_ids: tf.Tensor, padding: tf.Tensor) -> tf.Tensor:
        """The states after prompts, which may hold what is banned.

        Args:
            token_ids: int32 [rows, length].
            padding: int32 [rows], positions at the left that are no prompt.
        """

        def read_one(place, states):
            after = self.advance(states, token_ids[:, place])
            return place + 1, tf.where(place < padding, states, after)

        # Where nothing is banned, nothing is read.
        is_any = tf.size(self.table) > 1
        length = tf.where(is_any, tf.shape(token_ids)[1], 0)
        _, states = tf.while_loop(
            lambda place, _: place < length,
            read_one,
            (tf.constant(0), tf.zeros_like(padding)),
        )
        return states


def _rounded_up(size: int) -> int:
    """64, 256, 1024 and so on: the sizes that tables have.

    >>> _rounded_up(3), _rounded_up(65)
    (64, 256)
    """
    return 4 ** max(3, math.ceil(math.log(size, 4)))


def _automaton(phrases: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A deterministic automaton over bytes that finds folded phrases.

    Returns:
        The state that each byte leads to, int32 [states, 256], from state 0, and
        whether a phrase ends there, bool.
    """
    spellings = [[_spellings(p, at) for at in range(len(p))] for p in phrases]
    starts = {(p, 0, b"") for p in range(len(phrases))}

    def possible(items) -> set[_Item]:
        """What may be read next; the rests are not empty."""
        found: set[_Item] = set()
        for p, at, rest in items | starts:
            options = [(at, rest)] if rest else spellings[p][at]
            found.update((p, then, raw) for then, raw in options)
        return found

    queue: list[frozenset[_Item]] = [frozenset()]
    states = {queue[0]: 0}
    steps, hits = [], []
    for items in queue:  # grows
        steps.append(np.zeros(256, np.int32))
        hits.append(np.zeros(256, bool))
        options = possible(items)
        for byte in {raw[0] for _, _, raw in options}:
            read = {(p, at, raw[1:]) for p, at, raw in options if raw[0] == byte}
            ended = {item for item in read if not item[2] and _is_end(item, phrases)}
            after = frozenset(read - ended)
            if after not in states:
                states[after] = len(states)
                queue.append(after)
            steps[-1][byte], hits[-1][byte] = states[after], bool(ended)
    return np.stack(steps), np.stack(hits)


def _is_end(item: _Item, phrases: Sequence[str]) -> bool:
    return item[1] == len(phrases[item[0]])


def _spellings(phrase: str, at: int) -> list[tuple[int, bytes]]:
    """What reads as the next characters of a folded phrase, and where it ends."""
    found = {(at + 1, phrase[at])}
    for end in range(at + 1, min(at + 3, len(phrase)) + 1):
        found.update((end, c) for c in _folded().get(phrase[at:end], ()))
    return [(end, c.encode("utf-8", "surrogatepass")) for end, c in sorted(found)]


@functools.cache
def _folded() -> dict[str, list[str]]:
    """The characters that fold to something else, by what they fold to."""
    found: dict[str, list[str]] = {}
    for c in map(chr, range(sys.maxunicode + 1)):
        if (folded := c.casefold()) != c:
            found.setdefault(folded, []).append(c)
    return found


def _table(
    steps: np.ndarray, hits: np.ndarray, tokens: Sequence[bytes]
) -> tuple[np.ndarray, np.ndarray]:
    """Where tokens lead, int32 [states, kinds], and their kinds, int32 [tokens]."""
    # Bytes that lead to the same states are the same.
    _, first, same = np.unique(
        np.where(hits, -1 - steps, steps),
        axis=1,
        return_index=True,
        return_inverse=True,
    )
    same = bytes(first[same.reshape(-1)].tolist())
    alike = [token.translate(same) for token in tokens]
    distinct = sorted(set(alike))
    sizes = np.array([len(token) for token in distinct])
    state = np.repeat(np.arange(len(steps))[:, None], len(distinct), axis=1)
    hit = np.zeros(state.shape, bool)
    for place in range(sizes.max(initial=0)):
        long = np.flatnonzero(sizes > place)
        byte = np.array([distinct[i][place] for i in long])
        hit[:, long] |= hits[state[:, long], byte]
        state[:, long] = steps[state[:, long], byte]
    table, kinds = np.unique(
        np.where(hit, -1 - state, state), axis=1, return_inverse=True
    )
    number = dict(zip(distinct, kinds.reshape(-1), strict=True))
    return table.astype(np.int32), np.array([number[t] for t in alike], np.int32)
