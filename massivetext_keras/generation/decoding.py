"""Cached decoding: a prompt is read once, then one compiled loop writes tokens."""

from __future__ import annotations

import functools
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.constraints import Constraints, marked, not_yet
from massivetext_keras.generation.phrases import BannedPhrases
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import SamplingTensors, choose, penalize
from massivetext_keras.kernels.fused import island
from massivetext_keras.layers.cache import Cache
from massivetext_keras.layers.capacity import (
    is_full,
    places_at_first,
    power_of_two,
    while_growing,
)


class State(NamedTuple):
    """Decoding between two calls of the loop.

    Attributes:
        step: int32 scalar, tokens written so far.
        tokens: int32 [batch, capacity], the tokens written; 0 after a row's end.
        lengths: int32 [batch], tokens of each row, its stop token included.
        done: bool [batch].
        stop_ids: int32 [n], ids that end a text.
        rows: int32 [batch], the stream of random numbers of each row.
        seen: bool [batch, vocabulary], tokens of the prompt and the text so far, or
            [batch, 0] where repetitions are not penalised.
        banned: phrases that must not be written, () if none.
        phrases: int32 [batch], how much of a banned phrase the text ends with.
        room: int32 scalar, tokens that a text can have.
        scored: bool scalar, whether log-probabilities are wanted.
        scores: float32 [batch, capacity], the log-probabilities of the tokens as the
            model has them, before any limit or temperature; 0 where nobody wants them.
        lead: float32 [batch], the least by which the logit of a token was above that of
            the next best, as a share of it (or, if it is below 1, as a number): what is
            greedy and within `ROUNDING` may be another text elsewhere.
        cache: keys and values.
    """

    step: tf.Tensor
    tokens: tf.Tensor
    lengths: tf.Tensor
    done: tf.Tensor
    stop_ids: tf.Tensor
    rows: tf.Tensor
    seen: tf.Tensor
    banned: BannedPhrases | tuple[()]
    phrases: tf.Tensor
    room: tf.Tensor
    scored: tf.Tensor
    scores: tf.Tensor
    lead: tf.Tensor
    cache: Cache


