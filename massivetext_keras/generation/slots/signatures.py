"""Slots as signatures of a SavedModel: what has tensorflow and tensorflow_text alone
writes texts step by step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots.graphs import (
    FEWEST_READ,
    Rules,
    SlotGraphs,
    chunk_of,
)
from massivetext_keras.generation.slots.rows import MOST_STOP_IDS, Rows
from massivetext_keras.generation.stop_strings import REPLACEMENT
from massivetext_keras.generation.texts import Prompts, prompt_ids
from massivetext_keras.layers.capacity import power_of_two

STEPS = 8  # tokens that a call writes of each text at the most
_WORTH = 32  # tokens of a beginning that is copied and not read
_FEWEST_SEEN = 16  # places that a chunk looks at
_GIVEN = ("temperature", "top_k", "top_p", "repetition_penalty", "seed")


class Replies(NamedTuple):
    """How conversations are read and their replies ended.

    Attributes:
        read: roles and texts, string [1, turns] each, and the tokens that there is room
            for, int32 scalar, to int32 [1, (length)].
        stop_ids: that end a reply, beside those that end a text.
        stop: strings that a reply ends before.
    """

    read: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.RaggedTensor]
    stop_ids: tuple[int, ...]
    stop: tuple[str, ...]


class SlotSignatures:
    """The signatures `slots_open`, `slots_fill`, `slots_step` and `slots_free`; with
    `replies` also `slots_chat`.

    What is in the slots is in variables of the export. A server calls `slots_open` once
    with how many texts are written together and how many tokens each has room for,
    prompt and text; then, from one thread, `slots_fill` or `slots_chat` for each text
    that takes a slot, `slots_step` for the next tokens of all, and `slots_free` for a
    text that nobody wants any more. A slot that is filled anew forgets the text that
    was there.

    A step reads a chunk of the prompts that are not read, the oldest first, before it
    writes: a long prompt does not stop the texts of others. A prompt that begins like
    what is in a slot, of a text that is written or was, gets keys and values from
    there.

    Args:
        tokenizer: strings to ids and back.
        model: a causal model.
        rules: what holds for all texts.
        own: numbers that a request does not say, by the names of `SamplingTensors`.
        compiled: write by an XLA program.
        replies: how conversations are answered (None: they are not).
        chunk: tokens of prompts that a step reads at the most, a power of two (None:
            fewer of a large model).

    Raises:
        ValueError: more ids end a reply than a slot has room for.
    """

    def __init__(
        self,
        tokenizer,
        model,
        rules: Rules,
        own: Mapping[str, float],
        compiled: bool = True,
        replies: Replies | None = None,
        chunk: int | None = None,
    ):
        self.tokenizer, self.own, self.replies = tokenizer, own, replies
        self.end_ids, self.context = rules.end_ids, model.config.max_length
        ends = {*self.end_ids, *(replies.stop_ids if replies else ())}
        if len(ends) > MOST_STOP_IDS:
            most = f"a slot has room for {MOST_STOP_IDS}"
            raise ValueError(f"streaming: {len(ends)} ids end a text, but {most}")
        self.chunk = chunk or chunk_of(model)
        self.graphs, self.rules = SlotGraphs(model, rules, STEPS, compiled), rules
        wide = {"stop_ids": [MOST_STOP_IDS], "recent": [rules.recent]}
        rows: dict[str, Any] = {
            name: _numbers(tf.int32, *wide.get(name, []))
            for name in Rows._fields
            if name != "sampling"
        }
        spec = SamplingTensors.spec()
        rows["sampling"] = SamplingTensors(*(_numbers(x.dtype) for x in spec))
        self.rows = Rows(**rows)
        self.ids = tf.Variable(
            tf.zeros([1, 1], tf.int32), trainable=False, shape=[None, None]
        )
        self.prompts = _numbers(tf.int32)  # their lengths
        # Of a text whose prompt is not read: tokens that it wants, and when it came.
        self.wanted, self.turns = _numbers(tf.int32), _numbers(tf.int32)
        self.shared = _numbers(tf.int32)  # tokens of prompts that were not read again
        self.turn = tf.Variable(0, trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """What an export has to hold."""
        flat = tf.nest.flatten((self.graphs.layers, self.graphs.seen, self.rows))
        return [*flat, *self._columns, self.ids, self.turn]

    @property
    def _columns(self) -> list[tf.Variable]:
        return [self.prompts, self.wanted, self.turns, self.shared]

    def signatures(self) -> dict[str, Callable]:
        """The graphs by name."""
        integer, spec = tf.TensorSpec([], tf.int32), SamplingTensors.spec()
        given = {name: getattr(spec, name) for name in _GIVEN}
        how = {"max_new_tokens": integer, **given}
        text, strings = tf.TensorSpec([], tf.string), tf.TensorSpec([None], tf.string)
        found = {
            "slots_open": _named(self._open, slots=integer, places=integer),
            "slots_fill": _named(self._fill, slot=integer, prompt=text, **how),
            "slots_step": _named(self._step, steps=integer),
            "slots_free": _named(self._free, slot=integer),
        }
        if self.replies:
            talk = {"slot": integer, "roles": strings, "texts": strings}
            found["slots_chat"] = _named(self._chat, **talk, **how)
        return found

    def _open(self, slots: tf.Tensor, places: tf.Tensor) -> dict[str, tf.Tensor]:
        """Room for so many texts of so many tokens each; those that were there go."""
        slots = checked(slots, slots > 0, "slots must be positive")
        right = (places > 0) & (places <= self.context)
        wanted = f"places must be positive and at most the context of {self.context}"
        places = checked(places, right, wanted)
        self.graphs.resize(tf.zeros([slots], tf.int32), places)
        for variable in [*tf.nest.flatten(self.rows), *self._columns]:
            variable.assign(tf.zeros([slots, *variable.shape[1:]], variable.dtype))
        self.ids.assign(tf.zeros([slots, places + 1], tf.int32))
        return {"slots": slots, "places": places}

    def _fill(self, slot, prompt, max_new_tokens, *choice) -> dict[str, tf.Tensor]:
        """Gives a slot a prompt; one that is too long keeps its end."""
        new, room = self._room(max_new_tokens)
        ids = prompt_ids(self.tokenizer, prompt[None]).flat_values[-room:]
        return {"prompt_tokens": self._take(slot, ids, new, choice, self.end_ids)}

    def _chat(self, slot, roles, texts, max_new_tokens, *choice):
        """Gives a slot a conversation; one that is too long loses its oldest turns.

        Returns:
            `prompt_tokens`, and `stop`, string [n], where the reply is to be cut.
        """
        new, room = self._room(max_new_tokens)
        ids = self.replies.read(roles[None], texts[None], room).flat_values
        ends = tuple(dict.fromkeys((*self.end_ids, *self.replies.stop_ids)))
        stop = [string.encode() for string in self.replies.stop]
        return {
            "prompt_tokens": self._take(slot, ids, new, choice, ends),
            "stop": tf.constant(stop, tf.string, [len(stop)]),
        }

    def _room(self, max_new_tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Tokens to write, and those that a prompt may have beside them."""
        places = tf.shape(self.ids)[1] - 1
        right = (max_new_tokens > 0) & (max_new_tokens < places)
        wanted = "max_new_tokens must be positive and below the places"
        new = checked(max_new_tokens, right, wanted)
        return new, places - new

    def _take(self, slot, ids, new, choice, ends) -> tf.Tensor:
        """Puts a text into a slot, whose prompt is read by the next steps; how many
        tokens that has."""
        given = {**self.own, **dict(zip(_GIVEN, choice, strict=True))}
        sampling = SamplingTensors(
            *(
                tf.cast(given[name], spec.dtype)
                for name, spec in SamplingTensors.spec()._asdict().items()
            )
        ).checked()
        phrase, zero, size = tf.constant(0), tf.constant(0), tf.size(ids)
        if self.rules.banned:
            phrase = self.rules.banned.read(ids[None], tf.zeros([1], tf.int32))[0]
        row = Rows(
            newest=ids[-1],
            filled=zero,
            written=zero,
            room=zero,
            phrase=phrase,
            scored=tf.constant(1),
            stop_ids=tf.constant([*ends, *[-1] * (MOST_STOP_IDS - len(ends))]),
            recent=tf.fill([self.rules.recent], -1),
            sampling=sampling,
        )
        columns = zip(self._columns, (size, new, self.turn, zero), strict=True)
        padded = tf.pad(ids, [[0, tf.shape(self.ids)[1] - size]])
        pairs = zip(*map(tf.nest.flatten, (self.rows, row)), strict=True)
        for variable, value in [*pairs, *columns, (self.ids, padded)]:
            _set(variable, slot, tf.convert_to_tensor(value))
        self.turn.assign_add(1)
        tf.cond(size > 1, lambda: zero, lambda: self._begin(slot))
        return size

    def _begin(self, slot: tf.Tensor) -> tf.Tensor:
        """Lets a text be written whose prompt is read."""
        size = tf.gather(self.prompts, slot)
        self.graphs.mark(slot, tf.gather(self.ids, slot)[:size])
        _set(self.rows.room, slot, tf.gather(self.wanted, slot))
        _set(self.wanted, slot, tf.constant(0))
        return tf.constant(0)

    def _free(self, slot: tf.Tensor) -> dict[str, tf.Tensor]:
        """Ends the text of a slot."""
        for variable in (self.rows.room, self.wanted):
            _set(variable, slot, tf.constant(0))
        return {"slot": slot}

    def _unread(self) -> tf.Tensor:
        """Tokens of prompts that are still to be read, int32 [slots]: the last one of a
        prompt is not, since the step that reads it writes the first token."""
        wanted, filled = map(tf.convert_to_tensor, (self.wanted, self.rows.filled))
        return tf.where(wanted > 0, self.prompts - 1 - filled, 0)

    def _read_chunk(self) -> None:
        """Reads of the prompts that came first."""

        def read(left: tf.Tensor) -> tf.Tensor:
            latest = tf.fill(tf.shape(self.turns), tf.int32.max)
            waits = tf.where(self._unread() > 0, self.turns, latest)
            slot = tf.argmin(waits, output_type=tf.int32)
            if not self.graphs.keeps_states:
                is_new = tf.gather(self.rows.filled, slot) == 0
                tf.cond(is_new, lambda: self._share(slot), lambda: slot)
            unread = tf.gather(self._unread(), slot)
            length = tf.cond(unread > 0, lambda: self._read_some(slot, left), lambda: 0)
            ended = tf.gather(self._unread(), slot) <= 0
            tf.cond(ended, lambda: self._begin(slot), lambda: 0)
            return left - length

        tf.while_loop(
            lambda left: (left > 0) & tf.reduce_any(self._unread() > 0),
            read,
            (tf.constant(self.chunk),),
        )

    def _read_some(self, slot: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
        """Reads of one prompt; how many tokens the chunk had."""
        places = tf.shape(self.ids)[1] - 1
        filled = tf.gather(self.rows.filled, slot)
        length = tf.minimum(tf.gather(self._unread(), slot), most)
        begin = filled
        if not self.graphs.keeps_states:  # few sizes, and it may read what was read
            length = tf.maximum(power_of_two(length), FEWEST_READ)
            length = tf.minimum(length, tf.minimum(self.chunk, places))
            begin = tf.minimum(begin, places - length)
        end = tf.maximum(power_of_two(begin + length), _FEWEST_SEEN)
        ids = tf.gather(self.ids, slot)[begin : begin + length]
        self.graphs.read(slot[None], ids[None], begin[None], tf.minimum(end, places))
        last = tf.gather(self.prompts, slot) - 1
        _set(self.rows.filled, slot, tf.minimum(begin + length, last))
        return length

    def _share(self, slot: tf.Tensor) -> tf.Tensor:
        """Takes over what the beginning of a prompt became in another slot."""
        size = tf.gather(self.prompts, slot) - 1
        ids = tf.convert_to_tensor(self.ids)
        same = ids[:, :size] == tf.gather(ids, slot)[None, :size]
        alike = tf.reduce_sum(tf.math.cumprod(tf.cast(same, tf.int32), axis=1), axis=1)
        alike = tf.minimum(alike, tf.convert_to_tensor(self.rows.filled))
        source = tf.argmax(alike, output_type=tf.int32)
        count = tf.gather(alike, source)

        def take_over() -> tf.Tensor:
            self.graphs.take_over(source, slot)
            for variable in (self.rows.filled, self.shared):
                _set(variable, slot, count)
            return slot

        return tf.cond(count >= _WORTH, take_over, lambda: slot)

    def _step(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reads of prompts, and writes some tokens of each text, at most `STEPS`.

        Returns:
            `token_ids` and `log_probabilities` [STEPS, slots], -1 and 0 where a text
            has none; and of each slot its `text` so far, without a character that may
            not be whole, `new_tokens` that it has, whether it is `done`, whether an end
            token `ended` it, and how many tokens of its prompt were `shared`.
        """
        self._read_chunk()
        before = tf.nest.map_structure(tf.convert_to_tensor, self.rows)
        tokens, scores, table = self.graphs.write(
            before.table(), tf.minimum(steps, STEPS)
        )
        rows = Rows.of(table, self.rules.recent)
        pairs = zip(*map(tf.nest.flatten, (self.rows, rows)), strict=True)
        for variable, value in pairs:
            variable.assign(value)
        prompts = tf.convert_to_tensor(self.prompts)
        place = (prompts + before.written)[None] + tf.range(STEPS)[:, None]
        fresh = tf.where(tokens >= 0)
        slot = tf.cast(fresh[:, 1], tf.int32)
        places = tf.stack([slot, tf.gather_nd(place, fresh)], axis=1)
        ids = tf.tensor_scatter_nd_update(
            tf.convert_to_tensor(self.ids), places, tf.gather_nd(tokens, fresh)
        )
        self.ids.assign(ids)
        done = (rows.room <= 0) & (tf.convert_to_tensor(self.wanted) <= 0)
        text = self._texts(ids, prompts, rows.written)
        settled = tf.strings.regex_replace(text, f"{REPLACEMENT}+$", "")
        ended = tf.reduce_any(rows.newest[:, None] == rows.stop_ids, axis=1)
        return {
            "token_ids": tokens,
            "log_probabilities": scores,
            "text": tf.where(done, text, settled),
            "new_tokens": rows.written,
            "done": done,
            "ended": ended & (rows.written > 0),
            "shared": tf.identity(self.shared),
        }

    def _texts(self, ids, prompts, written) -> tf.Tensor:
        """What stands behind the prompts, string [slots]."""
        read = tf.RaggedTensor.from_tensor(ids, lengths=prompts)
        both = tf.RaggedTensor.from_tensor(ids, lengths=prompts + written)
        place = tf.range(tf.size(both.flat_values, both.row_splits.dtype))
        place -= tf.gather(both.row_starts(), both.value_rowids())
        is_new = place >= tf.gather(read.row_lengths(), both.value_rowids())
        new = tf.ragged.boolean_mask(both, both.with_flat_values(is_new))
        heads = self.tokenizer.detokenize(read)
        return Prompts(read, heads).continued(self.tokenizer, new)


def _numbers(kind: tf.DType, *shape: int) -> tf.Variable:
    """Of slots whose number may change."""
    return tf.Variable(
        tf.zeros([1, *shape], kind), trainable=False, shape=[None, *shape]
    )


def _set(variable: tf.Variable, slot: tf.Tensor, value: tf.Tensor) -> None:
    """Gives one slot another value."""
    variable.scatter_update(tf.IndexedSlices(value[None], slot[None]))


def _named(function: Callable, **specs: tf.TensorSpec) -> Callable:
    """A graph with these inputs, which have names."""

    def call(*tensors):
        return function(*tensors)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # for TF
        [inspect.Parameter(name, kind) for name in specs]
    )
    named = [tf.TensorSpec(x.shape, x.dtype, name) for name, x in specs.items()]
    return tf.function(call, autograph=False, input_signature=named)
