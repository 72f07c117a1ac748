from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.optimization.rates import rate_factors
from massivetext_keras.training import (
    AveragedWeights,
    adamw,
    make_optimizer,
    take_averages,
)
from tests.training.tiny import TinyLM, batch, batches

RULES = ("adamw", "adam", "sgd", "adafactor", "lion", "muon")


def built(optimizer, **options) -> TinyLM:
    keras.utils.set_random_seed(0)
    model = TinyLM()
    model.compile(optimizer, **options)
    return model


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def same(variables, before: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, values(variables), before))


def bad_batch() -> tf.data.Dataset:
    features, labels, weights = batch(9)
    weights = np.where(np.arange(4)[:, None] == 2, np.nan, weights).astype("float32")
    return tf.data.Dataset.from_tensors((features, labels, weights))


def pair(*optimizer_options, **options):
    """An optimizer and two variables that it updates."""
    optimizer = make_optimizer(*optimizer_options, schedule="constant", **options)
    kernel = keras.Variable([[1.0, -2.0], [0.5, 3.0]], name="kernel")
    bias = keras.Variable([0.5, 1.0], name="bias")
    optimizer.build([kernel, bias])
    return optimizer, [kernel, bias]


GRADIENTS = [tf.constant([[0.3, -0.4], [0.1, 0.2]]), tf.constant([1.2, -0.5])]


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_uses_what_is_not_finite(rule):
    optimizer, variables = pair(rule, 0.1, ema=0.9)
    optimizer.update(GRADIENTS, variables)
    counts = {"iteration", "skipped", "skipped_in_row"}
    state = [v for v in optimizer.variables if v.name not in counts]
    weights, before = values(variables), values(state)
    for bad in (np.nan, np.inf):
        optimizer.update([GRADIENTS[0], tf.constant([bad, 0.0])], variables)
    optimizer.update(GRADIENTS, variables, loss=tf.constant(np.nan))
    assert same(variables, weights) and same(state, before)
    numbers = {v.name: int(v.numpy()) for v in optimizer.variables if v.name in counts}
    assert numbers == {"iteration": 4, "skipped": 3, "skipped_in_row": 3}
    norm = optimizer.update(GRADIENTS, variables)
    assert float(norm) == pytest.approx(np.sqrt(0.3 + 1.69))
    assert int(optimizer.skipped_in_row.numpy()) == 0
    assert not same(variables, weights)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_goes_downhill(rule):
    rate = {"sgd": 0.05, "adafactor": 0.3, "muon": 0.5}.get(rule, 0.1)
    options = {"weight_decay": 0.0, "beta_2": 0.5, "momentum": 0.5}
    optimizer, variables = pair(rule, rate, **options)
    for _ in range(60):  # the slope of half the sum of squares
        optimizer.update([tf.convert_to_tensor(v) for v in variables], variables)
    assert max(np.abs(v.numpy()).max() for v in variables) < 0.35


def test_the_decay_is_of_the_rate_and_of_matrices_alone():
    for rule in RULES:
        optimizer, (kernel, bias) = pair(rule, 0.5, weight_decay=0.1, epsilon=1e-8)
        start = kernel.numpy()
        zeros = [tf.zeros([2, 2]), tf.zeros([2])]
        optimizer.update(zeros, [kernel, bias])
        shrunk = start if rule == "adam" else 0.95 * start
        np.testing.assert_allclose(kernel.numpy(), shrunk, rtol=1e-6, err_msg=rule)
        np.testing.assert_array_equal(bias.numpy(), [0.5, 1.0])


def test_means_of_the_weights_begin_with_the_first_good_update():
    optimizer, variables = pair("adamw", 0.1, ema=0.75)
    averages = optimizer._model_variables_moving_average
    optimizer.update(GRADIENTS, variables, loss=np.inf)
    optimizer.update(GRADIENTS, variables)
    expected = values(variables)
    assert same(averages, expected)
    for _ in range(2):
        optimizer.update(GRADIENTS, variables)
        pairs = zip(expected, values(variables), strict=True)
        expected = [0.75 * mean + 0.25 * now for mean, now in pairs]
    for got, wanted in zip(averages, expected, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6)


def test_a_layer_moves_by_its_own_rate():
    rates = {"weight_decay": 0.1, "clip_norm": None}
    _, before = pair("adamw", 0.01, **rates)
    start, ends = values(before), []
    for options in ({}, {"rates": {"kern": 0.5, "e": 0.5}}):
        optimizer, variables = pair("adamw", 0.01, **rates, **options)
        optimizer.update(GRADIENTS, variables)
        ends.append([v - s for v, s in zip(values(variables), start, strict=True)])
    np.testing.assert_allclose(ends[1][0], 0.25 * ends[0][0], rtol=1e-4)
    np.testing.assert_array_equal(ends[1][1], ends[0][1])


