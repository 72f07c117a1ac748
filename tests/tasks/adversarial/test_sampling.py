"""Draws, rollouts and relaxed samples beside all texts that there are."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentConfig
from massivetext_keras.models import Recurrent
from massivetext_keras.tasks.adversarial import sampling
from massivetext_keras.tasks.adversarial.oracle import Oracle

TOKENS, LENGTH = 3, 3
TEXTS = np.array([*itertools.product(range(TOKENS), repeat=LENGTH)], np.int32)
MARKS = sampling.Marks()
SEED = tf.constant([1, 2])


def config_of(cell="lstm", tokens=TOKENS, **more):
    sizes = {"num_layers": 1, "hidden_size": 4, "max_length": 16} | more
    return RecurrentConfig(
        cell=cell, vocabulary_size=tokens, tied_embeddings=False, **sizes
    )


@pytest.fixture(scope="module")
def model():
    return Oracle(config_of(), LENGTH, seed=3).model


def probabilities(model, texts=TEXTS):
    """Of each token behind those before it, by the model's own pass over texts."""
    logits = model.logits(model(MARKS.inputs(tf.constant(texts))))
    return tf.gather(tf.nn.softmax(logits), texts, batch_dims=2)


def test_draws_follow_the_softmax():
    logits = np.log([0.1, 0.2, 0.05, 0.3, 0.05, 0.1, 0.2]).astype(np.float32)
    uniform = (np.arange(2000) + 0.5) / 2000
    rows = tf.constant(np.tile(logits, (2000, 1)))
    found = sampling.draw(rows, tf.constant(uniform, tf.float32)).numpy()
    assert (np.diff(found) >= 0).all()
    assert np.bincount(found) / 2000 == pytest.approx(np.exp(logits), abs=1e-3)
    sharp = tf.constant([[0.0, 200.0, 0.0, -200.0]])
    assert sampling.draw(sharp, tf.constant([0.99999994])).numpy() == [1]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_single_steps_are_those_of_whole_rows(cell):
    keras.utils.set_random_seed(0)
    config = config_of(cell, num_layers=2, embedding_size=5, recurrent_bias=True)
    model = Recurrent(config)
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).standard_normal(weight.shape))
    states, found = model.stack.empty_states(len(TEXTS)), []
    for place in range(LENGTH):
        x = model.tokens(tf.constant(TEXTS[:, place]))
        hidden, states = model.stack.step(x, states)
        found.append(hidden)
    whole = model(tf.constant(TEXTS)).numpy()
    np.testing.assert_allclose(np.stack(found, axis=1), whole, atol=1e-6)


def test_samples_have_the_probabilities_of_the_model(model):
    found = sampling.sample(model, MARKS, 20_000, LENGTH, SEED).numpy()
    numbers = found @ [9, 3, 1]
    wanted = probabilities(model).numpy().prod(axis=1)
    assert np.bincount(numbers, minlength=27) / 20_000 == pytest.approx(
        wanted, abs=0.012
    )
    again = sampling.sample(model, MARKS, 20_000, LENGTH, SEED).numpy()
    assert (found == again).all()


def judge(ids):
    """A known discriminator: more for late tokens than for early ones."""
    return tf.reduce_sum(tf.cast(ids, tf.float32) * [0.1, 0.3, 0.5], axis=1)


def exact_rewards(model):
    """The mean judgement of all texts that begin as a text does, [27, 3]."""
    weights, worth = probabilities(model).numpy().prod(axis=1), judge(TEXTS).numpy()
    found = np.zeros(TEXTS.shape)
    for i, place in np.ndindex(*TEXTS.shape):
        same = (TEXTS[:, : place + 1] == TEXTS[i, : place + 1]).all(axis=1)
        found[i, place] = weights[same] @ worth[same] / weights[same].sum()
    return found


