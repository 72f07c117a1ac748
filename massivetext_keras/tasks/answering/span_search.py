"""The parts of contexts that answer questions best, found in the graph."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.text.framing import padded
from massivetext_keras.text.passages import Passages, passages
from massivetext_keras.tokenizers.base import valid_utf8

IMPOSSIBLE = -1e9  # a logit
_ROWS_AT_ONCE = 32
_SPACES = [code for code in range(0x3001) if chr(code).isspace()]


class Bounds(NamedTuple):
    """The tokens of all contexts, one after another.

    Attributes:
        begins: the first character of each in its context that is no space; int32.
        ends: the character behind the last such; int32.
        can_start: whether an answer may start there: at the first token of a character,
            not at one of spaces; bool.
        can_end: whether one may end there; bool.
    """

    begins: tf.Tensor
    ends: tf.Tensor
    can_start: tf.Tensor
    can_end: tf.Tensor


def best_spans(
    task, questions: tf.Tensor, contexts: tf.Tensor, count: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """The best spans of all windows of a context.

    A span's score is that of its start and its end above those of [CLS] in its window:
    the log of its odds against no answer. The probability of a span is over all spans
    of all windows and no answer (compare the shared normalisation of Clark & Gardner,
    2018), where a span counts in the window alone that has most around its start. Of
    spans whose scores are equal within rounding, the earliest comes first.

    Args:
        task: a `QuestionAnswerer`.
        questions: string [n].
        contexts: string [n].
        count: of spans, int32.

    Returns:
        The first character of each span in its context and the one behind its last,
        int32 [n, count], -1 where there are no more spans; their log-odds and their
        probabilities, float32 [n, count]; and the probability that nothing is the
        answer, float32 [n].
    """
    tokenizer, contexts = task.tokenizer, valid_utf8(contexts)
    ids, starts, ends = tokenizer.tokenize_with_offsets(contexts)
    bounds = visible(contexts, starts, ends)
    found = passages(
        tokenizer,
        tokenizer.tokenize(questions),
        ids,
        task.within_context("window", task.window),
        task.stride,
    )
    # numbers in `bounds` of the first token of each window
    tokens = tf.gather(tf.cast(ids.row_starts(), tf.int32), found.owners) + found.first
    odds, first, last, mass = _searched(task, found, tokens, bounds, count)

    # [rows, count] of windows -> [n, windows * count] of contexts -> [n, count]
    n = tf.size(contexts)
    rows = tf.RaggedTensor.from_value_rowids(
        tf.range(tf.size(found.owners)),
        tf.cast(found.owners, tf.int64),
        tf.cast(n, tf.int64),
    ).to_tensor(tf.size(found.owners))
    # one more, which is filled, so that there is one where there are no contexts
    rows = tf.pad(rows, [[0, 0], [0, 1]], constant_values=tf.size(found.owners))

    def of_contexts(x, fill):
        x = tf.concat([x, tf.fill([1, count], tf.constant(fill, x.dtype))], axis=0)
        return tf.reshape(tf.gather(x, rows), [n, tf.shape(rows)[1] * count])

    odds, best = earliest_best(of_contexts(odds, IMPOSSIBLE), count)
    first, last = (
        tf.gather(of_contexts(x, 0), best, batch_dims=1) for x in (first, last)
    )
    there = odds > IMPOSSIBLE / 2
    begin, end = (
        tf.gather(tf.pad(offsets, [[0, 1]]), tokens)
        for offsets, tokens in ((bounds.begins, first), (bounds.ends, last))
    )

    # log of the sum of all odds, 1 for no answer among them
    most = tf.maximum(tf.math.unsorted_segment_max(mass, found.owners, n), 0.0)
    summed = tf.math.unsorted_segment_sum(
        tf.exp(mass - tf.gather(most, found.owners)), found.owners, n
    )
    total = most + tf.math.log(tf.exp(-most) + summed)
    scores = tf.where(there, tf.exp(odds - total[:, None]), 0.0)
    return (
        tf.where(there, begin, -1),
        tf.where(there, end, -1),
        odds,
        scores,
        tf.exp(-total),
    )


def earliest_best(scores: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k`, but of scores that are equal within rounding the first wins.

    So the order does not hang on the last bits, which no two processors share.

    Args:
        scores: float32 [n, m], finite.
        count: how many of each row, int32, at most m.

    Returns:
        Scores and their places, float32 and int32 [n, count].

    >>> scores, places = earliest_best(tf.constant([[1.0, 2.0, 2.00001, 3.0]]), 3)
    >>> places.numpy().tolist()
    [[3, 1, 2]]
    """
    index = tf.range(tf.shape(scores)[1])

    def take(left, _):
        best = tf.reduce_max(left, axis=1, keepdims=True)
        near = left >= best - ROUNDING * tf.maximum(tf.abs(best), 1.0)
        place = tf.argmax(near, axis=1, output_type=tf.int32)
        return tf.where(index == place[:, None], -float("inf"), left), place

    nowhere = tf.zeros(tf.shape(scores)[:1], tf.int32)
    _, places = tf.scan(
        lambda carry, _: take(*carry), tf.range(count), (scores, nowhere)
    )
    places = tf.transpose(places)
    return tf.gather(scores, places, batch_dims=1), places


