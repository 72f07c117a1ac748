"""Each way to predict words against its definition, pair by pair, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks.word_vectors import glove, updates
from massivetext_keras.tasks.word_vectors.huffman import huffman
from massivetext_keras.tasks.word_vectors.rows import PartRows, Rows, parts_of

WORDS, SIZE, WINDOW, NEGATIVES, BLOCK = 7, 4, 2, 3, 6


@pytest.fixture
def given():
    """Two blocks of neighbouring words, and two tables."""
    rng = np.random.default_rng(0)
    shape = (2, BLOCK + 2 * WINDOW)
    sequences = np.array([[0] * 4 + [1] * 6, [-1, -1] + [1] * 5 + [2] * 3])
    blocks = (
        rng.integers(0, WORDS, shape),
        sequences,
        rng.integers(1, WINDOW + 1, (2, BLOCK)),
        rng.integers(0, WORDS, (2, BLOCK)),
    )
    tables = rng.normal(size=(2, WORDS, SIZE))
    return blocks, tables


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pairs(blocks):
    """(block, place of a word, place of a neighbour) of all pairs."""
    tokens, sequences, reach, _ = blocks
    for b in range(2):
        for i in range(BLOCK):
            for j in range(BLOCK + 2 * WINDOW):
                far = abs(j - WINDOW - i)
                same = sequences[b, j] == sequences[b, i + WINDOW] >= 0
                if 0 < far <= reach[b, i] and same:
                    yield b, i, j


def changes(update, rows):
    """What an update adds to both tables."""
    return [
        np.array(
            tf.math.unsorted_segment_sum(
                tf.reshape(change, [-1, SIZE]), tf.reshape(ids, [-1]), rows
            )
        )
        for ids, change, _ in (update.inputs, update.outputs)
    ]


def asked(method, given):
    blocks, tables = given
    some = updates.Blocks(*(tf.constant(x, tf.int32) for x in blocks))
    rows = [Rows(tf.Variable(table, dtype=tf.float32)) for table in tables]
    return method(some, *rows, WINDOW, NEGATIVES)


def descend(scores_and_labels, tables):
    """Gradients and loss of weighted logistic losses: (weight, label, inputs, out)."""
    found, loss = np.zeros((2, WORDS, SIZE)), 0.0
    for weight, label, inputs, out in scores_and_labels:
        x = sum(share * tables[0][i] for share, i in inputs)
        score = x @ tables[1][out]
        loss -= weight * np.log(sigmoid(score if label else -score))
        slope = weight * (label - sigmoid(score))
        for _, i in inputs:
            found[0][i] += slope * tables[1][out]
        found[1][out] += slope * x
    return found, loss


def check(update, terms, given, count):
    expected, loss = descend(terms, given[1])
    found = changes(update, WORDS)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    assert float(update.loss[0]) == pytest.approx(loss, rel=1e-5)
    assert float(update.loss[1]) == count


def test_curvatures_bound_what_a_slope_falls_by(given):
    """Along its own gradient, each row's slope falls by no more than they say."""
    tree = updates.Hierarchical(*huffman([9] * WORDS))
    blocks, tables = given
    for method in (updates.skipgram, tree.skipgram):
        update = asked(method, given)
        for side, (ids, _, curvature) in enumerate((update.inputs, update.outputs)):
            ids, total = tf.reshape(ids, [-1]).numpy(), np.zeros(WORDS)
            np.add.at(total, ids, tf.reshape(curvature, [-1]).numpy())
            slope = changes(update, WORDS)[side][ids[0]]
            moved = tables.copy()
            moved[side, ids[0]] += 1e-2 * slope
            after = changes(asked(method, (blocks, moved)), WORDS)[side][ids[0]]
            falls = (slope - after) @ slope / (slope @ slope) / 1e-2
            assert 0 < falls <= total[ids[0]] * 1.05


def test_a_step_is_not_longer_than_to_the_aim():
    rows = Rows(tf.Variable(tf.zeros([3, 1])))
    ids, slopes = tf.constant([0, 0, 1]), tf.constant([[1.0], [2.0], [1.0]])
    rows.add(ids, slopes, tf.constant([20.0, 20.0, 0.5]), tf.constant(0.1))
    np.testing.assert_allclose(rows.variable[:, 0], [3 / 80, 0.1, 0.0], rtol=1e-6)


def test_skipgram_is_the_sum_over_its_pairs(given):
    (tokens, _, _, drawn), _ = given
    terms, found = [], list(pairs(given[0]))
    for b, i, j in found:
        own = [(1.0, tokens[b, i + WINDOW])]
        terms.append((1.0, 1, own, tokens[b, j]))
        terms += [(NEGATIVES / BLOCK, 0, own, word) for word in drawn[b]]
    check(asked(updates.skipgram, given), terms, given, len(found))


def bags(blocks):
    """(block, place of a word, its neighbours) of words that have some."""
    found = {}
    for b, i, j in pairs(blocks):
        found.setdefault((b, i), []).append(blocks[0][b, j])
    return [(b, i, [(1 / len(x), w) for w in x]) for (b, i), x in found.items()]


def test_cbow_gives_each_neighbour_the_whole_gradient(given):
    (tokens, _, _, drawn), _ = given
    terms, found = [], bags(given[0])
    for b, i, bag in found:
        terms.append((1.0, 1, bag, tokens[b, i + WINDOW]))
        terms += [(NEGATIVES / BLOCK, 0, bag, word) for word in drawn[b]]
    check(asked(updates.cbow, given), terms, given, len(found))


