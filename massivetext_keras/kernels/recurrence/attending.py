"""Recurrent layers that look at another text at every step, and read what they found.

The attention is a part of the loop then. As in `scan`, products with what tokens need
alone are made before the loop, and gradients of matrices behind it, each as one product
of all steps.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import tensorflow as tf

from massivetext_keras.kernels.product import product as multiply
from massivetext_keras.kernels.recurrence.cells import Cell, States
from massivetext_keras.kernels.recurrence.scan import factors_of
from massivetext_keras.kernels.recurrence.scores import Score
from massivetext_keras.kernels.shapes import shape_of

# A weight that is not there: nests pass it over.
Maybe: TypeAlias = tf.Tensor | tuple[()]


class Weights(NamedTuple):
    """What a step multiplies with; L layers of width d.

    Attributes:
        fed: [f, gates * d], of what the step before has found.
        recurrent: L times [d, gates * d].
        between: L - 1 times [d, gates * d], of what the layer below gives.
        biases: as often [gates * d].
        query: [d, a] (none: the state is the query).
        vector: [a], of the additive score.
        combined: [m + d, f], of context and state (none: the context is what is fed).
        combined_bias: [f].
    """

    fed: tf.Tensor
    recurrent: tuple[tf.Tensor, ...]
    between: tuple[tf.Tensor, ...] = ()
    biases: tuple[tf.Tensor, ...] = ()
    query: Maybe = ()
    vector: Maybe = ()
    combined: Maybe = ()
    combined_bias: Maybe = ()


class Memory(NamedTuple):
    """The other text.

    Attributes:
        values: [batch, keys, m], what contexts are means of.
        keys: [batch, keys, a], what queries are compared with.
        bias: float32 [batch, keys], added to the scores: far below 0 at padding.
    """

    values: tf.Tensor
    keys: tf.Tensor
    bias: tf.Tensor


class Steps(NamedTuple):
    """What a run over some tokens gives.

    Attributes:
        given: [length, batch, d], of the last layer after each token.
        fed: [length, batch, f], what was found after each token.
        states: of every layer after the last token.
        alignments: float32 [length, batch, keys], where each step has looked; no
            gradient flows from them.
    """

    given: tf.Tensor
    fed: tf.Tensor
    states: tuple[States, ...]
    alignments: tf.Tensor


class _Kept(NamedTuple):
    """What the forward pass keeps of all steps, [length, batch, …] each."""

    states: tuple[States, ...]  # after each token
    projected: tuple[tf.Tensor, ...]
    products: tuple[tf.Tensor, ...]
    context: tf.Tensor
    fed: tf.Tensor
    alignments: tf.Tensor


def look(score: Score, weights: Weights, memory: Memory, state: tf.Tensor) -> tuple:
    """Where a state [batch, d] looks, float32 [batch, keys]; the context that it finds
    there, [batch, m]; and what is fed, [batch, f]."""
    query = _query(weights, state)
    scores = score.one(query, memory.keys, weights.vector) + memory.bias
    alignment = tf.nn.softmax(scores)
    narrow = tf.cast(alignment, memory.values.dtype)
    context = tf.matmul(narrow[:, None], memory.values)[:, 0]
    fed = context
    if tf.nest.flatten(weights.combined):
        fed = tf.matmul(tf.concat([context, state], 1), weights.combined)
        fed = tf.tanh(fed + weights.combined_bias)
    return alignment, context, fed


def attend_and_scan(
    cell: Cell,
    score: Score,
    projected: tf.Tensor,
    weights: Weights,
    memory: Memory,
    states: tuple[States, ...],
    fed: tf.Tensor,
    masks: tuple[Maybe, ...] = (),
) -> Steps:
    """Layers of a cell after each token, with attention at the end of each step.

    Args:
        cell: of `cells.CELLS`.
        score: of `scores.SCORES`.
        projected: [length, batch, gates * d], the tokens' products for the first layer.
        weights: see `Weights`.
        memory: see `Memory`.
        states: of every layer before the first token, [batch, d] each; the first of
            each of the dtype of `projected`, the others float32.
        fed: [batch, f], what the first step reads beside its token.
        masks: L - 1 times [length, batch, d], that what a layer gives is multiplied by
            before the next one reads it (none: by nothing).

    Returns:
        See `Steps`. No gradient flows from its states.
    """
    masks = masks or ((),) * (len(states) - 1)

    @tf.custom_gradient
    def call(*flat):
        arguments = tf.nest.pack_sequence_as(structure, flat)
        kept = _forward(cell, score, masks, *arguments)

        def backward(of_given, of_fed, *_):
            upstream = of_given, of_fed
            slopes = _Backward(cell, score, masks, kept, *arguments).run(*upstream)
            tf.nest.assert_same_structure(slopes, structure)
            return tf.nest.flatten(slopes)

        last = tf.nest.map_structure(lambda x: x[-1], kept.states)
        given = kept.states[-1][0]
        return (given, kept.fed, kept.alignments, *tf.nest.flatten(last)), backward

    structure = projected, weights, memory, states, fed
    given, found, alignments, *last = call(*tf.nest.flatten(structure))
    last = [tf.stop_gradient(x) for x in last]
    last = tf.nest.pack_sequence_as(states, last)
    return Steps(given, found, last, tf.stop_gradient(alignments))


def _forward(
    cell: Cell, score: Score, masks, projected, weights, memory, states, fed
) -> _Kept:
    batch, dtype = projected.shape[1], projected.dtype
    like = _Kept(
        states=states,
        projected=(projected[0],) * len(states),
        products=(projected[0],) * len(states),
        context=memory.values[:, 0],
        fed=fed,
        alignments=memory.bias,
    )
    length = shape_of(projected)[0]
    arrays = tf.nest.map_structure(lambda x: _array(length, batch, x), like)

    def step(t, states, fed, arrays):
        x, after, sums, products = None, [], [], []
        for i, before in enumerate(states):
            if i == 0:
                total = projected[t] + tf.matmul(fed, weights.fed)
            else:
                total = tf.matmul(_masked(x, masks[i - 1], t), weights.between[i - 1])
                total += weights.biases[i - 1]
            product = tf.matmul(before[0], weights.recurrent[i])
            new = cell.forward(_wide(total), _wide(product), tuple(map(_wide, before)))
            new = tuple(tf.cast(a, b.dtype) for a, b in zip(new, before, strict=True))
            x = new[0]
            after.append(new), sums.append(total), products.append(product)
        alignment, context, fed = look(score, weights, memory, x)
        made = _Kept(
            tuple(after), tuple(sums), tuple(products), context, fed, alignment
        )
        arrays = tf.nest.map_structure(lambda a, x: a.write(t, x), arrays, made)
        return t + 1, tuple(after), fed, arrays

    fed = tf.cast(fed, dtype)
    *_, arrays = _loop(length, step, states, fed, arrays)
    return tf.nest.map_structure(lambda array: array.stack(), arrays)


class _Backward:
    """The gradient of `attend_and_scan`: a loop back, then products of all steps."""

    def __init__(
        self,
        cell: Cell,
        score: Score,
        masks,
        kept: _Kept,
        projected: tf.Tensor,
        weights: Weights,
        memory: Memory,
        states: tuple[States, ...],
        fed: tf.Tensor,
    ):
        self.cell, self.score, self.masks, self.kept = cell, score, masks, kept
        self.projected, self.weights, self.memory = projected, weights, memory
        self.fed_before = _shifted(fed, kept.fed)
        self.before = tuple(
            tuple(_shifted(x, y) for x, y in zip(first, given, strict=True))
            for first, given in zip(states, kept.states, strict=True)
        )
        self.factors = [
            factors_of(cell)(kept.projected[i], kept.products[i], *before, *after)
            for i, (before, after) in enumerate(
                zip(self.before, kept.states, strict=True)
            )
        ]
        self.transposed = tf.nest.map_structure(
            lambda x: tf.transpose(x) if x.shape.rank == 2 else x, weights
        )
        self.combines = bool(tf.nest.flatten(weights.combined))
        self.queries = bool(tf.nest.flatten(weights.query))
        self.tops = kept.states[-1][0]
        self.query = _query(weights, self.tops)

    def run(self, of_given: tf.Tensor, of_fed: tf.Tensor) -> tuple:
        """Gradients of projected, weights, memory, states and fed."""
        score, memory, kept = self.score, self.memory, self.kept
        length, batch = shape_of(of_given)[0], of_given.shape[1]
        found, dtype = kept.fed[0], self.projected.dtype
        like = {
            "cells": tuple(x[0] for x in kept.projected),
            "combined": found,
            "context": kept.context[0],
            "scores": memory.bias,
            "query": self.query[0],
        }
        arrays = tf.nest.map_structure(lambda x: _array(length, batch, x), like)

        def step(back, of_states, of_fed_after, sums, arrays):
            t = length - 1 - back
            total = of_fed_after + _wide(of_fed[t])
            made, of_top, sums = self._look_back(t, total, sums)
            of_top += _wide(of_given[t])
            cells, of_states, of_fed_before = self._cells_back(t, of_states, of_top)
            made["cells"] = cells
            made = tf.nest.map_structure(lambda x: tf.cast(x, dtype), made)
            made["scores"] = _wide(made["scores"])
            arrays = tf.nest.map_structure(lambda a, x: a.write(t, x), arrays, made)
            return back + 1, of_states, of_fed_before, sums, arrays

        zeros = tf.nest.map_structure(lambda x: _wide(tf.zeros_like(x[0])), kept.states)
        sums = score.empty(memory.keys, self.weights.vector)
        begin = zeros, _wide(tf.zeros_like(found)), sums, arrays
        _, of_states, of_first, sums, arrays = _loop(length, step, *begin)
        made = tf.nest.map_structure(lambda array: array.stack(), arrays)
        of_memory, of_vector = self._of_memory(made, sums)
        of_weights = self._of_weights(made)._replace(vector=of_vector)
        first = tuple(tuple(x[0] for x in layer) for layer in self.before)
        of_states = tf.nest.map_structure(
            lambda x, y: tf.cast(x, y.dtype), of_states, first
        )
        return (
            made["cells"][0],
            of_weights,
            of_memory,
            of_states,
            tf.cast(of_first, found.dtype),
        )

    def _look_back(self, t, of_fed, sums) -> tuple:
        """From the gradient of what step `t` has fed to those of its query, of what it
        has made on the way, and of its state."""
        kept, memory, made = self.kept, self.memory, {}
        found, alignment = _wide(kept.fed[t]), kept.alignments[t]
        dtype, m = memory.values.dtype, memory.values.shape[-1]
        made["combined"], made["context"], of_state = of_fed, of_fed, 0.0
        if self.combines:
            made["combined"] = of_fed * (1.0 - found * found)
            both = tf.matmul(tf.cast(made["combined"], dtype), self.transposed.combined)
            made["context"], of_state = both[:, :m], _wide(both[:, m:])
        context = tf.cast(made["context"], dtype)
        of_alignment = _wide(tf.linalg.matvec(memory.values, context))
        mean = tf.reduce_sum(alignment * of_alignment, axis=1, keepdims=True)
        made["scores"] = alignment * (of_alignment - mean)
        query = self.query[t]
        given = made["scores"], query, memory.keys, self.weights.vector
        of_query, sums = self.score.back(*given, sums)
        made["query"] = of_query
        if self.queries:
            of_query = tf.matmul(of_query, self.transposed.query)
        return made, of_state + _wide(of_query), sums

    def _cells_back(self, t, of_states, of_top) -> tuple:
        """Through the layers of step `t`: gradients of the products with what each one
        reads, of the states before, and of what was fed."""
        dtype, cells, before = self.projected.dtype, [], []
        for i in reversed(range(len(of_states))):
            first, *others = of_states[i]
            slopes = (first + of_top, *others)
            of_projected, of_product, direct = self.cell.backward(
                slopes, self.factors[i][t]
            )
            through = tf.matmul(
                tf.cast(of_product, dtype), self.transposed.recurrent[i]
            )
            before.append((_wide(through) + direct[0], *direct[1:]))
            cells.append(of_projected)
            kernel = self.transposed.between[i - 1] if i else self.transposed.fed
            of_top = tf.matmul(tf.cast(of_projected, dtype), kernel)
            of_top = _wide(_masked(of_top, self.masks[i - 1], t) if i else of_top)
        return tuple(cells[::-1]), tuple(before[::-1]), of_top

    def _of_memory(self, made: dict, sums) -> tuple:
        """Gradients of the memory and of the score's vector."""
        slopes, queries, alignments, contexts = (
            tf.transpose(x, [1, 0, 2])
            for x in (
                made["scores"],
                self.query,
                self.kept.alignments,
                made["context"],
            )
        )
        of_keys, of_vector = self.score.finish(sums, slopes, queries)
        keys, values, bias = self.memory.keys, self.memory.values, self.memory.bias
        alignments = tf.cast(alignments, values.dtype)
        of_values = tf.matmul(alignments, contexts, transpose_a=True)
        vector = self.weights.vector
        if not isinstance(vector, tuple):
            of_vector = tf.cast(of_vector, vector.dtype)
        memory = Memory(of_values, tf.cast(of_keys, keys.dtype), tf.zeros_like(bias))
        return memory, () if of_vector is None else of_vector

    def _of_weights(self, made: dict) -> Weights:
        """Gradients of the matrices, each a product over all steps."""
        cells, recurrent, between, biases = made["cells"], [], [], []
        for i, slopes in enumerate(cells):
            of_product = slopes
            if self.cell.of_product is not None:
                of_product = self.cell.of_product(slopes, self.factors[i])
            recurrent.append(_outer(self.before[i][0], of_product))
            if i:
                below, mask = self.kept.states[i - 1][0], self.masks[i - 1]
                below = below * mask if tf.nest.flatten(mask) else below
                between.append(_outer(below, slopes))
                biases.append(tf.reduce_sum(slopes, [0, 1]))
        of_weights = Weights(
            _outer(self.fed_before, cells[0]),
            tuple(recurrent),
            tuple(between),
            tuple(biases),
        )
        if self.queries:
            of_query = _outer(self.tops, made["query"])
            of_weights = of_weights._replace(query=of_query)
        if self.combines:
            read = tf.concat([self.kept.context, self.tops], axis=-1)
            of_weights = of_weights._replace(
                combined=_outer(read, made["combined"]),
                combined_bias=tf.reduce_sum(made["combined"], [0, 1]),
            )
        return of_weights


