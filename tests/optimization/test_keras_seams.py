"""What is relied upon of Keras's private members."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data.batching.waiting import waiting_time
from massivetext_keras.optimization import keras_seams
from massivetext_keras.optimization.update import updating


def variable(value, name: str = "kernel") -> keras.Variable:
    return keras.Variable(np.array(value, "float32"), name=name)


def optimizer(cls=keras.optimizers.SGD, rate=0.5, **options):
    class Own(keras_seams.OptimizerSeams, cls):
        pass

    return Own(rate, **options)


def test_the_rate_of_an_update_passes_through_the_seam():
    class Halved(keras_seams.OptimizerSeams, keras.optimizers.SGD):
        def current_rate(self, scheduled):
            return scheduled / 2

    weight, schedule = variable([1.0]), keras.optimizers.schedules.ExponentialDecay
    one = Halved(0.5)
    one.apply([tf.constant([1.0])], [weight])
    assert weight.numpy().tolist() == [0.75]
    assert not one.has_schedule and Halved(schedule(0.1, 10, 0.5)).has_schedule


def test_what_an_optimizer_knows():
    first, second = variable([1.0]), variable([2.0])
    one = optimizer()
    one.build([first, second])
    assert one.updated_variables == [first, second]
    assert one.index_of(second) == 1
    assert one.knows(first) and not one.knows(variable([1.0]))


def test_decay_is_left_to_the_update_and_what_is_excluded_is_told():
    kernel, bias = variable([1.0]), variable([1.0], "bias")
    one = optimizer(weight_decay=0.5)
    one.exclude_from_weight_decay(var_names=["bias"])
    one.build([kernel, bias])
    assert one.may_decay(kernel) and not one.may_decay(bias)
    one.apply([tf.zeros([1])] * 2, [kernel, bias])
    assert kernel.numpy().tolist() == [1.0]


def test_means_of_weights_are_those_of_the_seam():
    class Last(keras_seams.OptimizerSeams, keras.optimizers.SGD):
        def next_average(self, variable, average):
            return variable + 10.0

    weight = variable([1.0])
    one = Last(0.5, use_ema=True)
    one.apply([tf.constant([1.0])], [weight])
    (average,) = keras_seams.averages_of(one)
    assert average.numpy().tolist() == [10.5]


@pytest.mark.parametrize("adam", [False, True])
def test_muon_asks_what_is_for_adam(adam):
    class Chosen(keras_seams.OptimizerSeams, keras.optimizers.Muon):
        def is_for_adam(self, variable, by_keras):
            asked.append(by_keras)
            return adam

    asked, weight = [], variable(np.eye(3))
    one = Chosen(0.1)
    one.build([weight])
    assert asked[0] is False
    assert (one.adam_velocities[0] is not None) == adam


def test_gradients_are_not_summed_twice():
    pairs = [(tf.constant([1.0]), variable([1.0]))]
    assert optimizer()._all_reduce_sum_gradients(pairs) is pairs


def test_a_seen_optimizer_has_all_seams():
    assert issubclass(updating(keras.optimizers.Muon), keras_seams.OptimizerSeams)


class Model(keras_seams.ModelSeams):
    def __init__(self, own: bool):
        super().__init__()
        self.own, self.seen = own, []
        self.weight = self.add_weight(shape=(), initializer="ones")

    def step_function(self, step):
        def function(iterator):
            self.seen.append("own")
            return step(next(iterator))

        return function if self.own else None

    def begin_epochs(self, epochs):
        self.waited = waiting_time()
        for _ in range(2):  # the second time changes nothing
            keras_seams.time_batches(epochs, self.waited)

    def epoch_logs(self, logs):
        return {**logs, "more": 1.0}

    def train_step(self, data):
        return {"loss": tf.reduce_sum(data) * self.weight}


def slow(start: int):
    dataset = tf.data.Dataset.range(start, start + 3)
    return dataset.map(lambda x: tf.numpy_function(pause, [x], tf.int64))


def pause(x):
    time.sleep(0.02)  # three times
    return x


@pytest.mark.parametrize("own", [False, True])
def test_keras_calls_the_seams_of_a_model(own):
    model = Model(own)
    model.compile(run_eagerly=own)
    assert not model.has_strategy
    logs = model.fit(slow(4), verbose=0).history
    assert logs == {"loss": [6.0], "more": [1.0]}
    assert model.seen == ["own"] * 3 * own or len(model.seen) == 4  # and the end
    assert 0.03 <= float(model.waited) < 2.0  # one may be ready while another is read


def test_layers_and_what_they_say_of_themselves():
    inner = keras.layers.Dense(1)
    inner.build((None, 1))
    model = keras.Sequential([inner])
    assert [*keras_seams.layers_of(model)][-1] is inner
    keras_seams.mark_trainable(inner, False)
    assert not inner.trainable and inner.kernel.trainable
    keras_seams.mark_trainable(inner, True)
    inner.kernel.trainable = False
    inner.trainable = True  # reaches what was frozen, since 1 is not True
    assert inner.kernel.trainable


def test_which_values_of_a_metric_are_better():
    metric = keras.metrics.Mean()
    assert keras_seams.better(metric) is None
    keras_seams.set_better(metric, "up")
    assert keras_seams.better(metric) == "up"


def test_no_other_file_of_the_folder_knows_private_members():
    kinds = keras.Model, keras.Optimizer, keras.optimizers.Muon, keras.metrics.Metric
    private = {name for kind in kinds for name in dir(kind)}
    private |= {name for x in (Model(own=True), optimizer()) for name in vars(x)}
    private = {x for x in private if x.startswith("_") and not x.startswith("__")}
    folder, found = Path(keras_seams.__file__).parent, []
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "attr", getattr(node, "name", None))
            if name in private and path.name != "keras_seams.py":
                found.append(f"{path.name}:{node.lineno}: {name}")
    assert found == []


def test_a_model_can_have_a_quantize_of_its_own():
    class Model(keras.Model):
        def quantize(self, mode, other=None):
            return mode, other

    model = Model()
    with pytest.raises((TypeError, ValueError)):
        model.quantize("int3", 5)
    keras_seams.keep_quantize(model)
    assert model.quantize("int3", 5) == ("int3", 5)