class Decoder:
    """Writes tokens with a causal model, in float32.

    The loop is one XLA program, compiled once per bucket: the batch is padded to a
    power of two, the cache as `capacity` says.

    Args:
        model: with `call(inputs, cache)`, `empty_cache`, `logits` and `config`.
        stop_ids: ids that end a text where nobody says.
        penalize_repetitions: whether `repetition_penalty` is obeyed; it costs a table
            of [batch, vocabulary].
        compiled: run the loop as an XLA program.
        constraints: tokens that must or must not be written.
    """

    def __init__(
        self,
        model,
        stop_ids: tuple[int, ...] = (),
        penalize_repetitions: bool = False,
        compiled: bool = True,
        constraints: Constraints | None = None,
    ):
        self.model = model
        self.stop_ids = tuple(stop_ids)
        self.penalize_repetitions = penalize_repetitions
        self.constraints = constraints or Constraints()
        self.traces = 0
        plain = functools.partial(tf.function, autograph=False)
        self.fill = (island if compiled else plain)(self._fill)
        self.decode = tf.function(self._decode, autograph=False, reduce_retracing=True)
        self.begin = tf.function(self.start, autograph=False, reduce_retracing=True)
        self.extend = tf.function(self._extend, autograph=False, reduce_retracing=True)

    def start(
        self,
        prompts: tf.RaggedTensor,
        max_new_tokens,
        sampling: SamplingTensors,
        rows,
        context: tuple = (),
        banned: BannedPhrases | tuple[()] = (),
        scored: tf.Tensor | bool = False,
        stop_ids: tf.Tensor | None = None,
    ) -> State:
        """Reads the prompts and writes their first token.

        Args:
            prompts: int32 [batch, (length)], no row empty, all short enough to leave
                room for `max_new_tokens` in the context.
            max_new_tokens: int32 scalar, tokens that there shall be room for.
            sampling: how tokens are chosen.
            rows: int32 [batch], the stream of random numbers of each row.
            context: what `model.empty_cache` takes beside, with a row per prompt.
            banned: phrases that must not be written, over prompt and text.
            scored: bool scalar, whether log-probabilities are wanted.
            stop_ids: int32 [n], ids that end a text (None: the decoder's own).
        """
        batch = tf.cast(prompts.nrows(), tf.int32)
        token_ids, hidden, cache = read(self.model, prompts, max_new_tokens, context)
        padding = cache.padding
        rows = tf.pad(tf.cast(rows, tf.int32), [[0, tf.size(padding) - batch]])
        seen = tf.zeros([tf.shape(token_ids)[0], 0], tf.bool)
        if self.penalize_repetitions:
            seen = seen_in(token_ids, padding, self.model.config.vocabulary_size)
        if stop_ids is None:
            stop_ids = tf.constant(self.stop_ids, tf.int32, [len(self.stop_ids)])
        phrases = tf.zeros_like(padding)
        if banned:
            phrases = banned.read(token_ids, padding)
        state = State(
            step=tf.constant(0),
            tokens=empty_text(cache),
            lengths=tf.zeros_like(padding),
            done=tf.range(tf.size(padding)) >= batch,
            stop_ids=stop_ids,
            rows=rows,
            seen=seen,
            banned=banned,
            phrases=phrases,
            room=tf.cast(max_new_tokens, tf.int32),
            scored=tf.convert_to_tensor(scored),
            scores=tf.cast(empty_text(cache), tf.float32),
            lead=tf.fill(tf.shape(padding), float("inf")),
            cache=cache,
        )
        return self._append(state, hidden, cache, sampling)

    def _extend(
        self,
        prompts: tf.RaggedTensor,
        max_new_tokens: tf.Tensor,
        sampling: SamplingTensors,
        banned: BannedPhrases | tuple[()] = (),
        stop_ids: tf.Tensor | None = None,
    ) -> tf.RaggedTensor:
        """Prompts with what follows them; arguments as of `start`."""
        prompts = _of_any_size(prompts)
        if stop_ids is not None:
            stop_ids = tf.compat.v1.placeholder_with_default(stop_ids, [None])
        count = prompts.nrows()
        rows = tf.range(tf.cast(count, tf.int32))
        start = (prompts, max_new_tokens, sampling, rows)
        state = self.start(*start, banned=banned, stop_ids=stop_ids)
        state = self.decode(state, sampling, max_new_tokens)
        return tf.concat([prompts, written(state, count, max_new_tokens)], axis=1)

    def _decode(
        self, state: State, sampling: SamplingTensors, limit: tf.Tensor
    ) -> State:
        """Writes until `limit` tokens are there or all rows are done."""
        return while_growing(
            state,
            functools.partial(self._unfinished, limit),
            lambda state: self.fill(state, sampling, limit),
            ["tokens", "scores"],
            self.model.config,
            state.room,
        )

    @staticmethod
    def _unfinished(limit: tf.Tensor, state: State) -> tf.Tensor:
        return (state.step < limit) & ~tf.reduce_all(state.done)

    def _fill(self, state: State, sampling: SamplingTensors, limit: tf.Tensor) -> State:
        """`_decode` until the cache is full."""
        self.traces += 1

        def unfinished(state):
            return self._unfinished(limit, state) & ~is_full(state.cache)

        def write_one(state):
            newest = tf.gather(state.tokens, state.step - 1, axis=1)
            with in_float32(self.model):
                hidden, cache = self.model(
                    {"token_ids": newest[:, None]}, cache=state.cache
                )
            return (self._append(state, hidden[:, 0], cache, sampling),)

        return tf.while_loop(unfinished, write_one, (state,))[0]

    def _append(
        self, state: State, hidden, cache: Cache, sampling: SamplingTensors
    ) -> State:
        """Chooses a token from hidden states [batch, d] and writes it down."""
        with in_float32(self.model):
            logits = of_model = self.model.logits(hidden)
        seen = state.seen
        if self.penalize_repetitions:
            logits = penalize(logits, seen, sampling.repetition_penalty)
        logits = not_yet(logits, state.stop_ids, state.step, sampling.min_new_tokens)
        logits = self.constraints.apply(logits, state.tokens, state.step, state.room)
        phrases = state.phrases
        if state.banned:
            logits = state.banned.forbid(logits, phrases)
        token = choose(logits, sampling, state.rows, state.step)
        lead = tf.where(state.done, float("inf"), lead_of(token, logits))
        score = tf.cond(
            state.scored,
            lambda: score_of(token, of_model),
            lambda: tf.zeros_like(state.lead),
        )
        token = tf.where(state.done, 0, token)
        if self.penalize_repetitions:
            seen = seen | tf.one_hot(token, tf.shape(logits)[1], True, False)
        if state.banned:
            phrases = state.banned.advance(phrases, token)
        here = tf.range(tf.shape(state.tokens)[1]) == state.step
        stops = tf.reduce_any(token[:, None] == state.stop_ids, axis=1)
        return state._replace(
            step=state.step + 1,
            tokens=tf.where(here[None], token[:, None], state.tokens),
            scores=tf.where(here[None], score[:, None], state.scores),
            lengths=state.lengths + tf.cast(~state.done, tf.int32),
            done=state.done | stops,
            seen=seen,
            phrases=phrases,
            lead=tf.minimum(state.lead, lead),
            cache=cache,
        )