def _query(weights: Weights, states: tf.Tensor) -> tf.Tensor:
    """Queries of states [..., d]."""
    if not tf.nest.flatten(weights.query):
        return states
    return tf.tensordot(states, weights.query, 1)


def _masked(x: tf.Tensor, mask: Maybe, t) -> tf.Tensor:
    return x if isinstance(mask, tuple) else x * mask[t]


def _shifted(first: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    """What was there before each step, of what there is after it."""
    return tf.concat([first[None], after[:-1]], axis=0)


def _outer(read: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """The gradient of a matrix: [length, batch, n] and [..., m] -> [n, m]."""
    read, slopes = (tf.reshape(x, [-1, x.shape[-1]]) for x in (read, slopes))
    return multiply(read, slopes, transpose_a=True)


def _array(length, batch, like: tf.Tensor) -> tf.TensorArray:
    shape = [batch, *like.shape[1:]]
    return tf.TensorArray(like.dtype, length, element_shape=shape)


def _loop(length, step, *carried):
    """Steps, as many as there are tokens; one alone, as in decoding, in no loop."""
    if isinstance(length, int) and length == 1:
        return step(0, *carried)
    return tf.while_loop(
        lambda t, *_: t < length,
        step,
        (tf.constant(0), *carried),
        maximum_iterations=length,
        parallel_iterations=1,
    )


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)