def is_answer(odds: tf.Tensor, threshold: float) -> tf.Tensor:
    """Whether spans of such log-odds are answers: not below a threshold, but for
    rounding.

    >>> is_answer(tf.constant([0.0, 1.99999, 2.5]), 2.0).numpy().tolist()
    [False, True, True]
    """
    return odds >= threshold - ROUNDING * max(abs(threshold), 1.0)


def visible(texts: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor) -> Bounds:
    """What tokens cover without the spaces around it; no span is there twice.

    Args:
        texts: string [n], valid UTF-8.
        starts, ends: offsets of tokens in characters, int32 [n, (tokens)].

    >>> starts, ends = tf.ragged.constant([[0, 1, 1]]), tf.ragged.constant([[1, 3, 3]])
    >>> found = visible(tf.constant(["a é"]), starts, ends)
    >>> found.begins.numpy().tolist(), found.can_start.numpy().tolist()
    ([0, 2, 2], [True, True, False])
    """
    points = tf.strings.unicode_decode(texts, "UTF-8")
    seen = tf.reduce_all(points.flat_values[:, None] != tf.constant(_SPACES), axis=1)
    places = tf.pad(tf.cast(tf.where(seen)[:, 0], tf.int32), [[1, 1]])  # from 1 on
    before = tf.pad(tf.cumsum(tf.cast(seen, tf.int32)), [[1, 0]])
    base = tf.gather(tf.cast(points.row_starts(), tf.int32), starts.value_rowids())
    from_, to = (tf.gather(before, base + x.flat_values) for x in (starts, ends))
    real = to > from_
    # among the characters of all texts; what is blank hinders no neighbour
    begin = tf.where(real, tf.gather(places, from_ + 1), -1)
    end = tf.where(real, tf.gather(places, to) + 1, tf.int32.max)
    can_start = real & (begin > tf.concat([[-1], begin[:-1]], axis=0))
    can_end = real & (end < tf.concat([end[1:], [tf.int32.max]], axis=0))
    return Bounds(begin - base, end - base, can_start, can_end)


def _searched(
    task, found: Passages, tokens: tf.Tensor, bounds: Bounds, count: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """The best spans of each window: their log-odds, float32 [rows, count], and numbers
    of their first and last tokens in `bounds`, int32 [rows, count]; and the log of the
    sum of the odds of all spans, float32 [rows]."""
    longest = task.max_answer_length
    features = padded(task.tokenizer, found.rows)
    shape = tf.shape(features["token_ids"])
    features["segment_ids"] = found.segments.to_tensor(shape=shape)

    place = tf.range(shape[1])[None] - found.before[:, None]  # in the window
    inside = (place >= 0) & (place < found.sizes[:, None])
    number = tf.where(inside, tokens[:, None] + place, 0)
    asked = found.asked - found.first[:, None]
    asked = (place >= asked[:, :1]) & (place < asked[:, 1:])
    can_start, can_end = (
        tf.gather(tf.pad(x, [[0, 1]]), number) & inside
        for x in (bounds.can_start, bounds.can_end)
    )
    can_start &= asked
    ahead = tf.range(shape[1])[:, None] + tf.range(longest)  # [length, longest]

    def some(at):
        rows = tf.range(at, tf.minimum(at + _ROWS_AT_ONCE, shape[0]))
        with in_float32(task):
            logits = task({k: tf.gather(x, rows) for k, x in features.items()})
        logits = logits - logits[:, :1]  # against no answer, which is at [CLS]
        start = tf.where(tf.gather(can_start, rows), logits[..., 0], IMPOSSIBLE)
        end = tf.where(tf.gather(can_end, rows), logits[..., 1], IMPOSSIBLE)
        end = tf.pad(end, [[0, 0], [0, longest]], constant_values=IMPOSSIBLE)
        spans = start[..., None] + tf.gather(end, ahead, axis=1)
        spans = tf.reshape(spans, [tf.size(rows), -1])  # [rows, length * longest]
        mass = tf.reduce_logsumexp(tf.maximum(spans, IMPOSSIBLE), axis=1)
        spans = tf.pad(spans, [[0, 0], [0, count]], constant_values=IMPOSSIBLE)
        odds, best = earliest_best(spans, count)
        first = tf.minimum(best // longest, shape[1] - 1)
        last = tf.minimum(first + best % longest, shape[1] - 1)
        numbers = tf.gather(number, rows)
        first, last = (tf.gather(numbers, x, batch_dims=1) for x in (first, last))
        missing = _ROWS_AT_ONCE - tf.size(rows)
        return tuple(
            tf.pad(x, [[0, missing]] + [[0, 0]] * (x.shape.rank - 1))
            for x in (odds, first, last, mass)
        )

    types = tf.float32, tf.int32, tf.int32, tf.float32
    firsts = tf.range(0, tf.maximum(shape[0], 1), _ROWS_AT_ONCE)  # also of no row
    parts = tf.map_fn(some, firsts, fn_output_signature=types)
    return tuple(
        tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0))[: shape[0]] for x in parts
    )
