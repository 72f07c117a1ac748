"""Prompts to texts in one graph: prefill, decode, detokenize."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.data.encoding import utf8
from massivetext_keras.generation.decoding import Decoder, State, written
from massivetext_keras.generation.sampling import Sampling
from massivetext_keras.tasks.base import in_batches

logger = logging.getLogger(__name__)

# Tokens between two looks at the text for stop strings.
_STOP_INTERVAL = 8
REPLACEMENT = "\ufffd"


class Prompts(NamedTuple):
    """Prompts as ids.

    Attributes:
        token_ids: int32 [batch, (length)], cut at the left to what fits.
        heads: string [batch], the text of `token_ids`.
    """

    token_ids: tf.RaggedTensor
    heads: tf.Tensor


class TextGenerator:
    """Continues texts with a causal model.

    Args:
        tokenizer: strings to ids.
        decoder: writes ids; generators may share one.
        stop: strings that end a text and do not belong to it.
    """

    def __init__(self, tokenizer, decoder: Decoder, stop: tuple[str, ...] = ()):
        self.tokenizer, self.decoder, self.stop = tokenizer, decoder, stop
        self.traces = 0
        signature = [
            tf.RaggedTensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32, "rows"),
            tf.TensorSpec([], tf.int32, "max_new_tokens"),
            sampling_spec(),
        ]
        self.generate = tf.function(
            self.continuations, input_signature=signature, autograph=False
        )
        self.begin = tf.function(
            self._begin, input_signature=signature, autograph=False
        )
        self.text = tf.function(self._text, autograph=False)
        self.has_stopped = tf.function(self._has_stopped, autograph=False)

    def continuations(
        self, token_ids, rows, max_new_tokens, sampling: Sampling
    ) -> tf.Tensor:
        """What follows prompts, inside a graph.

        Args:
            token_ids: int32 [batch, (length)], no row empty; one that leaves no room
                for the new tokens keeps its end.
            rows: int32 [batch], see `earlier_copies`.
            max_new_tokens: int32 scalar, at least 1 and below the context.
            sampling: how tokens are chosen.

        Returns:
            string [batch].
        """
        self.traces += 1
        prompts, state = self._begin(token_ids, rows, max_new_tokens, sampling)
        if not self.stop:
            state = self.decoder.decode(state, sampling, max_new_tokens)
            return self._text(prompts, state)

        def unfinished(state):
            return (state.step < max_new_tokens) & ~tf.reduce_all(state.done)

        def write_some(state):
            limit = tf.minimum(state.step + _STOP_INTERVAL, max_new_tokens)
            state = self.decoder.decode(state, sampling, limit)
            return (self._mark_stopped(prompts, state),)

        state = self._mark_stopped(prompts, state)
        state = tf.while_loop(unfinished, write_some, (state,))[0]
        return self._text(prompts, state)

    def write(
        self,
        prompts: Sequence[str],
        token_ids: tf.RaggedTensor,
        max_new_tokens: int,
        sampling: Sampling,
    ) -> list[str]:
        """What follows prompts, those of like length together.

        Args:
            prompts: their texts; equal ones get different samples.
            token_ids: int32 [len(prompts), (length)], no row empty.
            max_new_tokens: at least 0.
            sampling: how tokens are chosen.
        """
        if not max_new_tokens:
            return [""] * len(prompts)
        copies = earlier_copies(tf.constant([*map(utf8, prompts)])).numpy()
        limit = tf.constant(max_new_tokens)

        def write(_, rows, copies):
            ids = tf.gather(token_ids, rows)
            return [self.generate(ids, copies, limit, sampling)]

        (new,) = in_batches(write, prompts, range(len(prompts)), copies)
        return [text.decode() for text in new]

    def stream(self, token_ids, max_new_tokens: int, sampling) -> Iterator[str]:
        """What `generate` gives for one prompt, piece by piece.

        A piece never ends within a character, nor within what may become a stop string.

        Args:
            token_ids: int32 [1, (length)].
            max_new_tokens: at least 0.
            sampling: how tokens are chosen.
        """
        if not max_new_tokens:
            return
        limit, row = tf.constant(max_new_tokens), tf.zeros([1], tf.int32)
        prompts, state = self.begin(token_ids, row, limit, sampling)
        given, step = "", 1
        while True:
            text = self.text(prompts, state).numpy()[0].decode()
            stopped = bool(self.stop) and self.has_stopped(prompts, state)
            ended = stopped or step >= max_new_tokens or bool(state.done[0])
            ready = text if ended else text[: _settled(text, self.stop)]
            if len(ready) > len(given):
                yield ready[len(given) :]
                given = ready
            if ended:
                return
            step += 1
            state = self.decoder.decode(state, sampling, tf.constant(step))

    def _begin(self, token_ids, rows, max_new_tokens, sampling):
        room = self.decoder.model.config.max_length - max_new_tokens
        token_ids = token_ids[:, -tf.maximum(room, 1) :]
        prompts = Prompts(token_ids, self.tokenizer.detokenize(token_ids))
        state = self.decoder.start(token_ids, max_new_tokens, sampling, rows)
        return prompts, state

    def _text(self, prompts: Prompts, state: State) -> tf.Tensor:
        """The text written so far, up to the first stop string."""
        text = self._written_text(prompts, state)
        for stop in self.stop:
            parts = tf.strings.split(text, stop, maxsplit=1)
            text = parts.to_tensor(shape=[None, 2])[:, 0]
        return text

    def _written_text(self, prompts: Prompts, state: State) -> tf.Tensor:
        """What reads as new in prompt and new ids together.

        Pieces of a word can read differently at the beginning of a text, so the prompt
        is cut off the whole, unless the new ids changed how its end reads.
        """
        new = written(state, prompts.token_ids.nrows(), state.step)
        whole = self.tokenizer.detokenize(tf.concat([prompts.token_ids, new], axis=1))
        size = tf.minimum(tf.strings.length(prompts.heads), tf.strings.length(whole))
        rest = tf.strings.substr(whole, size, tf.strings.length(whole) - size)
        joins = tf.strings.join([prompts.heads, rest]) == whole
        return tf.where(joins, rest, self.tokenizer.detokenize(new))

    def _has_stopped(self, prompts: Prompts, state: State) -> tf.Tensor:
        """Bool [batch], whether the text holds a stop string."""
        text = self._written_text(prompts, state)
        hits = [tf.strings.split(text, x, maxsplit=1).row_lengths() for x in self.stop]
        return tf.reduce_max(tf.stack(hits), axis=0) > 1

    def _mark_stopped(self, prompts: Prompts, state: State) -> State:
        """Ends the rows whose text holds a stop string."""
        hit = self._has_stopped(prompts, state)
        fillers = tf.shape(state.done)[0] - tf.shape(hit)[0]
        return state._replace(done=state.done | tf.pad(hit, [[0, fillers]]))


def _settled(text: str, stop: tuple[str, ...]) -> int:
    """How much of an unfinished text no later token can change."""
    end = len(text.rstrip(REPLACEMENT))
    for string in stop:
        for size in range(min(len(string) - 1, end), 0, -1):
            if text[:end].endswith(string[:size]):
                end -= size
                break
    return end


def stop_strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    """One string or several.

    Raises:
        ValueError: one is empty.

    >>> stop_strings("a")
    ('a',)
    """
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stop:
        raise ValueError("a stop string is empty: it would end every text at once")
    return stop


def earlier_copies(texts: tf.Tensor) -> tf.Tensor:
    """How many earlier texts of the batch are the same, string [n] -> int32 [n].

    As the number of a sample it makes equal prompts differ, and no text depend on its
    neighbours.

    >>> earlier_copies(tf.constant(["a", "b", "a"])).numpy().tolist()
    [0, 0, 1]
    """
    same = tf.cast(texts[:, None] == texts[None, :], tf.int32)
    return tf.reduce_sum(tf.linalg.band_part(same, -1, 0), axis=1) - 1


def warn_of_long(what: str, lengths: np.ndarray, room: int, but: str) -> None:
    """Says once for all texts of a call that some have too many tokens.

    Args:
        what: such a text is called.
        lengths: int [n], their tokens.
        room: tokens that they may have.
        but: what is done about it.
    """
    long = np.flatnonzero(lengths > room)
    if long.size:
        others = f" (and {long.size - 1:,} more too many)" if long.size > 1 else ""
        first = f"{what} {long[0]} has {lengths[long[0]]} tokens"
        logger.warning("%s%s; %s", first, others, but)


def prompt_ids(
    tokenizer, texts: tf.Tensor, parse_special: bool | tf.Tensor = False
) -> tf.RaggedTensor:
    """Texts as what a causal model continues, string [batch] -> int32 [batch, (n)].

    Args:
        tokenizer, texts, parse_special: see `Tokenizer.tokenize`.
    """
    return begin_documents(tokenizer, tokenizer.tokenize(texts, parse_special))


def begin_documents(tokenizer, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
    """Gives every row the token that documents begin with, if they do or it is empty.

    Args:
        tokenizer: `bos_id` opens a document if it says `add_bos` and it is not there
            yet; else an empty row gets the token after which a document begins,
            `eos_id` or `bos_id`.
        token_ids: int32 [batch, (length)].
    """
    if tokenizer.add_bos:
        start = tokenizer.bos_id
        there = tf.reduce_any(token_ids[:, :1] == start, axis=1)
        missing = tf.cast(~there, token_ids.row_splits.dtype)
    else:
        start = first_id(tokenizer)
        missing = tf.cast(token_ids.row_lengths() == 0, token_ids.row_splits.dtype)
    ids = tf.fill([tf.reduce_sum(missing)], tf.constant(start or 0, token_ids.dtype))
    return tf.concat(
        [tf.RaggedTensor.from_row_lengths(ids, missing), token_ids], axis=1
    )


def first_id(tokenizer) -> int | None:
    """The token after which a document begins, None if the tokenizer has none."""
    if tokenizer.add_bos or tokenizer.eos_id is None:
        return tokenizer.bos_id
    return tokenizer.eos_id


def ids_that_end(task) -> tuple[int, ...]:
    """The ids that end a text: the task's `end_ids`, or else its tokenizer's `eos_id`.

    Args:
        task: with `end_ids` and `tokenizer`, both of which may be None.
    """
    if task.end_ids is not None:
        return task.end_ids
    eos_id = None if task.tokenizer is None else task.tokenizer.eos_id
    return () if eos_id is None else (eos_id,)


def checked_end_ids(ids: Sequence[int] | None, size: int) -> tuple[int, ...] | None:
    """Ids that end a text, each once.

    Raises:
        ValueError: one is outside a vocabulary of this size.

    >>> checked_end_ids([3, 1, 3], 4)
    (3, 1)
    """
    if ids is None:
        return None
    for index in ids:
        if not 0 <= index < size:
            raise ValueError(f"end_ids: {index} is no id of {size} tokens")
    return tuple(dict.fromkeys(ids))


def ragged_ids(ids) -> tf.RaggedTensor:
    """Rows of ids, dense or ragged, as an int32 RaggedTensor."""
    if not isinstance(ids, tf.RaggedTensor):
        ids = tf.RaggedTensor.from_tensor(tf.convert_to_tensor(ids))
    return tf.cast(ids, tf.int32)


def sampling_spec() -> Sampling:
    """Signature of `Sampling`: scalars by name."""
    return Sampling(
        temperature=tf.TensorSpec([], tf.float32, "temperature"),
        top_k=tf.TensorSpec([], tf.int32, "top_k"),
        top_p=tf.TensorSpec([], tf.float32, "top_p"),
        min_p=tf.TensorSpec([], tf.float32, "min_p"),
        repetition_penalty=tf.TensorSpec([], tf.float32, "repetition_penalty"),
        seed=tf.TensorSpec([], tf.int32, "seed"),
        min_new_tokens=tf.TensorSpec([], tf.int32, "min_new_tokens"),
    )
