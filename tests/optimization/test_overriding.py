"""What a user of Keras overrides in a task is called, or refused by name."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.training import adamw
from tests.tasks.every import TASKS, one_batch
from tests.tasks.tiny import TINY, encoder_task
from tests.training.tiny import TinyLM, batches

pytestmark = pytest.mark.usefixtures("without_xla")

DATA = batches(0, 2)


def fitted(task, data=DATA, optimizer=None, **options) -> dict[str, list[float]]:
    task.compile(optimizer or keras.optimizers.SGD(0.1))
    return task.fit(data, verbose=0, shuffle=False, **options).history


def made(cls, *args, **kwargs):
    keras.utils.set_random_seed(0)
    return cls(*args, **kwargs)


@pytest.mark.parametrize("name", TASKS)
def test_a_loss_that_call_adds_counts(name):
    base = type(TASKS[name]())
    calls = []

    class Adding(base):
        def call(self, inputs, training=None):
            calls.append(training)
            weight = self.backbone.weights[0]
            self.add_loss(3.0 * tf.reduce_sum(tf.square(weight)))
            return super().call(inputs, training=training)

    task = TASKS[name]()
    adding = Adding.from_config(task.get_config())
    batch = one_batch(name)
    for one in (task, adding):
        one.set_weights(task.get_weights())
        one.compile(keras.optimizers.SGD(1.0))
    (weight, *_), before = task.backbone.weights, task.backbone.weights[0].numpy()
    data = tf.data.Dataset.from_tensors(batch)
    plain, added = (one.fit(data, verbose=0).history for one in (task, adding))
    assert True in calls
    assert added["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    # six times the weight is the slope of what is added
    apart = weight.numpy() - adding.backbone.weights[0].numpy()
    np.testing.assert_allclose(apart, 6.0 * before, rtol=1e-3, atol=1e-4)


def test_the_loss_is_that_of_an_own_call():
    class Halved(CausalLM):
        def call(self, inputs, training=None):
            return 0.5 * super().call(inputs, training=training)

    task = made(Halved, TINY)
    (features, labels, weights) = next(iter(DATA))
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, task(features), from_logits=True
    )
    expected = float(tf.reduce_sum(losses * weights) / tf.reduce_sum(weights))
    task.compile()
    logs = task.evaluate(DATA.take(1), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["CausalLM", "MaskedLM", "Seq2SeqLM"])
def test_a_call_that_changes_nothing_gives_the_same_loss(name):
    task = TASKS[name](dropout=0.1)
    base = type(task)

    class Same(base):
        def call(self, inputs, training=None):
            return super().call(inputs, training=training)

    other = Same.from_config(task.get_config())
    other.set_weights(task.get_weights())
    data = tf.data.Dataset.from_tensors(one_batch(name))
    options = {"label_smoothing": 0.1} if name == "Seq2SeqLM" else {}
    histories = []
    for one in (task, other):
        one.compile(keras.optimizers.SGD(0.1), **options)
        histories.append(one.fit(data, epochs=2, verbose=0).history["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)


def test_a_loss_of_ones_own():
    class Confident(TextClassifier):
        """Penalizes certainty (Pereyra et al., 2017)."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tally_trackers.append(keras.metrics.Mean(name="sure"))

        def summed_loss(self, features, labels, weights, training):
            (loss,), rows, tallies = super().summed_loss(
                features, labels, weights, training
            )
            scores = tf.nn.softmax(self(features, training=training))
            sure = tf.cast(tf.reduce_max(scores, -1) > 0.5, tf.float32)
            tally = tf.stack([tf.reduce_sum(sure), tf.cast(tf.size(sure), tf.float32)])
            entropy = -tf.reduce_sum(scores * tf.math.log(scores), axis=-1)
            loss -= 0.1 * tf.reduce_sum(entropy * weights)
            return [loss], rows, tf.concat([tallies, tally[None]], 0)

    task = encoder_task(Confident, labels=("no", "yes"))
    plain = encoder_task(TextClassifier, labels=("no", "yes"))
    data = tf.data.Dataset.from_tensors(one_batch("TextClassifier"))
    penalized, history = fitted(task, data), fitted(plain, data)
    assert 0.0 < history["loss"][0] - penalized["loss"][0] < 0.1 * np.log(2.0)
    assert penalized["sure"] == [1.0]
    assert set(penalized) == {*history, "sure"}


@pytest.mark.parametrize(
    ("name", "instead"),
    [("compute_loss", "override summed_loss"), ("compute_metrics", "tally_trackers")],
)
def test_what_is_not_called_is_refused(name, instead):
    def method(self, *args, **kwargs):
        raise AssertionError("called")

    def step(self, data):
        return {}

    Own = type("Own", (TinyLM,), {name: method})
    with pytest.raises(ValueError, match=rf"Own\.{name} is not called.*{instead}"):
        made(Own).compile()
    steps = {"train_step": step, "test_step": step}
    type("Own", (TinyLM,), {name: method, **steps})().compile()  # their affair
    with pytest.raises(ValueError, match="instead of metrics= add to tally_trackers"):
        made(TinyLM).compile(metrics=["accuracy"])
    with pytest.raises(ValueError, match="instead of loss= override summed_loss"):
        made(TinyLM).compile(loss="mse")


def test_a_step_of_ones_own_learns_what_the_tasks_does():
    class Own(TinyLM):
        def __init__(self):
            super().__init__()
            self.seen = keras.metrics.Sum(name="seen")

        def train_step(self, data):
            x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, sample_weight=weights)
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            self.loss_tracker.update_state(loss, tf.reduce_sum(weights))
            self.seen.update_state(tf.shape(y)[0])
            return self.get_metrics_result()

    one, other = made(TinyLM), made(Own)
    first = fitted(one, optimizer=adamw(0.01))
    second = fitted(other, optimizer=adamw(0.01))
    assert second["loss"] == pytest.approx(first["loss"], rel=1e-5)
    assert second["seen"] == [8.0]
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_callbacks_know_which_values_are_better():
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    data = tf.data.Dataset.from_tensors(one_batch("TextClassifier"))
    callbacks = [
        keras.callbacks.EarlyStopping("val_accuracy"),
        keras.callbacks.EarlyStopping("val_loss"),
        keras.callbacks.ReduceLROnPlateau("loss"),
    ]
    fitted(task, data, validation_data=data, callbacks=callbacks)
    assert [x.mode for x in callbacks] == ["max", "min", "min"]
    lm = made(TinyLM)
    stopping = keras.callbacks.EarlyStopping("bits_per_byte")
    fitted(lm, callbacks=stopping)
    assert stopping.mode == "min"


def test_callbacks_set_the_learning_rate():
    task = made(TinyLM)
    task.compile(adamw(0.5, warmup_steps=10))
    rates = iter([0.0, 0.25])
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: next(rates))
    kept = [w.numpy() for w in task.weights]
    logs = task.fit(DATA, verbose=0, callbacks=[scheduler]).history
    assert logs["learning_rate"] == [0.0]
    for weight, before in zip(task.weights, kept, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    task.fit(DATA, verbose=0, callbacks=[scheduler])
    assert not np.array_equal(task.weights[0].numpy(), kept[0])

    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.1, patience=1, min_delta=100.0
    )
    task.fit(DATA, epochs=3, verbose=0, callbacks=[plateau])
    assert float(task.optimizer.learning_rate) == pytest.approx(0.0025)
    task.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(
        0.125, 10, 0.5
    )
    assert 0.0 < float(task.optimizer.learning_rate) < 0.125
