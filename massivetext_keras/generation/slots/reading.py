"""Prompts that are read beside the texts that are written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.slots.graphs import (
    cache_of,
    joined,
    packed,
    sizes_between,
    unpacked,
)
from massivetext_keras.generation.slots.prefixes import BLOCK, Prefixes
from massivetext_keras.generation.slots.text import Text
from massivetext_keras.layers.cache import StateCache

_SHORT, _SHORT_SHARE = 16, 8  # tokens of an end; how many of them make a chunk


class Read(NamedTuple):
    """Some prompts, and what the model remembers of them, as `packed` gives it; keys
    and values behind a prompt do not matter."""

    texts: list[Text]
    memory: tf.Tensor


class PromptReader:
    """Reads prompts in a thread of its own, one after the other.

    Of those of which little is left to be read, that is read by an XLA program, which
    is compiled for one and for a whole chunk of them, behind nothing and, once
    `compile` was called, behind what was read before. Of another one a chunk is read.
    Then it is the turn of others.

    Args:
        model: a causal model.
        chunk: tokens that are read at a time.
        prefix_bytes: memory for beginnings of prompts that others may share; those of a
            recurrent model are not.
        compiled: read ends of prompts by an XLA program.

    Attributes:
        is_busy: whether something is being read.
        hits: prompts that began like an earlier one.
        traces: of its graphs.
    """

    def __init__(self, model, chunk: int, prefix_bytes: int, compiled: bool):
        self.model, self.chunk = model, chunk
        with tf.init_scope(), in_float32(model):
            empty = model.empty_cache(tf.zeros([1], tf.int32), 0)
        self._layers, self._nothing = empty.layers, packed(empty.layers)
        self._keeps_states = isinstance(empty, StateCache)
        context = model.config.max_length
        short = min(max(chunk // _SHORT_SHARE, _SHORT), chunk, context)
        self._short = 0 if self._keeps_states else short
        self._most = max(chunk // short, 1)
        self._places = [0, *sizes_between(min(2 * short, context), context, 2)]
        # Places behind which ends are read; all of them where nothing is compiled.
        self.compiled: set[int] = {0} if compiled else {*self._places}
        self.prefixes = Prefixes(0 if self._keeps_states else prefix_bytes)
        self.hits = self.traces = 0
        ids, filled = (tf.TensorSpec(x, tf.int32) for x in ([None, None], [None]))
        given = [ids, tf.TensorSpec([None] * self._nothing.shape.rank), filled]
        graph = {"autograph": False}
        self._together = tf.function(self._go_on, given, jit_compile=compiled, **graph)
        self._further = tf.function(self._go_on, given, **graph)
        self._thread, self._lock = ThreadPoolExecutor(1, "prompts"), Lock()
        self.forget()

    def forget(self) -> None:
        """Forgets all prompts."""
        with self._lock:
            self._unread: list[Text] = []
            self._read_ones: SimpleQueue = SimpleQueue()
        self.is_busy = False

    def add(self, text: Text) -> None:
        """Takes a text of which something is to be read."""
        with self._lock:
            self._unread.append(text)

    def start(self) -> None:
        """Begins to read what there is, unless it reads already."""
        if not self.is_busy and self._unread:
            self.is_busy = True
            self._thread.submit(self._read_all, self._unread, self._read_ones)

    def finished(self, wait: bool = False) -> list[Read]:
        """Prompts that are read to their end since this was asked.

        Args:
            wait: for the next ones of those that are being read.
        """
        found: list[Read] = []
        while self.is_busy and (wait or not self._read_ones.empty()):
            read, wait = self._read_ones.get(), False
            if isinstance(read, Read):
                found.append(read)
                continue
            self.is_busy = False
            if read is not None:
                raise read
        return found

    def warm_up(self) -> tf.Tensor:
        """Compiles the program for prompts that are short, and traces the other; what
        the model remembers of a token."""
        if self._short:
            self.compile(0)
        zero = tf.zeros([1], tf.int32)
        return self._further(zero[None], self._nothing, zero)

    def places_to_compile(self) -> list[int]:
        """Places behind which ends could be read by the program."""
        return sorted({*self._places} - self.compiled) if self._short else []

    def compile(self, places: int) -> None:
        """Compiles the program that reads ends behind so many places, from any
        thread; from then on it is used."""
        for rows in {1, self._most}:
            ids = np.zeros([rows, self._short], np.int32)
            before = joined([self._nothing] * rows, places)
            self._together(ids, before, np.zeros([rows], np.int32))
        self.compiled = self.compiled | {places}  # another thread may look at it

    def _read_all(self, unread: list[Text], finished: SimpleQueue) -> None:
        """Reads until there is nothing left; says so with None, or with an error."""
        try:
            while texts := self._next(unread):
                memory = self._read(texts)
                with self._lock:  # then it is the turn of others
                    unread[:] = [text for text in unread if text not in texts]
                    unread += [text for text in texts if text.unread]
                if not texts[0].unread:
                    finished.put(Read(texts, memory))
            finished.put(None)
        except Exception as error:  # for who asks what is finished
            finished.put(error)

    def _next(self, unread: list[Text]) -> list[Text]:
        """What is read together: a text that waits longest, and with it others whose
        ends the same program reads, if they are as many as it takes; nothing if all are
        forgotten."""
        with self._lock:
            unread[:] = [text for text in unread if text.slot is not None]
            waiting = [*unread] if unread is self._unread else []
        for text in waiting:
            if not text.read:
                self._share(text)
        first, behind = waiting[:1], [*map(self._behind, waiting)]
        like = [
            text
            for text, places in zip(waiting, behind, strict=True)
            if places is not None and places == behind[0]
        ]
        return like[: self._most] if len(like) >= self._most else first

    def _behind(self, text: Text) -> int | None:
        """Behind how many places the end of a text is read; None if a chunk is."""
        if not 0 < text.unread <= self._short:
            return None
        if text.read + self._short > self.model.config.max_length:
            return None  # the program would read behind the context
        places = next(size for size in self._places if size >= text.read)
        return places if places in self.compiled else None

    def _read(self, texts: list[Text]) -> tf.Tensor:
        """Reads on in some texts; what is remembered of them."""
        places, first = self._behind(texts[0]), texts[0]
        if places is not None:
            memory, length = self._ends_of(texts, places), self._short
        else:
            memory, length = self._chunk_of(first), self.chunk
        for text in texts:
            text.read += min(length, text.unread)
            text.memory = memory if text.unread else None
        if not first.unread:
            self._keep(texts, memory)
        return memory

    def _ends_of(self, texts: list[Text], places: int) -> tf.Tensor:
        """Reads the rest of each, behind what was read of them."""
        ids = np.zeros([len(texts), self._short], np.int32)
        filled = np.array([text.read for text in texts], np.int32)
        for row, text in zip(ids, texts, strict=True):
            row[: text.unread] = text.prompt[text.read : len(text.prompt) - 1]
        before = joined([self._before(text) for text in texts], places)
        return self._together(ids, before, filled)

    def _before(self, text: Text) -> tf.Tensor | np.ndarray:
        """What is remembered of what was read of a text."""
        return text.memory if text.read else self._nothing

    def _chunk_of(self, text: Text) -> tf.Tensor:
        """Reads on in a text, unless it shares all that it has; what is remembered."""
        if not text.unread:
            return text.memory
        ids = text.prompt[text.read : len(text.prompt) - 1][: self.chunk]
        filled = np.array([text.read], np.int32)
        return self._further(np.array([ids], np.int32), self._before(text), filled)

    def _share(self, text: Text) -> None:
        """Takes over what the beginning of a prompt became in another text."""
        blocks = self.prefixes.blocks_of(text.prompt[:-1])
        if blocks:
            self.hits += 1
            text.memory = tf.constant(np.concatenate(blocks, axis=2)[:, None])
            text.read = text.shared = BLOCK * len(blocks)

    def _keep(self, texts: Sequence[Text], memory: tf.Tensor) -> None:
        """Keeps what the beginnings of prompts became."""
        if not self.prefixes.limit or all(text.read < BLOCK for text in texts):
            return
        values = memory.numpy()
        for i, text in enumerate(texts):
            end = text.read // BLOCK * BLOCK
            if end > text.shared:
                block = values[:, i, :, text.shared : end]
                self.prefixes.keep(text.prompt[:end], text.shared, block)

    def _go_on(self, token_ids, memory: tf.Tensor, filled: tf.Tensor) -> tf.Tensor:
        """What the model remembers of tokens [n, length] and of `filled` ones before
        them; of keys and values there is room for as many as the memory has places."""
        self.traces += 1
        if not self._keeps_states:
            new = [0, tf.shape(token_ids)[1]]
            memory = tf.pad(memory, [[0, 0], [0, 0], [0, 0], new, [0, 0]])
        with in_float32(self.model):
            cache = cache_of(self.model, unpacked(memory, self._layers), filled)
            return packed(self.model({"token_ids": token_ids}, cache=cache)[1].layers)
