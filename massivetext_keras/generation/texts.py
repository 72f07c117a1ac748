"""Prompts to texts in one graph: prefill, decode, detokenize."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.decoding import Decoder, State, written
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.generation.stop_strings import StopStrings
from massivetext_keras.text.batches import of_like_length
from massivetext_keras.text.framing import utf8

logger = logging.getLogger(__name__)

# Tokens between two looks at the text for stop strings.
_STOP_INTERVAL = 8


class Prompts(NamedTuple):
    """Prompts as ids.

    Attributes:
        token_ids: int32 [batch, (length)], cut at the left to what fits.
        heads: string [batch], the text of `token_ids`.
    """

    token_ids: tf.RaggedTensor
    heads: tf.Tensor

    @classmethod
    def make(cls, tokenizer, token_ids: tf.RaggedTensor, room: tf.Tensor) -> Prompts:
        """The ends of prompts, of at most `room` tokens."""
        token_ids = token_ids[:, -tf.maximum(room, 1) :]
        return cls(token_ids, tokenizer.detokenize(token_ids))

    def continued(self, tokenizer, new: tf.RaggedTensor) -> tf.Tensor:
        """What reads as new in prompts and new ids together, string [batch].

        Pieces of a word can read differently at the beginning of a text, so the prompt
        is cut off the whole, unless the new ids changed how its end reads.
        """
        whole = tokenizer.detokenize(tf.concat([self.token_ids, new], axis=1))
        size = tf.minimum(tf.strings.length(self.heads), tf.strings.length(whole))
        rest = tf.strings.substr(whole, size, tf.strings.length(whole) - size)
        joins = tf.strings.join([self.heads, rest]) == whole
        return tf.where(joins, rest, tokenizer.detokenize(new))


class TextGraphs:
    """Prompts as ids to texts, for any stop strings and any banned phrases.

    Args:
        tokenizer: ids to strings.
        decoder: writes ids; graphs may share one.
        bans: whether there are banned phrases.
    """

    def __init__(self, tokenizer, decoder: Decoder, bans: bool = False):
        self.tokenizer, self.decoder = tokenizer, decoder
        self.traces = 0
        signature = [
            tf.RaggedTensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32, "rows"),
            tf.TensorSpec([], tf.int32, "max_new_tokens"),
            SamplingTensors.spec(),
            BannedPhrases.spec() if bans else (),
        ]
        self.begin = tf.function(
            self._begin, input_signature=signature, autograph=False
        )
        self.generate = tf.function(
            self.continuations,
            input_signature=[*signature, StopStrings.spec()],
            autograph=False,
        )
        self.read = tf.function(self._written_text, autograph=False)
        self.look = tf.function(
            lambda stop, texts: stop.look(texts),
            input_signature=[StopStrings.spec(), tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def continuations(
        self,
        token_ids,
        rows,
        max_new_tokens,
        sampling: SamplingTensors,
        banned: BannedPhrases | tuple[()],
        stop: StopStrings,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What follows prompts, inside a graph.

        Args:
            token_ids: int32 [batch, (length)], no row empty; one that leaves no room
                for the new tokens keeps its end.
            rows: int32 [batch], see `earlier_copies`.
            max_new_tokens: int32 scalar, at least 1 and below the context.
            sampling: how tokens are chosen.
            banned: phrases that must not be written, over prompt and text.
            stop: where texts end.

        Returns:
            string [batch], and how sure the tokens were: `State.lead`, float32 [batch].
        """
        self.traces += 1
        prompts, state = self._begin(token_ids, rows, max_new_tokens, sampling, banned)
        interval = tf.where(stop.is_any(), _STOP_INTERVAL, max_new_tokens)

        def unfinished(state):
            return (state.step < max_new_tokens) & ~tf.reduce_all(state.done)

        def write_some(state):
            limit = tf.minimum(state.step + interval, max_new_tokens)
            state = self.decoder.decode(state, sampling, limit)
            # A graph that was traced for tables of any size forgets theirs.
            state = state._replace(banned=banned)
            return (self._mark_stopped(prompts, state, stop),)

        state = self._mark_stopped(prompts, state, stop)
        state = tf.while_loop(unfinished, write_some, (state,))[0]
        lead = state.lead[: token_ids.nrows()]
        return stop.cut(self._written_text(prompts, state)), lead

    def _begin(self, token_ids, rows, max_new_tokens, sampling, banned):
        room = self.decoder.model.config.max_length - max_new_tokens
        prompts = Prompts.make(self.tokenizer, token_ids, room)
        state = self.decoder.start(
            prompts.token_ids, max_new_tokens, sampling, rows, banned=banned
        )
        return prompts, state

    def _mark_stopped(self, prompts: Prompts, state: State, stop: StopStrings) -> State:
        """Ends the rows that stop strings end."""
        hit = stop.stops(self._written_text(prompts, state))
        fillers = tf.shape(state.done)[0] - tf.shape(hit)[0]
        return state._replace(done=state.done | tf.pad(hit, [[0, fillers]]))

    def _written_text(self, prompts: Prompts, state: State) -> tf.Tensor:
        new = written(state, prompts.token_ids.nrows(), state.step)
        return prompts.continued(self.tokenizer, new)


