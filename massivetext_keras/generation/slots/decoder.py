"""Texts that are written together, and begin and end at any time."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots.graphs import (
    FEWEST_READ,
    MOST_STOP_IDS,
    Rows,
    Rules,
    SlotGraphs,
    chunk_of,
)
from massivetext_keras.generation.slots.prefixes import BLOCK, Prefixes

_PATIENCE = 16  # calls before room that is not needed is given back
_FEWEST_PLACES = 128


@dataclasses.dataclass(eq=False)
class Text:
    """One text that is written.

    Attributes:
        prompt: ids, at least one.
        max_new_tokens: at least 1.
        sampling: numbers in the order of `SamplingTensors`.
        stop_ids: ids that end it, at most `MOST_STOP_IDS`.
        scored: whether log-probabilities are wanted.
        slot: where it is (None: nowhere, before it joins and after it has ended).
        read: tokens of the prompt that are read; its last one is not, since the step
            that reads it writes the first token.
        shared: tokens of the prompt that another text had read already.
    """

    prompt: Sequence[int]
    max_new_tokens: int
    sampling: Sequence[float]
    stop_ids: Sequence[int] = ()
    scored: bool = False
    slot: int | None = None
    read: int = 0
    shared: int = 0

    @property
    def unread(self) -> int:
        """Tokens to read before the first one is written."""
        return len(self.prompt) - 1 - self.read


class News(NamedTuple):
    """What a text got: tokens, their log-probabilities before any temperature (0 where
    they are not wanted), and whether it has ended."""

    text: Text
    token_ids: list[int]
    scores: list[float]
    ended: bool


class SlotDecoder:
    """Writes texts in slots, each as if it were alone.

    A text takes a free slot between two calls of `advance`, and leaves it when it ends
    or is told to. It depends on its own prompt, numbers and seed alone, and is the one
    that `Decoder` writes.

    Args:
        model: a causal model.
        rules: what holds for all texts.
        slots: texts that are written at once, at the most.
        steps: tokens of each text that one call writes at the most.
        chunk: tokens of prompts that are read between two calls that write (None: fewer
            of a large model).
        prefix_bytes: memory for beginnings of prompts that others may share; those of a
            recurrent model are not.
        compiled: write by an XLA program.

    Attributes:
        calls: of the program that writes.
        prefix_hits: texts whose prompt began like an earlier one.

    Raises:
        ValueError: the model reads prompts at once.
    """

    def __init__(
        self,
        model,
        rules: Rules | None = None,
        slots: int = 32,
        steps: int = 8,
        chunk: int | None = None,
        prefix_bytes: int = 2**28,
        compiled: bool = True,
    ):
        if model.config.stack == "prefix":
            raise ValueError(
                "a prefix language model reads a prompt at once: it has no slots"
            )
        self.model, self.rules = model, rules or Rules()
        self.slots, self.steps = slots, steps
        self.chunk = chunk or chunk_of(model)
        self.graphs = SlotGraphs(model, self.rules, steps, compiled)
        self.prefixes = Prefixes(0 if self.graphs.keeps_states else prefix_bytes)
        context = model.config.max_length
        least = min(_FEWEST_PLACES, context)
        self.row_sizes = _sizes(1, slots, 8)
        self.place_sizes = _sizes(least, context, 2)
        # Those that are compiled, once there is a choice.
        self.compiled: set[tuple[int, int]] = set()
        self.calls = self.prefix_hits = 0
        self.reset()

    def reset(self) -> None:
        """Forgets all texts."""
        self._texts: list[Text | None] = []  # by slot, the last one is no None
        self._waiting: list[Text] = []  # whose prompts are not read, oldest first
        self._rows = _empty_rows(self.slots, self.rules.recent)
        self._size, self._spare = (0, 0), 0

    @property
    def running(self) -> list[Text]:
        return [text for text in self._texts if text is not None]

    @property
    def free(self) -> int:
        """How many texts can still join."""
        return self.slots - len(self.running)

    @property
    def in_use(self) -> float:
        """The share of tokens that are there of those that the slots have room for."""
        used = sum(int(self._rows.filled[text.slot]) for text in self.running)
        return used / (self.slots * self.model.config.max_length)

    def join(self, text: Text) -> None:
        """Gives a text one of the free slots."""
        free = (i for i, other in enumerate(self._texts) if other is None)
        slot = text.slot = next(free, len(self._texts))
        self._texts[slot : slot + 1] = [text]
        rows = self._rows
        for column in (rows.filled, rows.written, rows.phrase):
            column[slot] = 0
        rows.stop_ids[slot] = rows.recent[slot] = -1
        rows.newest[slot], rows.scored[slot] = text.prompt[-1], text.scored
        rows.stop_ids[slot, : len(text.stop_ids)] = text.stop_ids
        for column, number in zip(rows.sampling, text.sampling, strict=True):
            column[slot] = number
        if self.rules.banned:
            ids = tf.constant([[*text.prompt]], tf.int32)
            (rows.phrase[slot],) = self.rules.banned.read(ids, tf.constant([0]))
        self._waiting.append(text)

    def leave(self, text: Text) -> None:
        """Frees the slot of a text, if it has one."""
        if text.slot is None:
            return
        self._texts[text.slot], self._rows.room[text.slot] = None, 0
        self._rows.filled[text.slot], text.slot = 0, None
        while self._texts and self._texts[-1] is None:
            self._texts.pop()
        self._waiting = [other for other in self._waiting if other is not text]

    def advance(self, steps: int | None = None) -> list[News]:
        """Reads a chunk of prompts, if there are any, and writes some tokens.

        Args:
            steps: tokens of each text at the most (None: as many as one call can).
        """
        self._make_room()
        self._read_chunk()
        size = self._size[0]
        some = tf.nest.map_structure(lambda x: x[:size], self._rows)
        if not some.room.any():
            return []
        self.calls += 1
        wrote, steps = some.room > 0, min(steps or self.steps, self.steps)
        tokens, scores, rows = self.graphs.write(some, steps)
        for old, new in zip(some[:-1], rows[:-1], strict=True):
            old[:] = new
        return self._news(tokens.numpy(), scores.numpy(), wrote)

    def warm_up(self) -> None:
        """Compiles the program that writes for one text and for all of them, each with
        the most places, and traces what reads: any texts can be written then. For other
        sizes, `compile` makes it faster.

        Raises:
            ValueError: there are texts.
        """
        if self.running:
            raise ValueError("warm_up comes before the first text")
        for rows in (self.row_sizes[0], self.row_sizes[-1]):
            self.compile(rows, self.place_sizes[-1])
        self._resize(self.row_sizes[0], self.place_sizes[-1])
        zero = np.zeros([1], np.int32)
        self.graphs.mark(0, zero)
        self.graphs.read(zero, zero[None], zero, 1)
        if self.prefixes.limit:
            self.graphs.paste(0, self.graphs.copy(0, 0, 1))

    def sizes_to_compile(self) -> list[tuple[int, int]]:
        """Rows and places for which the program that writes is not compiled, the
        smallest first."""
        sizes = itertools.product(self.row_sizes, self.place_sizes)
        return sorted({*sizes} - self.compiled, key=math.prod)

    def compile(self, rows: int, places: int) -> None:
        """Compiles the program that writes for a size, from any thread; from then on it
        is used."""
        self.graphs.compile(_empty_rows(rows, self.rules.recent), places)
        self.compiled = self.compiled | {(rows, places)}  # others may look at it now

    def _fitting(self, rows: int, places: int) -> tuple[int, int]:
        """The smallest size that has so many rows and places; of those that are
        compiled, if there are any."""
        sizes = self.compiled or {*itertools.product(self.row_sizes, self.place_sizes)}
        fit = [size for size in sizes if size[0] >= rows and size[1] >= places]
        largest = self.row_sizes[-1], self.place_sizes[-1]
        return min(fit, key=lambda size: (math.prod(size), size), default=largest)

    def _news(
        self, tokens: np.ndarray, scores: np.ndarray, wrote: np.ndarray
    ) -> list[News]:
        """What the texts got that were written, by step and slot."""
        found = []
        for text in self.running:
            slot = text.slot
            if wrote[slot]:
                new = tokens[:, slot]
                new = new[new >= 0].tolist()
                of_new = scores[: len(new), slot].tolist()
                ended = not self._rows.room[slot]
                found.append(News(text, new, of_new, ended))
                if ended:
                    self.leave(text)
        return found

    def _begin(self, text: Text) -> None:
        """Lets a text be written whose prompt was read."""
        self._rows.room[text.slot] = text.max_new_tokens
        if self._rows.sampling.repetition_penalty[text.slot] != 1.0:
            self.graphs.mark(text.slot, np.asarray(text.prompt, np.int32))

    def _read_chunk(self) -> None:
        """Reads of the oldest prompt, and of others that fit in beside it, and lets
        those be written that are read."""
        for text in self._waiting:
            if text.unread and not text.read and self.prefixes.limit:
                self._share(text)
        unread = [text for text in self._waiting if text.unread]
        if unread:
            self._read_some(unread)
        for text in self._waiting:
            if not text.unread:
                self._begin(text)
        self._waiting = [text for text in self._waiting if text.unread]

    def _read_some(self, unread: Sequence[Text]) -> None:
        """Reads as many tokens of each prompt as of the first one."""
        first, places = unread[0], self._size[1]
        length = min(first.unread, self.chunk)
        if not self.graphs.keeps_states:  # it does not matter what is read behind one
            length = _least(_sizes(min(FEWEST_READ, self.chunk), self.chunk, 2), length)
            length = min(length, places - first.read)
            fit = [text for text in unread if text.read + length <= places]
        else:
            fit = [text for text in unread if text.unread >= length]
        fit = fit[: max(self.chunk // length, 1)]
        ids = np.zeros([len(fit), length], np.int32)
        for row, text in zip(ids, fit, strict=True):
            new = text.prompt[text.read : len(text.prompt) - 1][:length]
            row[: len(new)] = new
        slots = np.array([text.slot for text in fit], np.int32)
        filled = self._rows.filled[slots]
        end = _least([*_sizes(16, places, 2)], int(filled.max()) + length)
        self.graphs.read(slots, ids, filled, end)
        for text in fit:
            text.read += min(length, text.unread)
            self._rows.filled[text.slot] = text.read
            if not text.unread:
                self._keep(text)

    def _share(self, text: Text) -> None:
        """Takes over what the beginning of a prompt became in another text."""
        blocks = self.prefixes.blocks_of(text.prompt[:-1])
        if blocks:
            self.prefix_hits += 1
            self.graphs.paste(text.slot, np.concatenate(blocks, axis=2))
            text.read = text.shared = BLOCK * len(blocks)
            self._rows.filled[text.slot] = text.read

    def _keep(self, text: Text) -> None:
        """Keeps what the beginning of a prompt became."""
        end = text.read // BLOCK * BLOCK
        if self.prefixes.limit and end > text.shared:
            block = self.graphs.copy(text.slot, text.shared, end)
            self.prefixes.keep(text.prompt[:end], text.shared, block.numpy())

    def _make_room(self) -> None:
        """Takes as many rows and places as the texts need; gives back what they have
        not needed for a while."""
        needed = max(
            (
                max(self._rows.filled[text.slot], len(text.prompt))
                for text in self.running
            ),
            default=0,
        )
        places = min(needed + self.steps, self.place_sizes[-1])
        rows, size = len(self._texts), self._size
        if rows > size[0] or places > size[1]:
            self._resize(*self._fitting(max(rows, size[0]), max(places, size[1])))
        fewer = self._fitting(len(self.running), places)
        is_less = math.prod(fewer) < math.prod(self._size)
        self._spare = self._spare + 1 if is_less else 0
        if self._spare > _PATIENCE:
            self._resize(*fewer)

    def _resize(self, rows: int, places: int) -> None:
        """Puts the texts into the first of so many slots."""
        running = self.running
        order = np.zeros([rows], np.int32)
        order[: len(running)] = [text.slot for text in running]
        # A text that has just come has nothing there yet.
        self.graphs.resize(np.minimum(order, max(self._size[0] - 1, 0)), places)
        kept = self._rows
        self._rows = _empty_rows(self.slots, self.rules.recent)
        olds, news = tf.nest.flatten(kept), tf.nest.flatten(self._rows)
        for old, new in zip(olds, news, strict=True):
            new[: len(running)] = old[order[: len(running)]]
        for slot, text in enumerate(running):
            text.slot = slot
        self._texts, self._size, self._spare = [*running], (rows, places), 0


def _empty_rows(count: int, recent: int) -> Rows:
    """Rows in which nothing is written, as arrays."""

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros([count, *shape], np.int32)

    kinds = (spec.dtype.as_numpy_dtype for spec in SamplingTensors.spec())
    sampling = SamplingTensors(*(np.zeros([count], kind) for kind in kinds))
    numbers = (zeros() for _ in range(6))
    return Rows(*numbers, zeros(MOST_STOP_IDS) - 1, zeros(recent) - 1, sampling)


def _sizes(least: int, most: int, factor: int) -> list[int]:
    """From the least to the most, each so many times the one before.

    >>> _sizes(1, 32, 4)
    [1, 4, 16, 32]
    """
    sizes = [least]
    while sizes[-1] < most:
        sizes.append(min(sizes[-1] * factor, most))
    return sizes


def _least(sizes: Sequence[int], needed: int) -> int:
    """The least size that is enough, or the largest one."""
    return next((size for size in sizes if size >= needed), sizes[-1])