def test_rates_by_layer_and_by_pattern():
    variables = TinyLM().trainable_variables
    factors = rate_factors(variables, 0.5, {"embeddings/positions": 3.0, "bias": 2.0})
    found = {
        variable.path.split("gpt/")[1]: factor
        for variable, factor in zip(variables, factors, strict=True)
    }
    assert found["tokens/embeddings"] == 0.125
    assert found["embeddings/positions/embeddings"] == 0.375
    assert found["stack/block_0/feed_forward/up/kernel"] == 0.25
    assert found["stack/block_1/feed_forward/up/kernel"] == 0.5
    assert found["stack/block_1/feed_forward/up/bias"] == 1.0
    assert found["stack/final_norm/gain"] == 1.0
    with pytest.raises(ValueError, match="'kernle' is in no variable's path"):
        rate_factors(variables, 1.0, {"kernle": 2.0})
    with pytest.raises(ValueError, match=r"layer_decay must be in \(0, 1\]"):
        adamw(layer_decay=0.0)


def test_a_batch_that_is_not_finite_is_no_part_of_the_epoch():
    model = built(adamw(0.02, ema=0.9))
    data = batches(0, 2).concatenate(bad_batch()).concatenate(batches(2, 3))
    logs = model.fit(data, verbose=0).history
    assert logs["skipped_in_row"] == [0.0]
    assert 3.0 < logs["loss"][0] < 5.0
    assert int(model.optimizer.iterations.numpy()) == 4
    assert int(model.optimizer.skipped.numpy()) == 1
    assert model.fit(bad_batch(), verbose=0).history["skipped_in_row"] == [1.0]

    weights, held_out = values(model.trainable_variables), batches(5, 7)
    raw = model.evaluate(held_out, verbose=0)
    averaged = model.evaluate(held_out, verbose=0, callbacks=[AveragedWeights()])
    assert same(model.trainable_variables, weights)
    take_averages(model)
    assert model.evaluate(held_out, verbose=0) == averaged != raw


def test_optimizers_of_keras_are_taken_as_they_are():
    optimizer = keras.optimizers.SGD(0.5)
    model = built(optimizer)
    assert model.optimizer is optimizer
    before = values(model.weights)
    model.fit(batches(0, 1), verbose=0)
    optimizer.learning_rate = 0.0
    after = values(model.weights)
    assert not same(model.weights, before)
    model.fit(batches(1, 2), verbose=0)
    assert same(model.weights, after)
    assert isinstance(built("adam").optimizer, keras.optimizers.Adam)
    with pytest.raises(ValueError, match="make a new one"):
        used = keras.optimizers.SGD(0.5)
        used.build(model.weights)
        built(used)
    with pytest.raises(ValueError, match=r"compile\(…, micro_batches=4\)"):
        built(keras.optimizers.Adam(gradient_accumulation_steps=4))


def test_frozen_weights_stay():
    keras.utils.set_random_seed(0)
    model = TinyLM()
    frozen = model.freeze("tokens|block_0")
    assert "gpt/tokens/embeddings" in frozen
    assert all("tokens" in path or "block_0" in path for path in frozen)
    model.compile(adamw(0.02))
    before = {w.path: w.numpy() for w in model.weights}
    model.fit(batches(0, 2), verbose=0)
    for weight in model.weights:
        still = np.array_equal(weight.numpy(), before[weight.path])
        assert still == (weight.path in frozen), weight.path
    with pytest.raises(ValueError, match="frozen: 'blok' is in no weight's path"):
        model.freeze("blok")


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="micro_batches must be positive"):
        built("adam", micro_batches=0)
    with pytest.raises(ValueError, match="micro_batches=3 do not divide the 4 rows"):
        built("adam", micro_batches=3).fit(batches(0, 1), verbose=0)
    with pytest.raises(ValueError, match="steps_per_epoch=3 is no multiple"):
        built("adam", steps_per_execution=2).fit(batches(0, 4), steps_per_epoch=3)


def test_the_loss_of_each_corpus_is_that_of_its_rows():
    def of(row: int, corpus: int):
        features, labels, weights = tf.nest.map_structure(lambda x: x[row], whole)
        return {**features, "corpus_ids": np.int32(corpus)}, labels, weights

    whole = batch(0)
    rows = [of(0, 1), of(1, 0), of(2, 1), of(3, 1)]
    stacked = tf.nest.map_structure(lambda *x: np.stack(x), *rows)
    data = tf.data.Dataset.from_tensors(stacked)
    model = built("adam", micro_batches=2)
    model.name_corpora(["web", "books", "none"])
    held_out = model.evaluate(data, return_dict=True, verbose=0)
    fitted = model.fit(data, verbose=0).history
    counts = stacked[2].sum(axis=1)
    other = built("adam")
    alone = [
        other.evaluate(tf.data.Dataset.from_tensors(row).batch(1), verbose=0)[0]
        for row in rows
    ]
    web = alone[1]
    books = np.dot(np.array(alone)[[0, 2, 3]], counts[[0, 2, 3]])
    books /= counts[[0, 2, 3]].sum()
    expected = {"loss/web": web, "loss/books": books, "loss/none": 0.0}
    for name, value in expected.items():
        assert held_out[name] == pytest.approx(value, rel=1e-5)
        assert fitted[name] == pytest.approx([value], rel=1e-5)
