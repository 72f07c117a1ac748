"""Prompts to texts in one graph: prefill, decode, detokenize."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

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


class Written(NamedTuple):
    """What follows prompts, inside a graph, a row for each.

    Attributes:
        text: string [batch].
        stopped: bool [batch], whether an end token or a stop string ended the text, and
            not the limit.
        prompt_tokens: int32 [batch], that were read.
        token_ids: int32 [batch, (tokens)], up to the one that ended the text.
        log_probabilities: float32 [batch, (tokens)], see `State.scores`.
        lead: float32 [batch], see `State.lead`.
    """

    text: tf.Tensor
    stopped: tf.Tensor
    prompt_tokens: tf.Tensor
    token_ids: tf.RaggedTensor
    log_probabilities: tf.RaggedTensor
    lead: tf.Tensor

    @property
    def new_tokens(self) -> tf.Tensor:
        """How many tokens were written, int32 [batch]."""
        return tf.cast(self.token_ids.row_lengths(), tf.int32)

    def if_any(self, max_new_tokens: tf.Tensor) -> Written:
        """The same, but nothing where no token may be written."""
        some = max_new_tokens > 0
        count = tf.where(some, tf.int32.max, 0)
        return self._replace(
            text=tf.where(some, self.text, ""),
            stopped=self.stopped & some,
            token_ids=self.token_ids[:, :count],
            log_probabilities=self.log_probabilities[:, :count],
        )


class Completion(NamedTuple):
    """What `generate` tells of a text.

    Attributes:
        text: that was written.
        finish_reason: "stop" where an end token or a stop string ended it, else
            "length".
        prompt_tokens: that were read.
        token_ids: that were written, up to the one that ended the text: an end token,
            or the one that completed a stop string.
        log_probabilities: of these tokens, in nats, as the model has them: before
            temperature, limits, penalties and bans.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    token_ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]

    @property
    def new_tokens(self) -> int:
        """How many tokens were written."""
        return len(self.token_ids)


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
            tf.TensorSpec([], tf.bool, "scored"),
            tf.TensorSpec([None], tf.int32, "stop_ids"),
        ]
        self.begin = tf.function(
            self._begin, input_signature=signature, autograph=False
        )
        self.generate = tf.function(
            self._generate,
            input_signature=[*signature, StopStrings.spec()],
            autograph=False,
        )
        self.read = tf.function(self._written_text, autograph=False)
        # Traced once for all places where a text is read.
        rows = signature[0]
        prompts = Prompts(rows, tf.TensorSpec([None], tf.string))
        self.continued = tf.function(
            lambda prompts, new: prompts.continued(tokenizer, new),
            input_signature=[prompts, rows],
            autograph=False,
        )
        self.look = tf.function(
            lambda stop, texts: stop.look(texts),
            input_signature=[StopStrings.spec(), tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def _generate(
        self,
        token_ids,
        rows,
        max_new_tokens,
        sampling: SamplingTensors,
        banned: BannedPhrases | tuple[()],
        scored: tf.Tensor,
        stop_ids: tf.Tensor,
        stop: StopStrings,
    ) -> Written:
        """What follows prompts.

        Args:
            token_ids: int32 [batch, (length)], no row empty; one that leaves no room
                for the new tokens keeps its end.
            rows: int32 [batch], see `earlier_copies`.
            max_new_tokens: int32 scalar, at least 1 and below the context.
            sampling: how tokens are chosen.
            banned: phrases that must not be written, over prompt and text.
            scored: bool scalar, whether log-probabilities are wanted.
            stop_ids: int32 [n], ids that end a text.
            stop: where texts end.
        """
        self.traces += 1
        prompts, state = self._begin(
            token_ids, rows, max_new_tokens, sampling, banned, scored, stop_ids
        )
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
        return self._told(prompts, state, stop)

    def _begin(
        self, token_ids, rows, max_new_tokens, sampling, banned, scored, stop_ids
    ):
        room = self.decoder.model.config.max_length - max_new_tokens
        prompts = Prompts.make(self.tokenizer, token_ids, room)
        state = self.decoder.start(
            prompts.token_ids,
            max_new_tokens,
            sampling,
            rows,
            banned=banned,
            scored=scored,
            stop_ids=stop_ids,
        )
        return prompts, state

    def _told(self, prompts: Prompts, state: State, stop: StopStrings) -> Written:
        """What there is to say of texts that have ended."""
        batch = prompts.token_ids.nrows()
        new = written(state, batch, state.step)
        whole = self.continued(prompts, new)
        text = stop.cut(whole)
        cut = tf.strings.length(text) < tf.strings.length(whole)
        sizes = stop.if_any(
            lambda: self._completing(prompts, new, stop),
            lambda: tf.cast(new.row_lengths(), tf.int32),
        )
        ids, scores = (
            tf.RaggedTensor.from_tensor(x[:batch], lengths=sizes)
            for x in (state.tokens, state.scores)
        )
        return Written(
            text,
            state.done[:batch] | cut,
            tf.cast(prompts.token_ids.row_lengths(), tf.int32),
            ids,
            scores,
            state.lead[:batch],
        )

    def _completing(
        self, prompts: Prompts, new: tf.RaggedTensor, stop: StopStrings
    ) -> tf.Tensor:
        """How many tokens there are up to the one that completes a stop string, or all
        of them, int32 [batch]. It is one of the last that were written between two
        looks."""
        lengths = tf.cast(new.row_lengths(), tf.int32)
        sizes = lengths[:, None] - tf.range(_STOP_INTERVAL)[::-1]
        sizes = tf.maximum(sizes, 0)
        rows = tf.repeat(tf.range(tf.size(lengths)), _STOP_INTERVAL)
        some = tf.gather(new, rows).to_tensor()
        some = tf.RaggedTensor.from_tensor(some, lengths=tf.reshape(sizes, [-1]))
        heads = Prompts(*(tf.gather(x, rows) for x in prompts))
        hit = stop.stops(self.continued(heads, some))
        hit = tf.reshape(hit, tf.shape(sizes))
        first = tf.gather(sizes, tf.argmax(tf.cast(hit, tf.int32), 1), batch_dims=1)
        return tf.where(tf.reduce_any(hit, axis=1), first, lengths)

    def _mark_stopped(self, prompts: Prompts, state: State, stop: StopStrings) -> State:
        """Ends the rows that stop strings end."""
        hit = stop.stops(self._written_text(prompts, state))
        fillers = tf.shape(state.done)[0] - tf.shape(hit)[0]
        return state._replace(done=state.done | tf.pad(hit, [[0, fillers]]))

    def _written_text(self, prompts: Prompts, state: State) -> tf.Tensor:
        new = written(state, prompts.token_ids.nrows(), state.step)
        return self.continued(prompts, new)


class TextGenerator(NamedTuple):
    """Continues texts, with some ends and banned phrases.

    Attributes:
        graphs: that write them.
        stop_ids: int32 [n], ids that end a text.
        stop: strings that end a text and do not belong to it.
        banned: phrases that are not written, () if none.
    """

    graphs: TextGraphs
    stop_ids: tf.Tensor
    stop: StopStrings
    banned: BannedPhrases | tuple[()]

    def write(
        self,
        prompts: Sequence[str],
        token_ids: tf.RaggedTensor,
        max_new_tokens: int,
        sampling: SamplingTensors,
        scored: bool = False,
    ) -> list[Completion]:
        """What follows prompts, those of like length together.

        Args:
            prompts: their texts; equal ones get different samples.
            token_ids: int32 [len(prompts), (length)], no row empty.
            max_new_tokens: at least 0.
            sampling: how tokens are chosen.
            scored: whether log-probabilities are wanted; else they are 0.
        """
        if not max_new_tokens:
            counts = token_ids.row_lengths().numpy().tolist()
            return [Completion("", "length", count, (), ()) for count in counts]
        found: list[Any] = [None] * len(prompts)
        copies = earlier_copies(tf.constant([*map(utf8, prompts)])).numpy()
        how = tf.constant(max_new_tokens), sampling, *self._ends(scored)
        for some in of_like_length(prompts):
            ids = tf.gather(token_ids, some)
            rows = self.graphs.generate(ids, copies[some], *how)
            for i, row in zip(some, completions(rows), strict=True):
                found[i] = row
        return found

    def continued(
        self,
        token_ids,
        rows,
        max_new_tokens: tf.Tensor,
        sampling: SamplingTensors,
        scored: bool = False,
    ) -> Written:
        """What follows prompts, for a graph: nothing where `max_new_tokens` is 0.

        Args:
            token_ids, sampling, scored: see `write`.
            rows: int32 [batch], see `earlier_copies`.
            max_new_tokens: int32 scalar, at least 0 and below the context.
        """
        most = tf.maximum(max_new_tokens, 1)  # one is always written
        how = most, sampling, *self._ends(scored)
        found = self.graphs.generate(token_ids, rows, *how)
        return found.if_any(max_new_tokens)

    def _ends(self, scored: bool) -> tuple:
        """What graphs take last."""
        return self.banned, tf.constant(scored), self.stop_ids, self.stop

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
        how = sampling, self.banned, tf.constant(False), self.stop_ids
        prompts, state = self.graphs.begin(token_ids, row, limit, *how)
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


def completions(found: Written) -> list[Completion]:
    """The rows of what a graph gave."""
    columns = (
        [text.decode() for text in found.text.numpy()],
        np.where(found.stopped, "stop", "length").tolist(),
        found.prompt_tokens.numpy().tolist(),
        _rows(found.token_ids),
        _rows(found.log_probabilities),
    )
    return [Completion(*row) for row in zip(*columns, strict=True)]


def _rows(ragged: tf.RaggedTensor) -> list[tuple]:
    """Its rows; `to_list` takes as long as a short text's first token."""
    values, ends = ragged.values.numpy().tolist(), ragged.row_splits.numpy().tolist()
    return [tuple(values[i:j]) for i, j in zip(ends, ends[1:], strict=False)]


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
