"""Private members of Keras that are used or overridden here, under names of ours.

Keras may change them without a word: all of them stand in this file, and
`tests/optimization/test_keras_seams.py` says what each is relied upon for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from massivetext_keras.data.batching.waiting import timed
from massivetext_keras.distribution.sharded import state_of

# What the mixin stands before: its members are known to type checkers.
if TYPE_CHECKING:
    from keras.optimizers import Optimizer as _Rule
else:
    _Rule = object


class OptimizerSeams(_Rule):
    """What Keras's optimizers call of themselves and keep: a mixin before their rule.

    A subclass overrides `current_rate`, `next_average`, `is_for_adam`, `clipped` and
    `step_all`, and has `elapsed` where its schedule is one of time.

    Attributes:
        shares_state: whether each replica of a mesh keeps a share of its state alone.
        traced: the place of the variable whose step is traced with another one in
            its stead (None: there is none).
        averaged: places of the variables whose means are made with their steps.
    """

    shares_state = False
    traced: int | None = None
    averaged: frozenset[int] = frozenset()
    elapsed: keras.Variable | None = None  # int64, milliseconds

    def current_rate(self, scheduled: tf.Tensor) -> tf.Tensor:
        """The rate of the next update, of what a schedule or a number gives."""
        return scheduled

    def next_average(self, variable: keras.Variable, average: keras.Variable):
        """What the running mean of a variable is after an update."""
        raise NotImplementedError

    def is_for_adam(self, variable: keras.Variable, by_keras: bool) -> bool:
        """Whether Muon leaves a variable to Adam; `by_keras`: what Keras thinks."""
        return by_keras

    def clipped(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients as the bound on their norm, or on their values, has them."""
        return super()._clip_gradients(gradients)

    def step_all(
        self, gradients: list[tf.Tensor], variables: list[keras.Variable], rate
    ) -> None:
        """Has `update_step` called for each variable."""
        super()._backend_update_step(gradients, variables, rate)

    @property
    def has_schedule(self) -> bool:
        """Whether the rate is a function of the number of updates."""
        return callable(self._learning_rate)

    @property
    def goes_by_clock(self) -> bool:
        """Whether the rate is a function of the time of training, too."""
        return getattr(self._learning_rate, "minutes", None) is not None

    def rate_now(self) -> tf.Tensor:
        """That of the next update."""
        return self._get_current_learning_rate()

    @property
    def updated_variables(self) -> list[keras.Variable]:
        """The variables that the optimizer was built for."""
        return self._trainable_variables

    def knows(self, variable: keras.Variable) -> bool:
        """Whether it was built for this one too."""
        return self._var_key(variable) in self._trainable_variables_indices

    def index_of(self, variable: keras.Variable) -> int:
        """Its place among `updated_variables`."""
        return self._get_variable_index(variable)

    def state_of(self, index: int) -> list[keras.Variable]:
        """What a rule keeps of one variable: of each list that has an element for every
        variable, the one at its place."""
        others = (self._trainable_variables, self._variables)
        lists = [
            x
            for x in vars(self).values()
            if isinstance(x, list) and len(x) == len(self._trainable_variables)
        ]
        kept = [x[index] for x in lists if not any(x is other for other in others)]
        return [x for x in kept if isinstance(x, keras.Variable)]

    def may_decay(self, variable: keras.Variable) -> bool:
        """False for what `exclude_from_weight_decay` names."""
        return self._use_weight_decay(variable)

    def add_variable_from_reference(self, reference_variable, *args, **kwargs):
        with state_of(held_by(reference_variable), self.shares_state):
            return super().add_variable_from_reference(
                reference_variable, *args, **kwargs
            )

    def _get_current_learning_rate(self):
        if self.elapsed is None:
            return self.current_rate(super()._get_current_learning_rate())
        return self.current_rate(self._learning_rate(self.iterations, self.elapsed))

    def _clip_gradients(self, grads):
        return self.clipped(grads)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        self.step_all(grads, trainable_variables, learning_rate)

    def _get_variable_index(self, variable):
        if self.traced is not None:
            return self.traced
        return super()._get_variable_index(variable)

    def _apply_weight_decay(self, variables):
        pass  # in `update_step`, at the variable's own rate

    def _update_model_variables_moving_average(self, variables):
        pairs = zip(variables, averages_of(self), strict=True)
        for index, (variable, average) in enumerate(pairs):
            if index not in self.averaged:
                average.assign(self.next_average(variable, average))

    def _all_reduce_sum_gradients(self, pairs):
        return pairs  # `apply` has done so

    def _should_use_adamw(self, variable):
        by_keras = super()._should_use_adamw(variable)
        return self.is_for_adam(variable, by_keras)


