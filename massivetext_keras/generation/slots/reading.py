"""Prompts that are read beside the texts that are written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.slots.graphs import cache_of, packed, unpacked
from massivetext_keras.generation.slots.prefixes import BLOCK, Prefixes
from massivetext_keras.generation.slots.text import Text
from massivetext_keras.layers.cache import StateCache

_SHORT, _SHORT_SHARE = 16, 8  # tokens; how many short prompts make a chunk


class Read(NamedTuple):
    """Some prompts, and what the model remembers of them, as `packed` gives it; keys
    and values behind a prompt do not matter."""

    texts: list[Text]
    memory: tf.Tensor


class PromptReader:
    """Reads prompts in a thread of its own.

    Short prompts are read together, by an XLA program that is compiled for one and for
    a whole chunk of them. Of a longer one a chunk is read, then it is the turn of
    others.

    Args:
        model: a causal model.
        chunk: tokens that are read at a time.
        prefix_bytes: memory for beginnings of prompts that others may share; those of a
            recurrent model are not.
        compiled: read short prompts by an XLA program.

    Attributes:
        hits: prompts that began like an earlier one.
        traces: of its graphs.
    """

    def __init__(self, model, chunk: int, prefix_bytes: int, compiled: bool):
        self.model, self.chunk = model, chunk
        with tf.init_scope(), in_float32(model):
            empty = model.empty_cache(tf.zeros([1], tf.int32), 0)
        self._layers, self._nothing = empty.layers, packed(empty.layers)
        self._keeps_states = isinstance(empty, StateCache)
        short = min(max(chunk // _SHORT_SHARE, _SHORT), chunk, model.config.max_length)
        self._short = 0 if self._keeps_states else short
        self._most = max(chunk // short, 1)
        self.prefixes = Prefixes(0 if self._keeps_states else prefix_bytes)
        self.hits = self.traces = 0
        ids, filled = (tf.TensorSpec(x, tf.int32) for x in ([None, None], [None]))
        memory = tf.TensorSpec([None] * self._nothing.shape.rank)
        graph = {"autograph": False}
        self._together = tf.function(self._begin, [ids], jit_compile=compiled, **graph)
        self._further = tf.function(self._go_on, [ids, memory, filled], **graph)
        self._thread = ThreadPoolExecutor(1, "prompts")
        self.forget()

    def forget(self) -> None:
        """Forgets all prompts."""
        self._unread: list[Text] = []
        self._reading: Future[Read] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being read."""
        return self._reading is not None

    def add(self, text: Text) -> None:
        """Takes a text of which something is to be read."""
        self._unread.append(text)

    def start(self) -> None:
        """Begins to read what is next, unless something is being read."""
        self._unread = [text for text in self._unread if text.slot is not None]
        if self._reading is None and self._unread:
            self._reading = self._thread.submit(self._read, self._next())

    def finished(self, wait: bool = False) -> Read | None:
        """Prompts that are read to their end since this was asked.

        Args:
            wait: until what is being read is.
        """
        if self._reading is None or not (wait or self._reading.done()):
            return None
        reading, self._reading = self._reading, None
        read = reading.result()
        self._unread = [text for text in self._unread if text not in read.texts]
        if not read.texts[0].unread:
            return read
        self._unread += read.texts
        return None

    def warm_up(self) -> tf.Tensor:
        """Compiles the program for short prompts, and traces the other; what the model
        remembers of a token."""
        for rows in {1, self._most} if self._short else ():
            self._together(tf.zeros([rows, self._short], tf.int32))
        zero = tf.zeros([1], tf.int32)
        return self._further(zero[None], self._nothing, zero)

    def _next(self) -> list[Text]:
        """What is read together: a text that waits longest, and short ones beside it if
        it is short."""
        for text in self._unread:
            if not text.read:
                self._share(text)
        short = [
            text
            for text in self._unread
            if not text.read and text.unread <= self._short
        ]
        first = self._unread[0]
        return short[: self._most] if first in short else [first]

    def _read(self, texts: list[Text]) -> Read:
        """Reads some short prompts, or a chunk of one."""
        first = texts[0]
        if not first.read and first.unread <= self._short:
            rows = 1 if len(texts) == 1 else self._most
            ids = np.zeros([rows, self._short], np.int32)
            for row, text in zip(ids, texts, strict=False):
                row[: text.unread] = text.prompt[:-1]
            memory = self._together(ids)
            length = self._short
        else:
            memory, length = self._chunk_of(first), self.chunk
        for text in texts:
            text.read += min(length, text.unread)
        if not first.unread:
            self._keep(texts, memory)
        return Read(texts, memory)

    def _chunk_of(self, text: Text) -> tf.Tensor:
        """Reads on in a text, unless it shares all that it has; what is remembered."""
        if text.unread:
            ids = text.prompt[text.read : len(text.prompt) - 1][: self.chunk]
            filled = np.array([text.read], np.int32)
            before = self._nothing if text.memory is None else text.memory
            text.memory = self._further(np.array([ids], np.int32), before, filled)
        return text.memory

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

    def _begin(self, token_ids: tf.Tensor) -> tf.Tensor:
        """What the model remembers of tokens [n, length]."""
        self.traces += 1
        rows, length = tf.unstack(tf.shape(token_ids))
        with in_float32(self.model):
            cache = self.model.empty_cache(tf.zeros([rows], tf.int32), length)
            return packed(self.model({"token_ids": token_ids}, cache=cache)[1].layers)

    def _go_on(self, token_ids, memory: tf.Tensor, filled: tf.Tensor) -> tf.Tensor:
        """What it remembers of tokens [1, length] and of `filled` ones before them."""
        self.traces += 1
        if not self._keeps_states:
            new = [0, tf.shape(token_ids)[1]]
            memory = tf.pad(memory, [[0, 0], [0, 0], [0, 0], new, [0, 0]])
        with in_float32(self.model):
            cache = cache_of(self.model, unpacked(memory, self._layers), filled)
            return packed(self.model({"token_ids": token_ids}, cache=cache)[1].layers)