class TextGenerator(NamedTuple):
    """Continues texts, with some stop strings and banned phrases.

    Attributes:
        graphs: that write them.
        stop: strings that end a text and do not belong to it.
        banned: phrases that are not written, () if none.
    """

    graphs: TextGraphs
    stop: StopStrings
    banned: BannedPhrases | tuple[()]

    def write(
        self,
        prompts: Sequence[str],
        token_ids: tf.RaggedTensor,
        max_new_tokens: int,
        sampling: SamplingTensors,
    ) -> tuple[list[str], np.ndarray]:
        """What follows prompts, those of like length together.

        Args:
            prompts: their texts; equal ones get different samples.
            token_ids: int32 [len(prompts), (length)], no row empty.
            max_new_tokens: at least 0.
            sampling: how tokens are chosen.

        Returns:
            The texts, and how sure each one's tokens were: `State.lead`, float [n].
        """
        texts, lead = [""] * len(prompts), np.full([len(prompts)], np.inf)
        if not max_new_tokens:
            return texts, lead
        copies = earlier_copies(tf.constant([*map(utf8, prompts)])).numpy()
        how = tf.constant(max_new_tokens), sampling, self.banned, self.stop
        for some in of_like_length(prompts):
            ids = tf.gather(token_ids, some)
            new, lead[some] = self.graphs.generate(ids, copies[some], *how)
            for i, text in zip(some, new.numpy(), strict=True):
                texts[i] = text.decode()
        return texts, lead

    def continued(
        self, token_ids, rows, max_new_tokens: tf.Tensor, sampling: SamplingTensors
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`TextGraphs.continuations` with these stop strings and banned phrases."""
        most = tf.maximum(max_new_tokens, 1)  # one is always written
        new, lead = self.graphs.continuations(
            token_ids, rows, most, sampling, self.banned, self.stop
        )
        return tf.where(max_new_tokens > 0, new, ""), lead

    def stream(self, token_ids, max_new_tokens: int, sampling) -> Iterator[str]:
        """What `write` gives for one prompt, piece by piece.

        A piece never ends within a character, nor within what may become a stop string.

        Args:
            token_ids: int32 [1, (length)].
            max_new_tokens: at least 0.
            sampling: how tokens are chosen.
        """
        if not max_new_tokens:
            return
        limit, row = tf.constant(max_new_tokens, tf.int32), tf.zeros([1], tf.int32)
        prompts, state = self.graphs.begin(token_ids, row, limit, sampling, self.banned)
        given, step = "", 1
        while True:
            seen = self.graphs.look(self.stop, self.graphs.read(prompts, state))
            text, settled, stopped = (x.numpy()[0] for x in seen)
            ended = stopped or step >= max_new_tokens or bool(state.done[0])
            ready = (text if ended else settled).decode()
            if len(ready) > len(given):
                yield ready[len(given) :]
                given = ready
            if ended:
                return
            step += 1
            state = self.graphs.decoder.decode(state, sampling, tf.constant(step))


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
    """Rows of ids, dense or ragged, as an int32 RaggedTensor.

    >>> ragged_ids([[1, 2], [3, 4]]).to_list()
    [[1, 2], [3, 4]]
    """
    if isinstance(ids, tf.RaggedTensor):
        return tf.cast(ids, tf.int32)
    ids = np.asarray(ids, np.int32)
    if ids.ndim != 2:
        raise ValueError(f"ids must be [batch, length], got {list(ids.shape)}")
    # Not `from_tensor`: its forty operations take as long as a short text's first token
    splits = np.arange(len(ids) + 1, dtype=np.int64) * ids.shape[1]
    return tf.RaggedTensor.from_row_splits(ids.reshape(-1), splits, validate=False)
