"""Texts drawn from a recurrent model, whole, completed or relaxed, within the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.kernels.fused import island
from massivetext_keras.models.recurrent import Recurrent


class Marks(NamedTuple):
    """Ids that stand around texts.

    Attributes:
        start: that a text begins behind, and which is no part of it.
        end: the last one of a text (None: all texts have the whole length).
        padding: that rows are filled with behind it.
    """

    start: int = 0
    end: int | None = None
    padding: int = 0

    def inside(self, ids: tf.Tensor) -> tf.Tensor:
        """1.0 at the tokens of texts, their ends too, 0.0 behind; as `ids`.

        >>> Marks(end=2).inside(tf.constant([[5, 2, 2], [5, 6, 7]])).numpy().tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
        """
        if self.end is None:
            return tf.ones_like(ids, tf.float32)
        ends = tf.cast(ids == self.end, tf.int32)
        return tf.cast(tf.cumsum(ends, axis=1, exclusive=True) == 0, tf.float32)

    def inputs(self, ids: tf.Tensor) -> tf.Tensor:
        """What a model reads before each token of rows [batch, length]."""
        return tf.pad(ids[:, :-1], [[0, 0], [1, 0]], constant_values=self.start)


@island
def draw(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Tokens from the softmax of logits, by the inverse of its distribution.

    A sum over blocks of tokens finds the block, and one within it the token: one random
    number for each row, and one exponential for each logit.

    Args:
        logits: float32 [batch, vocabulary].
        uniform: float32 [batch], in [0, 1).

    Returns:
        int32 [batch].

    >>> draw(tf.math.log([[0.5, 0.25, 0.25]]), tf.constant([0.6])).numpy().tolist()
    [1]
    """
    size = logits.shape[-1]
    block = max(round(size**0.5), 1)
    masses = tf.exp(logits - tf.reduce_max(logits, axis=1, keepdims=True))
    masses = tf.pad(masses, [[0, 0], [0, -size % block]])
    masses = tf.reshape(masses, [-1, masses.shape[1] // block, block])
    blocks = tf.cumsum(tf.reduce_sum(masses, axis=2), axis=1)
    target = uniform[:, None] * blocks[:, -1:]
    chosen = tf.reduce_sum(tf.cast(blocks <= target, tf.int32), axis=1)
    chosen = tf.minimum(chosen, blocks.shape[1] - 1)
    before = tf.gather(tf.pad(blocks, [[0, 0], [1, 0]]), chosen, batch_dims=1)
    inner = tf.cumsum(tf.gather(masses, chosen, batch_dims=1), axis=1)
    place = tf.cast(before[:, None] + inner <= target, tf.int32)
    place = tf.minimum(tf.reduce_sum(place, axis=1), block - 1)
    return tf.minimum(chosen * block + place, size - 1)


def weighted_nll(
    model: Recurrent,
    marks: Marks,
    ids: tf.Tensor,
    weights: tf.Tensor,
    training: bool = False,
) -> tf.Tensor:
    """Nats of tokens, int32 [batch, length], each times its weight, summed: a float32
    scalar."""
    hidden = model({"token_ids": marks.inputs(ids)}, training=training)
    return model.summed_loss(hidden, ids, weights)[0]


def advance(model: Recurrent, tokens: tf.Tensor, states: tuple):
    """float32 logits [batch, vocabulary] behind tokens int [batch], and the states."""
    hidden, states = model.stack.step(model.tokens(tokens), states)
    return model.logits(hidden), states


def complete(
    model: Recurrent,
    marks: Marks,
    ids: tf.Tensor,
    place: tf.Tensor | int,
    states: tuple,
    seed: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
) -> tf.Tensor:
    """Rows with new tokens from a place on.

    Args:
        model: that draws them.
        marks: around the texts.
        ids: int32 [batch, length]; what is before `place` stays.
        place: int32, of the first new token.
        states: of the model before it has read the token before `place`.
        seed: int32 [2], see `tf.random.stateless_uniform`.
        temperature: divides the logits.

    Returns:
        int32 [batch, length].
    """
    batch, length = tf.shape(ids)[0], ids.shape[1]
    uniform = tf.random.stateless_uniform([length, batch], seed)
    places = tf.range(length)[None]
    padded = tf.pad(ids, [[0, 0], [1, 0]], constant_values=marks.start)
    newest = tf.gather(padded, place, axis=1)
    done = tf.zeros([batch], tf.bool)
    if marks.end is not None:
        ended = (ids == marks.end) & (places < place)
        done = tf.reduce_any(ended, axis=1)

    def write(step, newest, states, ids, done):
        logits, states = advance(model, newest, states)
        newest = draw(logits / temperature, uniform[step])
        newest = tf.where(done, marks.padding, newest)
        ids = tf.where(places == step, newest[:, None], ids)
        if marks.end is not None:
            done |= newest == marks.end
        return step + 1, newest, states, ids, done

    loop = (tf.convert_to_tensor(place), newest, states, ids, done)
    written = tf.while_loop(lambda step, *_: step < length, write, loop)
    return tf.ensure_shape(written[3], [None, length])


def sample(
    model: Recurrent,
    marks: Marks,
    batch: int | tf.Tensor,
    length: int,
    seed: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
) -> tf.Tensor:
    """New texts, int32 [batch, length]; arguments as of `complete`."""
    ids = tf.fill([batch, length], marks.padding)
    states = model.stack.empty_states(batch)
    return complete(model, marks, ids, 0, states, seed, temperature)


def rewards(
    model: Recurrent,
    marks: Marks,
    judge: Callable[[tf.Tensor], tf.Tensor],
    ids: tf.Tensor,
    rollouts: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """What each token of texts is worth: the mean judgement of the texts that begin
    with it and all before it (Yu et al., 2017, equation 4).

    All completions of one beginning are a batch, whose logits stay in the cache of a
    processor, and which grows with no other length.

    Args:
        model: that completes, the rollout policy.
        marks: around the texts.
        judge: int32 [n, length] -> float32 [n].
        ids: int32 [batch, length].
        rollouts: completions of each beginning.
        seed: int32 [2].

    Returns:
        float32 [batch, length]; of the last token the judgement of the text itself.
    """
    batch, length = tf.shape(ids)[0], ids.shape[1]
    inputs = marks.inputs(ids)
    copies = tf.repeat(ids, rollouts, axis=0)

    def one_place(place, states, found):
        # The states before the token at `place` is read, which is given.
        _, states = model.stack.step(model.tokens(inputs[:, place]), states)
        many = tf.nest.map_structure(lambda x: tf.repeat(x, rollouts, axis=0), states)
        own = tf.random.experimental.stateless_fold_in(seed, place)
        full = complete(model, marks, copies, place + 1, many, own)
        worth = tf.reduce_mean(tf.reshape(judge(full), [batch, rollouts]), axis=1)
        return place + 1, states, found.write(place, worth)

    found = tf.TensorArray(tf.float32, length, element_shape=[None])
    loop = (tf.constant(0), model.stack.empty_states(batch), found)
    *_, found = tf.while_loop(
        lambda place, *_: place < length - 1, one_place, loop, parallel_iterations=1
    )
    found = found.write(length - 1, judge(ids))
    return tf.transpose(tf.ensure_shape(found.stack(), [length, None]))


def above_others(worth: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """What tokens are worth, less the mean of the other texts at the same place.

    No text's own baseline depends on its tokens, so the policy gradient has the same
    mean (Williams, 1992; Kool et al., 2019).

    Args:
        worth: float32 [batch, length].
        inside: float32 [batch, length], 0 behind texts.

    >>> above_others(
    ...     tf.constant([[1.0], [2.0], [6.0]]), tf.ones([3, 1])
    ... ).numpy().ravel()
    array([-3. , -1.5,  4.5], dtype=float32)
    """
    held = worth * inside
    totals, counts = (tf.reduce_sum(x, axis=0, keepdims=True) for x in (held, inside))
    others = tf.math.divide_no_nan(totals - held, counts - inside)
    return (worth - others) * inside


def relaxed(
    model: Recurrent,
    marks: Marks,
    batch: int | tf.Tensor,
    length: int,
    inverse_temperature: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """New texts as probabilities of their tokens, through which gradients flow: the
    softmax of logits and Gumbel noise (Jang et al., 2017; Maddison et al., 2017).

    The greater the inverse temperature, the nearer is each to the token that would be
    drawn. The model reads the mean embedding.

    Args:
        model: that draws them.
        marks: around the texts.
        batch, length: how many, and of how many tokens.
        inverse_temperature: float32 scalar.
        seed: int32 [2].

    Returns:
        float32 [batch, length, vocabulary].
    """
    size = model.config.vocabulary_size
    shape = [length, batch, size]
    uniform = tf.random.stateless_uniform(shape, seed, minval=1e-20)
    noise = -tf.math.log(-tf.math.log(uniform))
    padding = tf.one_hot(tf.fill([batch], marks.padding), size)
    done, found = tf.zeros([batch, 1]), []
    states = model.stack.empty_states(batch)
    x = model.tokens(tf.fill([batch], marks.start))
    for step in range(length):
        hidden, states = model.stack.step(x, states)
        logits = (model.logits(hidden) + noise[step]) * inverse_temperature
        tokens = tf.nn.softmax(logits)
        if marks.end is not None:
            tokens = (1.0 - done) * tokens + done * padding
            ends = tf.argmax(tokens, axis=1, output_type=tf.int32) == marks.end
            done = tf.maximum(done, tf.cast(ends, tf.float32)[:, None])
        found.append(tokens)
        x = tf.matmul(tf.cast(tokens, x.dtype), model.tokens.matrix())
    return tf.stack(found, axis=1)
