"""The two programs of a batch whose rows come and go: read prompts, write tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.constraints import Constraints, not_yet
from massivetext_keras.generation.decoding import score_of
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import choose, penalize
from massivetext_keras.generation.slots.rows import Rows
from massivetext_keras.layers.cache import Cache, StateCache

FEWEST_READ = 8  # tokens of a chunk of a prompt
_READING = 2**30  # weights that are multiplied while a chunk is read
_CHUNKS = 64, 128, 256, 512


class Rules(NamedTuple):
    """What holds for all rows.

    Attributes:
        end_ids: ids that `min_new_tokens` forbids.
        constraints: tokens that are never written.
        banned: phrases that are never written, () if none.
    """

    end_ids: tuple[int, ...] = ()
    constraints: Constraints = Constraints()
    banned: BannedPhrases | tuple[()] = ()

    @property
    def recent(self) -> int:
        """How many of the latest tokens the constraints look at."""
        sequences = (x for x in self.constraints.never if not isinstance(x, int))
        return max((len(x) for x in sequences), default=2) - 1


class _State(NamedTuple):
    """Between two steps: rows, what was written by step, and what models remember."""

    step: tf.Tensor
    rows: Rows
    tokens: tf.Tensor
    scores: tf.Tensor
    seen: tf.Tensor
    layers: tuple


class SlotGraphs:
    """Keys and values, or states, of some slots, and the graphs that change them.

    They are variables that an XLA program changes in place. Their number of rows and of
    places changes by `resize` alone: for each pair of sizes the program is compiled
    once. Prompts are read by a plain graph, which takes any sizes.

    Args:
        model: with `call(inputs, cache)`, `empty_cache`, `logits` and `config`.
        rules: what holds for all rows.
        steps: tokens of a row that one call writes at the most.
        compiled: write by an XLA program.
    """

    def __init__(self, model, rules: Rules, steps: int, compiled: bool = True):
        self.model, self.rules, self.steps = model, rules, steps
        self.traces = 0
        with tf.init_scope(), in_float32(model):
            empty = model.empty_cache(tf.zeros([1], tf.int32), 1)
        self.keeps_states = isinstance(empty, StateCache)
        self.layers = tf.nest.map_structure(self._variable, empty.layers)
        self.seen = self._variable(tf.zeros([1, model.config.vocabulary_size], tf.bool))
        integers = tf.TensorSpec([None], tf.int32)
        table = tf.TensorSpec([None, None], tf.int32)
        number = tf.TensorSpec([], tf.int32)
        how = {"autograph": False, "jit_compile": compiled}
        self._program = tf.function(self._write, **how).get_concrete_function(
            (self.layers, self.seen), table, number
        )
        self.read = self._graph(self._read, integers, table, integers, number)
        self.resize = self._graph(self._resize, integers, number)
        self.mark = self._graph(self._mark, number, integers)
        memory = tf.TensorSpec([None] * (2 if self.keeps_states else 5))
        self.paste = self._graph(self._paste, integers, memory)
        self.take_over = self._graph(self._take_over, number, number)

    @staticmethod
    def _graph(function, *specs, **options):
        return tf.function(function, specs, autograph=False, **options)

    @staticmethod
    def _variable(value: tf.Tensor) -> tf.Variable:
        """Its rows, and the places of keys and values, may become more."""
        shape = [None, *value.shape[1:]]
        if len(shape) == 4:
            shape[2] = None
        return tf.Variable(value, trainable=False, shape=tf.TensorShape(shape))

    @property
    def number_of_bytes(self) -> int:
        """Memory that the slots take now."""
        return sum(x.dtype.size * int(tf.size(x)) for x in tf.nest.flatten(self.layers))

    def write(self, table: np.ndarray | tf.Tensor, count: int | tf.Tensor):
        """Writes some tokens.

        Args:
            table: of `Rows`.
            count: tokens of each row at the most.

        Returns:
            int32 [steps, batch], the tokens, -1 where a row has none; float32, their
            log-probabilities where they are wanted; the table after them.
        """
        given = tf.convert_to_tensor(table), tf.convert_to_tensor(count)
        return self._program((self.layers, self.seen), *given)

    def compile(self, rows: int, places: int) -> None:
        """Compiles the program that writes for another size, from any thread: in memory
        of its own, while texts are written.

        Args:
            rows: of the batch.
            places: tokens that each has room for.
        """

        def empty(variable: tf.Variable) -> tf.Variable:
            shape = [rows, *variable.shape[1:]]
            if len(shape) == 4:
                shape[2] = places
            return self._variable(tf.zeros(shape, variable.dtype))

        spare = tf.nest.map_structure(empty, (self.layers, self.seen))
        table = tf.constant(Rows.empty_table(rows, self.rules.recent))
        self._program(spare, table, tf.constant(0))

    def _read(self, slots, token_ids, filled, end) -> None:
        """Reads a chunk of the prompts of some slots, behind what they have read.

        Args:
            slots: int32 [n], each once.
            token_ids: int32 [n, length]; of keys and values it does not matter what
                stands behind a chunk that is shorter.
            filled: int32 [n].
            end: int32 scalar, places behind which there is nothing to look at.
        """
        self.traces += 1
        rows = tf.nest.map_structure(lambda x: tf.gather(x, slots), self.layers)
        near = rows if self.keeps_states else _places(rows, slice(None, end))
        with in_float32(self.model):
            cache = cache_of(self.model, near, filled)
            _, cache = self.model({"token_ids": token_ids}, cache=cache)
        rests = [None] * len(tf.nest.flatten(rows))
        if not self.keeps_states:
            rests = tf.nest.flatten(_places(rows, slice(end, None)))
        for (variable, new), rest in zip(self._pairs(cache.layers), rests, strict=True):
            row = new if rest is None else tf.concat([new, rest], axis=2)
            variable.scatter_update(tf.IndexedSlices(row, slots))

    def _pairs(self, layers):
        flat = map(tf.nest.flatten, (self.layers, layers))
        return zip(*flat, strict=True)

    def _write(self, variables: tuple, table: tf.Tensor, count: tf.Tensor):
        """`write`, of variables that are given: a program that was compiled with some
        is that of others."""
        self.traces += 1
        rows = Rows.of(table, self.rules.recent)
        size = [self.steps, tf.shape(rows.newest)[0]]
        layers, seen = tf.nest.map_structure(tf.convert_to_tensor, variables)
        state = _State(
            step=tf.constant(0),
            rows=rows,
            tokens=tf.fill(size, -1),
            scores=tf.zeros(size),
            seen=seen,
            layers=layers,
        )

        def unfinished(state):
            return (state.step < count) & tf.reduce_any(state.rows.room > 0)

        shapes = tf.nest.map_structure(lambda x: x.shape, state)
        (state,) = tf.while_loop(
            unfinished, self._step, (state,), shape_invariants=(shapes,)
        )
        after = tf.nest.flatten((state.layers, state.seen))
        for variable, new in zip(tf.nest.flatten(variables), after, strict=True):
            variable.assign(new)
        return state.tokens, state.scores, state.rows.table()

    def _step(self, state: _State) -> tuple[_State]:
        rows, writes = state.rows, state.rows.room > 0
        with in_float32(self.model):
            cache = cache_of(self.model, state.layers, rows.filled)
            hidden, cache = self.model({"token_ids": rows.newest[:, None]}, cache=cache)
            logits = self.model.logits(hidden[:, 0])
        token, phrase = self._choose(logits, rows, state.seen)
        wanted = writes & (rows.scored > 0)
        score = tf.cond(
            tf.reduce_any(wanted),
            lambda: score_of(token, logits),
            lambda: tf.zeros_like(logits[:, 0]),
        )
        layers = cache.layers
        if self.keeps_states:  # nothing would write over those of a row that waits
            layers = tf.nest.map_structure(
                lambda new, old: tf.where(writes[:, None], new, old),
                layers,
                state.layers,
            )
        here = (tf.range(self.steps) == state.step)[:, None]
        ends = tf.reduce_any(token[:, None] == rows.stop_ids, axis=1)
        one = tf.cast(writes, tf.int32)
        recent = tf.concat([rows.recent[:, 1:], token[:, None]], axis=1)
        after = rows._replace(
            newest=tf.where(writes, token, rows.newest),
            filled=rows.filled + one,
            written=rows.written + one,
            room=tf.where(ends, 0, tf.maximum(rows.room - 1, 0)),
            phrase=tf.where(writes, phrase, rows.phrase),
            recent=tf.where(writes[:, None], recent, rows.recent),
        )
        places = tf.stack([tf.range(tf.size(token)), token], axis=1)
        return (
            state._replace(
                step=state.step + 1,
                rows=after,
                tokens=tf.where(here & writes, token, state.tokens),
                scores=tf.where(here & wanted, score, state.scores),
                seen=tf.tensor_scatter_nd_update(
                    state.seen, places, tf.ones_like(token, tf.bool)
                ),
                layers=layers,
            ),
        )

    def _choose(self, logits, rows: Rows, seen) -> tuple[tf.Tensor, tf.Tensor]:
        """The next token of every row, and the state of its banned phrases behind it;
        as in `Decoder`."""
        sampling, banned = rows.sampling, self.rules.banned
        logits = penalize(logits, seen, sampling.repetition_penalty)
        steps = rows.written[:, None], sampling.min_new_tokens[:, None]
        logits = not_yet(logits, self.rules.end_ids, *steps)
        latest = tf.constant(self.rules.recent)
        logits = self.rules.constraints.apply(logits, rows.recent, latest)
        if banned:
            logits = banned.forbid(logits, rows.phrase)
        streams = tf.zeros_like(rows.written)  # each row is the first of its prompt
        token = choose(logits, sampling, streams, rows.written)
        return token, banned.advance(rows.phrase, token) if banned else rows.phrase

    def _resize(self, order: tf.Tensor, places: tf.Tensor) -> None:
        """Gives the slots other numbers, and keys and values room for so many tokens.

        Args:
            order: int32 [n], which slot each one was.
            places: int32 scalar.
        """
        self.traces += 1
        for variable in tf.nest.flatten(self.layers):
            rows = tf.gather(variable, order)
            if rows.shape.rank == 4:
                missing = tf.maximum(places - tf.shape(rows)[2], 0)
                rows = tf.pad(rows, [[0, 0], [0, 0], [0, missing], [0, 0]])
                rows = rows[:, :, :places]
            variable.assign(rows)
        self.seen.assign(tf.gather(self.seen, order))

    def _mark(self, slot: tf.Tensor, token_ids: tf.Tensor) -> None:
        """Tells a slot which tokens its prompt has."""
        self.traces += 1
        row = tf.scatter_nd(
            token_ids[:, None], tf.ones_like(token_ids), [self.seen.shape[1]]
        )
        row = tf.IndexedSlices((row > 0)[None], slot[None])
        self.seen.scatter_update(row)

    def _take_over(self, source: tf.Tensor, slot: tf.Tensor) -> None:
        """Gives a slot all keys and values of another one."""
        self.traces += 1
        for variable in tf.nest.flatten(self.layers):
            row = tf.gather(variable, source)[None]
            variable.scatter_update(tf.IndexedSlices(row, slot[None]))

    def _paste(self, slots: tf.Tensor, memory: tf.Tensor) -> None:
        """Gives slots what the model remembers of prompts.

        Args:
            slots: int32 [n], each once.
            memory: of n rows, from `packed`; of keys and values any number of places.
        """
        self.traces += 1
        for variable, new in self._pairs(unpacked(memory, self.layers)):
            if not self.keeps_states:  # it does not matter what stands behind a prompt
                old = tf.gather(variable, slots)
                new = new[:, :, : tf.shape(old)[2]]
                new = tf.concat([new, old[:, :, tf.shape(new)[2] :]], axis=2)
            variable.scatter_update(tf.IndexedSlices(new, slots))


def packed(layers: tuple) -> tf.Tensor:
    """What a model remembers as one tensor, which costs less to hand over: of keys and
    values [2 layers, batch, heads, places, size], of states [batch, all units]."""
    flat = tf.nest.flatten(layers)
    return tf.stack(flat) if flat[0].shape.rank == 4 else tf.concat(flat, axis=1)


def row_of(memory: tf.Tensor, row: int) -> tf.Tensor:
    """What `packed` gives of one of the texts."""
    some = slice(row, row + 1)
    return memory[:, some] if memory.shape.rank == 5 else memory[some]


def joined(
    memories: Sequence[tf.Tensor | np.ndarray], places: int | None = None
) -> np.ndarray:
    """What `packed` gives of the texts together; of keys and values with so many places
    (None: as many as the longest one has)."""
    found = [np.asarray(memory) for memory in memories]
    if found[0].ndim == 2:
        return np.concatenate(found)
    most = max(memory.shape[3] for memory in found) if places is None else places
    parts, _, heads, _, size = found[0].shape
    whole = np.zeros([parts, len(found), heads, most, size], found[0].dtype)
    for row, memory in enumerate(found):
        whole[:, row, :, : memory.shape[3]] = memory[:, 0]
    return whole


def unpacked(memory: tf.Tensor, like: tuple) -> tuple:
    """The layers that `packed` was given, of which others are `like` them."""
    shapes = [x.shape for x in tf.nest.flatten(like)]
    if len(shapes[0]) == 4:
        flat = [
            tf.ensure_shape(memory[i], [None, x[1], None, x[3]])
            for i, x in enumerate(shapes)
        ]
    else:
        flat = tf.split(memory, [x[1] for x in shapes], axis=1)
    return tf.nest.pack_sequence_as(like, flat)


def cache_of(model, layers: tuple, filled: tf.Tensor) -> Cache | StateCache:
    """A cache of a causal model, of rows that are filled so far, int32 [batch]."""
    empty = model.empty_cache(tf.zeros_like(filled), 1)
    return empty._replace(layers=layers, start=filled)


def chunk_of(model) -> int:
    """Tokens of prompts that are read in the time of some steps, a power of two."""
    tokens = _READING // max(model.config.parameter_count(), 1)
    return next((size for size in _CHUNKS if size >= tokens), _CHUNKS[-1])


def sizes_between(least: int, most: int, factor: int) -> list[int]:
    """From the least to the most, each so many times the one before.

    >>> sizes_between(1, 32, 4)
    [1, 4, 16, 32]
    """
    sizes = [least]
    while sizes[-1] < most:
        sizes.append(min(sizes[-1] * factor, most))
    return sizes


def _places(layers: tuple, some: slice) -> tuple:
    """Some places of keys and values."""
    return tf.nest.map_structure(lambda x: x[:, :, some], layers)
