"""Slots as signatures of a SavedModel: what has tensorflow and tensorflow_text alone
writes texts step by step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.slots.graphs import Rules, SlotGraphs
from massivetext_keras.generation.slots.rows import MOST_STOP_IDS, Rows
from massivetext_keras.generation.stop_strings import REPLACEMENT
from massivetext_keras.generation.texts import Prompts, prompt_ids

STEPS = 8  # tokens that a call writes of each text at the most
_GIVEN = ("temperature", "top_k", "top_p", "repetition_penalty", "seed")


class SlotSignatures:
    """The signatures `slots_open`, `slots_fill` and `slots_step`.

    What is in the slots is in variables of the export. A server calls `slots_open` once
    with how many texts are written together and how many tokens each has room for,
    prompt and text; then, from one thread, `slots_fill` for each text that takes a
    slot, and `slots_step` for the next tokens of all. A slot that is filled anew
    forgets the text that was there.

    Args:
        tokenizer: strings to ids and back.
        model: a causal model.
        rules: what holds for all texts.
        own: numbers that a request does not say, by the names of `SamplingTensors`.
        compiled: write by an XLA program.
    """

    def __init__(
        self,
        tokenizer,
        model,
        rules: Rules,
        own: Mapping[str, float],
        compiled: bool = True,
    ):
        self.tokenizer, self.own = tokenizer, own
        self.end_ids, self.context = rules.end_ids, model.config.max_length
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

    @property
    def variables(self) -> list[tf.Variable]:
        """What an export has to hold."""
        state = (self.graphs.layers, self.graphs.seen, self.rows)
        return [*tf.nest.flatten(state), self.ids, self.prompts]

    def signatures(self) -> dict[str, Callable]:
        """The graphs by name."""
        integer, spec = tf.TensorSpec([], tf.int32), SamplingTensors.spec()
        given = {name: getattr(spec, name) for name in _GIVEN}
        fill = {
            "slot": integer,
            "prompt": tf.TensorSpec([], tf.string),
            "max_new_tokens": integer,
            **given,
        }
        return {
            "slots_open": _named(self._open, slots=integer, places=integer),
            "slots_fill": _named(self._fill, **fill),
            "slots_step": _named(self._step, steps=integer),
        }

    def _open(self, slots: tf.Tensor, places: tf.Tensor) -> dict[str, tf.Tensor]:
        """Room for so many texts of so many tokens each; those that were there go."""
        slots = checked(slots, slots > 0, "slots must be positive")
        right = (places > 0) & (places <= self.context)
        wanted = f"places must be positive and at most the context of {self.context}"
        places = checked(places, right, wanted)
        self.graphs.resize(tf.zeros([slots], tf.int32), places)
        for variable in tf.nest.flatten(self.rows):
            variable.assign(tf.zeros([slots, *variable.shape[1:]], variable.dtype))
        self.ids.assign(tf.zeros([slots, places + 1], tf.int32))
        self.prompts.assign(tf.zeros([slots], tf.int32))
        return {"slots": slots, "places": places}

    def _fill(self, slot, prompt, max_new_tokens, *choice) -> dict[str, tf.Tensor]:
        """Gives a slot a prompt; one that is too long keeps its end."""
        places = tf.shape(self.ids)[1] - 1
        right = (max_new_tokens > 0) & (max_new_tokens < places)
        wanted = "max_new_tokens must be positive and below the places"
        new = checked(max_new_tokens, right, wanted)
        given = {**self.own, **dict(zip(_GIVEN, choice, strict=True))}
        sampling = SamplingTensors(
            *(
                tf.cast(given[name], spec.dtype)
                for name, spec in SamplingTensors.spec()._asdict().items()
            )
        ).checked()
        ids = prompt_ids(self.tokenizer, prompt[None]).flat_values[-(places - new) :]
        size = tf.size(ids)

        def read():
            row = slot[None], ids[None, :-1], tf.zeros([1], tf.int32)
            self.graphs.read(*row, size - 1)
            return size

        tf.cond(size > 1, read, lambda: size)
        self.graphs.mark(slot, ids)
        phrase = tf.constant(0)
        if self.rules.banned:
            phrase = self.rules.banned.read(ids[None], tf.zeros([1], tf.int32))[0]
        ends = [*self.end_ids, *[-1] * (MOST_STOP_IDS - len(self.end_ids))]
        row = Rows(
            newest=ids[-1],
            filled=size - 1,
            written=tf.constant(0),
            room=new,
            phrase=phrase,
            scored=tf.constant(1),
            stop_ids=tf.constant(ends),
            recent=tf.fill([self.rules.recent], -1),
            sampling=sampling,
        )
        pairs = zip(*map(tf.nest.flatten, (self.rows, row)), strict=True)
        padded = tf.pad(ids, [[0, places + 1 - size]])
        for variable, value in [*pairs, (self.ids, padded), (self.prompts, size)]:
            variable.scatter_update(tf.IndexedSlices(value[None], slot[None]))
        return {"prompt_tokens": size}

    def _step(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        """Writes some tokens of each text, at most `STEPS`.

        Returns:
            `token_ids` and `log_probabilities` [STEPS, slots], -1 and 0 where a text
            has none; and of each slot its `text` so far, without a character that may
            not be whole, `new_tokens` that it has, and whether it is `done`.
        """
        before = tf.nest.map_structure(tf.convert_to_tensor, self.rows)
        tokens, scores, rows = self.graphs.write(before, tf.minimum(steps, STEPS))
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
        done = rows.room <= 0
        text = self._texts(ids, prompts, rows.written)
        settled = tf.strings.regex_replace(text, f"{REPLACEMENT}+$", "")
        return {
            "token_ids": tokens,
            "log_probabilities": scores,
            "text": tf.where(done, text, settled),
            "new_tokens": rows.written,
            "done": done,
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


def _named(function: Callable, **specs: tf.TensorSpec) -> Callable:
    """A graph with these inputs, which have names."""

    def call(*tensors):
        return function(*tensors)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature(
        [inspect.Parameter(name, kind) for name in specs]
    )
    named = [tf.TensorSpec(x.shape, x.dtype, name) for name, x in specs.items()]
    return tf.function(call, autograph=False, input_signature=named)