def path_of(tree, word):
    return [(n, x) for n, x in zip(*(x[word] for x in tree), strict=True) if n >= 0]


def test_hierarchical_softmax_goes_down_a_path(given):
    tokens = given[0][0]
    tree = huffman([9, 8, 4, 3, 2, 1, 1])
    method = updates.Hierarchical(*tree)
    terms, found = [], list(pairs(given[0]))
    for b, i, j in found:
        for node, left in path_of(tree, tokens[b, i + WINDOW]):
            terms.append((1.0, left, [(1.0, tokens[b, j])], node))
    check(asked(method.skipgram, given), terms, given, len(found))
    terms, found = [], bags(given[0])
    for b, i, bag in found:
        for node, left in path_of(tree, tokens[b, i + WINDOW]):
            terms.append((1.0, left, bag, node))
    check(asked(method.cbow, given), terms, given, len(found))


def test_huffman_paths_are_a_distribution():
    counts = [20, 9, 8, 4, 3, 2, 1, 1]
    nodes, left = huffman(counts)
    lengths = (nodes >= 0).sum(1)
    assert lengths.tolist() == sorted(lengths) and lengths[0] == 1
    assert (2.0**-lengths).sum() == 1.0  # Kraft
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=3), rng.normal(size=(7, 3))
    total = sum(
        np.prod([sigmoid(y[n] @ x if go else -(y[n] @ x)) for n, go in path])
        for path in (path_of((nodes, left), word) for word in range(8))
    )
    assert total == pytest.approx(1.0)
    assert huffman([5])[0].tolist() == [[0]]


def test_a_word_is_the_mean_of_its_parts():
    parts = [[0, 3, 4], [1, 4], [2]]
    table = np.arange(10.0).reshape(5, 2)
    rows = PartRows(tf.Variable(table, dtype=tf.float32), parts)
    ids = tf.constant([[0, 1], [1, 2]])
    means = np.stack([table[x].mean(0) for x in parts])
    np.testing.assert_allclose(rows.find(ids), means[ids.numpy()], rtol=1e-6)
    np.testing.assert_allclose(rows.words(), means, rtol=1e-6)
    rows.add(ids, tf.ones([2, 2, 2]), tf.zeros([2, 2]), 1.0)
    added = [1, 2, 1, 1, 3]  # words of each row
    np.testing.assert_allclose(rows.variable - table, np.outer(added, [1, 1]))


def test_parts_are_those_of_fasttext():
    # "<cat>": <ca cat at> <cat cat>, and not the word itself
    found = parts_of("cat", 3, 6, 2**31, 0)
    assert len(found) == len(set(found)) == 5
    assert set(parts_of("cat", 3, 3, 2**31, 0)) < set(found)
    assert set(found) & set(parts_of("scat", 3, 6, 2**31, 0))  # cat, at>, cat>


def dense_loss(matrix, tables, x_max):
    """Equation 8 of Pennington et al. (2014)."""
    (w, b), (c, d) = ((table[:, :-1], table[:, -1]) for table in tables)
    total = 0.0
    for i, j in zip(*np.nonzero(matrix), strict=True):
        weight = min(1.0, (matrix[i, j] / x_max) ** 0.75)
        error = w[i] @ c[j] + b[i] + d[j] - np.log(matrix[i, j])
        total += weight * error**2
    return total


def test_glove_is_its_formula_and_adagrad():
    rng = np.random.default_rng(1)
    matrix = rng.poisson(1.5, (6, 6)) * 1.0
    start = rng.normal(size=(2, 6, 4)) * 0.3
    tables = [tf.Variable(table) for table in start]
    squares = [tf.Variable(np.ones((6, 4))) for _ in tables]
    own, sums = start.copy(), np.ones((2, 6, 4))
    cells = np.argwhere(matrix)
    for i, j in cells[rng.integers(0, len(cells), 200)]:
        x = matrix[i, j]
        error = own[0, i, :-1] @ own[1, j, :-1] + own[0, i, -1] + own[1, j, -1]
        slope = 0.1 * min(1.0, (x / 3.0) ** 0.75) * (error - np.log(x))
        step = slope * np.stack(
            [np.append(own[1, j, :-1], 1), np.append(own[0, i, :-1], 1)]
        )
        for side, row in ((0, i), (1, j)):
            own[side, row] -= step[side] / np.sqrt(sums[side, row])
            sums[side, row] += step[side] ** 2
        glove.update(
            tf.constant([i]),
            tf.constant([j]),
            tf.constant([x]),
            tables,
            squares,
            tf.constant(0.1, tf.float64),
            3.0,
        )
    np.testing.assert_allclose([table.numpy() for table in tables], own, rtol=1e-9)
    rows, columns = map(tf.constant, cells.T)
    counts = tf.constant(matrix[tuple(cells.T)])
    loss, _ = glove.update(
        rows, columns, counts, tables, squares, tf.constant(0.0, tf.float64), 3.0
    )
    assert float(loss) == pytest.approx(dense_loss(matrix, own, 3.0), rel=1e-9)
    assert dense_loss(matrix, own, 3.0) < dense_loss(matrix, start, 3.0) / 3