def test_rewards_are_the_mean_judgements_of_completed_texts(model):
    ids = tf.constant(TEXTS)
    found = sampling.rewards(model, MARKS, judge, ids, 4000, SEED).numpy()
    np.testing.assert_allclose(found, exact_rewards(model), atol=0.03)
    np.testing.assert_allclose(found[:, -1], judge(TEXTS), atol=1e-6)


def test_the_policy_gradient_is_that_of_the_expected_judgement(model):
    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        expected = tf.reduce_sum(
            tf.reduce_prod(probabilities(model), axis=1) * judge(TEXTS)
        )
    wanted = tape.gradient(expected, weights)
    worth = sampling.rewards(model, MARKS, judge, tf.constant(TEXTS), 4000, SEED)
    # Each text as often as it is drawn.
    share = tf.reduce_prod(tf.stop_gradient(probabilities(model)), axis=1)
    with tf.GradientTape() as tape:
        hidden = model(MARKS.inputs(tf.constant(TEXTS)))
        ids = tf.constant(TEXTS)
        loss = model.summed_loss(hidden, ids, worth * share[:, None])[0]
    for found, true in zip(tape.gradient(loss, weights), wanted, strict=True):
        found, true = (tf.convert_to_tensor(x).numpy() for x in (found, true))
        assert np.abs(true).max() > 1e-3
        np.testing.assert_allclose(-found, true, atol=0.01 * np.abs(true).max() + 2e-3)


def test_a_text_that_has_ended_is_its_own_completion(model):
    marks = sampling.Marks(start=0, end=2, padding=1)
    ids = tf.constant([[2, 1, 1], [0, 2, 1], [0, 0, 0]])
    found = sampling.rewards(model, marks, judge, ids, 500, SEED).numpy()
    np.testing.assert_allclose(found[0], judge(ids)[0], atol=1e-6)
    np.testing.assert_allclose(found[1, 1:], judge(ids)[1], atol=1e-6)
    drawn = sampling.sample(model, marks, 200, 6, SEED).numpy()
    inside = marks.inside(drawn).numpy()
    assert (drawn[inside == 0] == 1).all() and 0 < inside.mean() < 1
    ends = (drawn * (inside > 0) == 2).sum(axis=1)
    assert set(ends) <= {0, 1} and (inside[ends == 0] == 1).all()


def test_relaxed_samples_are_tokens_when_cold_and_equal_shares_when_hot(model):
    def drawn(inverse):
        share = tf.constant(inverse, tf.float32)
        return sampling.relaxed(model, MARKS, 4000, LENGTH, share, SEED).numpy()

    cold, hot = drawn(1e5), drawn(1e-6)
    assert (cold.max(axis=-1) > 0.999).mean() > 0.999
    first = np.bincount(cold[:, 0].argmax(axis=-1), minlength=TOKENS) / 4000
    logits = model.logits(model(tf.constant([[0]])))[0, 0]
    assert first == pytest.approx(tf.nn.softmax(logits).numpy(), abs=0.025)
    np.testing.assert_allclose(hot, 1 / TOKENS, atol=1e-4)
    numbers = cold.argmax(axis=-1) @ [9, 3, 1]
    wanted = probabilities(model).numpy().prod(axis=1)
    assert np.bincount(numbers, minlength=27) / 4000 == pytest.approx(wanted, abs=0.03)


def test_gradients_flow_through_relaxed_samples_to_the_first_token(model):
    with tf.GradientTape() as tape:
        soft = sampling.relaxed(model, MARKS, 50, LENGTH, tf.constant(1.0), SEED)
        last = tf.reduce_mean(soft[:, -1, 0])  # only through states and embeddings
    for gradient in tape.gradient(last, [x.value for x in model.trainable_weights]):
        assert np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 1e-6
    marks = sampling.Marks(end=2, padding=1)
    soft = sampling.relaxed(model, marks, 50, 6, tf.constant(5.0), SEED).numpy()
    ended = marks.inside(tf.constant(soft.argmax(-1), tf.int32)).numpy() == 0
    assert ended.any() and (soft[ended] == [0, 1, 0]).all()