class ModelSeams(keras.Model):
    """What `keras.Model` calls of itself in `fit` and `evaluate`.

    A subclass overrides `step_function`, `begin_epochs` and `epoch_logs`.
    """

    # Keras would trace `call` with float inputs when the model is tracked.
    _default_save_signature = None

    def step_function(self, step: Callable) -> Callable | None:
        """What `fit` calls with an iterator, made of a step (None: Keras's own)."""

    def begin_epochs(self, epochs: Any) -> None:
        """Called before the first step, with Keras's `TFEpochIterator` or None."""

    def epoch_logs(self, logs: dict) -> dict:
        """The results of an epoch, of the logs of its last step."""
        return logs

    @property
    def has_strategy(self) -> bool:
        """Whether the model was made in the scope of a strategy."""
        return self._distribute_strategy is not None

    def _make_function(self, step):
        return self.step_function(step) or super()._make_function(step)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras's own fails on the batches of several workers; tasks are built already.
        self.begin_epochs(iterator)

    def _get_metrics_result_or_logs(self, logs):
        return self.epoch_logs(logs)


@contextlib.contextmanager
def holding(variables: Sequence[keras.Variable], values: Sequence) -> Iterator[None]:
    """Inside, variables of Keras hold other ones of TensorFlow, or tensors."""
    before = [variable._value for variable in variables]
    for variable, value in zip(variables, values, strict=True):
        variable._value = value
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable._value = value


def held_by(variable: keras.Variable) -> tf.Variable:
    """TensorFlow's variable behind one of Keras."""
    return variable._value


def hold(variable: keras.Variable, value: tf.Variable) -> None:
    """Puts another variable of TensorFlow behind one of Keras."""
    variable._value = value


def averages_of(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """Running means of the weights, of an optimizer with `use_ema`."""
    return optimizer._model_variables_moving_average


def time_batches(epochs: Any, waited: tf.Variable) -> None:
    """Adds to a number how long `fit` waits for each batch, see `waiting.timed`.

    Args:
        epochs: Keras's `TFEpochIterator`, before it begins, on one device.
        waited: float64, seconds.
    """
    if not getattr(epochs, "timed", False):  # Keras keeps that of an evaluation
        epochs._distributed_dataset = timed(epochs._distributed_dataset, waited)
        epochs.timed = True


def layers_of(model: keras.Layer) -> Iterable[keras.Layer]:
    """A model and all layers inside it, however deep."""
    return model._flatten_layers()


def keep_quantize(model: keras.Layer) -> None:
    """Leaves a model the `quantize` of its class, in front of which Keras puts one that
    knows the modes of its own layers alone."""
    vars(model).pop("quantize", None)


def mark_trainable(layer: keras.Layer, trainable: bool) -> None:
    """Sets what a layer says of itself, and leaves its weights as they are.

    By a number: Keras passes over `layer.trainable = True` where the layer has that
    very value, and it is to reach the frozen weights of a layer in part.
    """
    layer._trainable = int(trainable)


def set_better(metric: keras.metrics.Metric, direction: str) -> None:
    """Says which values of a metric are better, "up" or "down", for callbacks."""
    metric._direction = direction


def better(metric: keras.metrics.Metric) -> str | None:
    """Which values of a metric are better, "up" or "down", if it says so."""
    return getattr(metric, "_direction", None)