def score_of(tokens: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The log-probabilities of some tokens, in nats.

    Args:
        tokens: int32 [batch].
        logits: float32 [batch, vocabulary].

    >>> print(f"{float(score_of(tf.constant([1]), tf.zeros([1, 4]))[0]):.4f}")
    -1.3863
    """
    return tf.gather(tf.nn.log_softmax(logits), tokens, axis=1, batch_dims=1)


def lead_of(tokens: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """How far the logits of some tokens are above the best of the others, relatively.

    Args:
        tokens: int32 [batch].
        logits: float32 [batch, vocabulary].

    >>> lead_of(tf.constant([1]), tf.constant([[2.0, 4.0, 3.0]])).numpy().tolist()
    [0.25]
    """
    mine = tf.range(tf.shape(logits)[1])[None] == tokens[:, None]
    of_mine = tf.reduce_max(tf.where(mine, logits, -float("inf")), axis=1)
    others = tf.reduce_max(tf.where(mine, -float("inf"), logits), axis=1)
    return (of_mine - others) / tf.maximum(tf.abs(of_mine), 1.0)


def read(
    model,
    prompts: tf.RaggedTensor,
    max_new_tokens,
    context: tuple = (),
    copies: int = 1,
) -> tuple[tf.Tensor, tf.Tensor, Cache]:
    """Fills a cache with prompts, their number and its size rounded up to a bucket.

    Args:
        model: see `Decoder`.
        prompts, max_new_tokens, context: see `Decoder.start`.
        copies: how often each row will be decoded.

    Returns:
        The prompts as int32 [rows, length], the hidden states [rows, d] of their last
        tokens, and the cache.
    """
    batch = prompts.nrows()
    empty = power_of_two(batch) - batch
    fillers = tf.RaggedTensor.from_row_lengths(
        tf.zeros([empty], tf.int32), tf.ones([empty], prompts.row_splits.dtype)
    )
    token_ids, padding = left_padded(tf.concat([prompts, fillers], axis=0))
    context = tf.nest.map_structure(lambda x: _with_rows(x, empty), context)
    # What is written last is never read.
    rows, length = tf.unstack(tf.shape(token_ids))
    needed = length + tf.maximum(max_new_tokens, 1) - 1
    places = places_at_first(model.config, copies * rows, length, needed)
    with in_float32(model):
        cache = model.empty_cache(padding, places, *context)
        hidden, cache = model({"token_ids": token_ids}, cache=cache)
    return token_ids, hidden[:, -1], cache


def seen_in(token_ids: tf.Tensor, padding: tf.Tensor, vocabulary: int) -> tf.Tensor:
    """Which tokens occur in prompts, bool [batch, vocabulary].

    Args:
        token_ids: int32 [batch, length].
        padding: int32 [batch], zeros at the left of each row.
        vocabulary: number of tokens.
    """
    real = tf.range(tf.shape(token_ids)[1])[None] >= padding[:, None]
    return marked(tf.where(real, token_ids, vocabulary), vocabulary)


def empty_text(cache: Cache) -> tf.Tensor:
    """Zeros for the tokens that a cache has places for, int32 [rows, capacity]."""
    return tf.zeros([tf.size(cache.padding), cache.places], tf.int32)


def _with_rows(x: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """`x` and `count` rows of zeros."""
    count = tf.cast(count, tf.int32)
    return tf.pad(x, [[0, count], *[[0, 0]] * (x.shape.rank - 1)])


def written(state: State, batch, limit) -> tf.RaggedTensor:
    """The tokens of the first `batch` rows, at most `limit` each, int32."""
    lengths = tf.minimum(state.lengths[:batch], limit)
    return tf.RaggedTensor.from_tensor(state.tokens[:batch], lengths=lengths)


def _of_any_size(rows: tf.RaggedTensor) -> tf.RaggedTensor:
    """Rows whose number the graph does not know: one graph for all, and no loop in it
    that some of its tensors enter with a known size, and others not."""
    forget = tf.compat.v1.placeholder_with_default
    values, splits = forget(rows.values, [None]), forget(rows.row_splits, [None])
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def left_padded(rows: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Ragged int32 rows as a rectangle that ends with them.

    Returns:
        int32 [batch, longest] and int32 [batch], the zeros at the left of each row.

    >>> import tensorflow as tf
    >>> left_padded(tf.ragged.constant([[1], [2, 3]]))[0].numpy().tolist()
    [[0, 1], [2, 3]]
    """
    lengths = tf.cast(rows.row_lengths(), tf.int32)
    padding = tf.reduce_max(lengths) - lengths
    zeros = tf.RaggedTensor.from_row_lengths(
        tf.zeros([tf.reduce_sum(padding)], rows.dtype),
        tf.cast(padding, rows.row_splits.dtype),
    )
    return tf.concat([zeros, rows], axis=1).to_tensor(), padding
