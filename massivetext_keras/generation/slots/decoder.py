"""Texts that are written together, and begin and end at any time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.slots.graphs import (
    Rules,
    SlotGraphs,
    chunk_of,
    joined,
    row_of,
    sizes_between,
)
from massivetext_keras.generation.slots.reading import PromptReader
from massivetext_keras.generation.slots.rows import Rows
from massivetext_keras.generation.slots.text import Text

_PATIENCE = 16  # calls before room that is not needed is given back
_FEWEST_PLACES = 128


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
    that `Decoder` writes. Prompts are read beside the texts that are written, which do
    not wait for them.

    Args:
        model: a causal model.
        rules: what holds for all texts.
        slots: texts that are written at once, at the most.
        steps: tokens of each text that one call writes at the most.
        chunk: tokens of prompts that are read at a time (None: fewer of a large model).
        prefix_bytes: memory for beginnings of prompts that others may share; those of a
            recurrent model are not.
        compiled: write, and read short prompts, by XLA programs.

    Attributes:
        calls: of the program that writes.

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
        self.graphs = SlotGraphs(model, self.rules, steps, compiled)
        chunk = chunk or chunk_of(model)
        self.reader = PromptReader(model, chunk, prefix_bytes, compiled)
        context = model.config.max_length
        least = min(_FEWEST_PLACES, context)
        self.row_sizes = sizes_between(1, slots, 8)
        self.place_sizes = sizes_between(least, context, 2)
        # Those that are compiled, once there is a choice.
        self.compiled: set[tuple[int, int]] = set()
        self.calls = 0
        self.reset()

    def reset(self) -> None:
        """Forgets all texts."""
        self._texts: list[Text | None] = []  # by slot, the last one is no None
        self._new: list[Text] = []  # that joined since the last call
        self.reader.forget()
        self._set_table(Rows.empty_table(self.slots, self.rules.recent))
        self._size, self._spare = (0, 0), 0

    def _set_table(self, table: np.ndarray) -> None:
        self._table, self._rows = table, Rows.of(table, self.rules.recent)

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
        self._new.append(text)

    def leave(self, text: Text) -> None:
        """Frees the slot of a text, if it has one."""
        if text.slot is None:
            return
        self._texts[text.slot], self._rows.room[text.slot] = None, 0
        self._rows.filled[text.slot], text.slot = 0, None
        while self._texts and self._texts[-1] is None:
            self._texts.pop()
        self._new = [other for other in self._new if other is not text]

    def advance(self, steps: int | None = None) -> list[News]:
        """Writes some tokens while prompts are read; waits for these where there is
        nothing to write before.

        Args:
            steps: tokens of each text at the most (None: as many as one call can).
        """
        self._make_room()
        for text in self._new:
            if text.unread:
                self.reader.add(text)
            else:
                self._begin(text)
        self._new = []
        self._take_in(wait=not self._rows.room.any())
        self.reader.start()
        wrote = self._rows.room > 0
        if not wrote.any():
            return []
        self.calls += 1
        most = self.steps // 2 if self.reader.is_busy else self.steps
        some = self._table[: self._size[0]]
        tokens, scores, table = self.graphs.write(some, min(steps or most, most))
        some[:] = table
        return self._news(tokens.numpy(), scores.numpy(), wrote)

    def warm_up(self) -> None:
        """Compiles the program that writes for one text and for all of them, each with
        the most places, and traces what reads: any texts can be written then. Other
        `programs_to_compile` make it faster.

        Raises:
            ValueError: there are texts.
        """
        if self.running:
            raise ValueError("warm_up comes before the first text")
        for rows in (self.row_sizes[0], self.row_sizes[-1]):
            self._compile(rows, self.place_sizes[-1])
        self._resize(self.row_sizes[0], self.place_sizes[-1])
        zero = np.zeros([1], np.int32)
        self.graphs.mark(0, zero)
        self.graphs.paste(zero, self.reader.warm_up())

    def programs_to_compile(self) -> list[Callable[[], None]]:
        """What compiles, from any thread, a program that makes it faster to read or to
        write; the smallest ones first. From then on it is used."""
        sizes = itertools.product(self.row_sizes, self.place_sizes)
        rest = sorted({*sizes} - self.compiled, key=math.prod)
        return [
            *(partial(self.reader.compile, x) for x in self.reader.places_to_compile()),
            *(partial(self._compile, *size) for size in rest),
        ]

    def _compile(self, rows: int, places: int) -> None:
        """Compiles the program that writes for a size."""
        self.graphs.compile(rows, places)
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
        text.memory, self._rows.filled[text.slot] = None, text.read
        self._rows.room[text.slot] = text.max_new_tokens
        if self._rows.sampling.repetition_penalty[text.slot] != 1.0:
            self.graphs.mark(text.slot, np.asarray(text.prompt, np.int32))

    def _take_in(self, wait: bool) -> None:
        """Gives slots the prompts that were read, and lets their texts be written."""
        if wait:
            self.reader.start()
        pairs = [
            (text, row_of(read.memory, i))
            for read in self.reader.finished(wait)
            for i, text in enumerate(read.texts)
            if text.slot is not None
        ]
        if not pairs:
            return
        texts, memories = zip(*pairs, strict=True)
        slots = np.array([text.slot for text in texts], np.int32)
        self.graphs.paste(slots, joined(memories))
        for text in texts:
            self._begin(text)

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
        table = Rows.empty_table(self.slots, self.rules.recent)
        table[: len(running)] = self._table[order[: len(running)]]
        self._set_table(table)
        for slot, text in enumerate(running):
            text.slot = slot
        self._texts, self._size, self._spare = [*running], (rows, places), 0
