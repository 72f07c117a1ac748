"""What every optimizer does beside its own rule, and the same on any devices."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.distribution.replicas import sum_over_replicas
from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.split import is_split
from massivetext_keras.optimization.keras_seams import (
    OptimizerSeams,
    averages_of,
    holding,
)
from massivetext_keras.optimization.rates import is_decayed, is_for_muon, rate_factors

# Micikevicius et al., 2018; the numbers are those of `keras.mixed_precision`.
_FIRST_SCALE, _UPDATES_TO_DOUBLE = 2.0**15, 2000

# Rules whose step of a variable reads and writes that variable and its state alone, but
# for the count of updates.
_SEPARATE = {
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adafactor,
    keras.optimizers.Lion,
    keras.optimizers.Muon,
}
# Settings that no program of a variable depends on: its rate is an argument.
_NOT_COMPILED = {"name", "learning_rate", "layer_decay", "rates"}
# XLA programs by what they were traced for, shared by all optimizers.
_programs: dict[tuple, Callable] = {}


class Update(OptimizerSeams):
    """A mixin for Keras optimizers, made part of one by `updating`.

    - `apply` and `apply_gradients` take, as those of Keras do, the gradients of one
      replica, but make them dense and sum them over replicas before anything reads
      them: the bound on their norm too. `update` takes them as sums already.
    - Weight decay is decoupled (Loshchilov & Hutter, 2019) and is for `is_decayed`
      variables alone.
    - Each variable has its own factor on the rate: `layer_decay` to the power of how
      many layers lie above its own (Clark et al., 2020), times those of `rates`.
    - If the loss or a gradient is not finite, weights, moments and averages stay as
      they are; `iterations` counts the batch all the same, `skipped` how many there
      were and `skipped_in_row` how many since the last good one.
    - In float16 `dynamic_scale` multiplies the loss: doubled after 2,000 good updates,
      halved after a bad one (Micikevicius et al., 2018).
    - On one device each variable is updated by an XLA program, which all variables of
      one shape share, of other models and later graphs too: it is traced and compiled
      once. `separate` says whether the rule is known to allow that.
    - `optimizer.learning_rate = x`, as callbacks of Keras write, ends a schedule: the
      rate is x from then on, in graphs that there are too.
    - Where the schedule goes by the clock, `elapsed` are the milliseconds of training
      so far: a variable, which the callback `TimeLimit` sets and checkpoints hold.

    Args:
        layer_decay: in (0, 1]; 1 gives all layers the same rate.
        rates: pattern of a variable's path -> factor.
        blocks_alone: of Muon: only `rates.is_for_muon` variables, and not whatever
            Keras would orthogonalise.
    """

    layer_decay: float = 1.0
    rates: dict[str, float] = {}
    blocks_alone = False
    scales_loss = False
    dynamic_scale: keras.Variable | None = None
    skipped: Any = None  # a variable, once the optimizer is built
    chosen_rate = None  # instead of what a schedule gives, where it is not negative
    rule: Any = None  # class of Keras, that `updating` was given
    _finite: Any = None  # bool scalar, in the graph that is being made
    _clip = None  # what programs multiply gradients by
    _setting = ""  # all that a program depends on beside its arguments

    def __init__(
        self,
        *args,
        layer_decay: float = 1.0,
        rates: dict[str, float] | None = None,
        blocks_alone: bool = False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if not 0.0 < layer_decay <= 1.0:
            raise ValueError(f"layer_decay must be in (0, 1], got {layer_decay}")
        self.layer_decay, self.rates = layer_decay, dict(rates or {})
        self.blocks_alone = blocks_alone
        if self.has_schedule:
            self.chosen_rate = self.add_variable(
                (),
                keras.initializers.Constant(-1.0),
                "float32",
                "only_first_replica",
                name="chosen_rate",
            )
            if self.goes_by_clock:
                self.elapsed = self.add_variable(
                    (),
                    keras.initializers.Zeros(),
                    "int64",
                    "only_first_replica",
                    name="elapsed",
                )

    def build(self, variables):
        if self.skipped is not None:
            return
        super().build(variables)  # nothing, if Keras has done so
        variables = self.updated_variables
        shared = {"shape": (), "aggregation": "only_first_replica"}
        self.skipped = self.add_variable(name="skipped", dtype="int32", **shared)
        self.skipped_in_row = self.add_variable(
            name="skipped_in_row", dtype="int32", **shared
        )
        if self.scales_loss:
            first = keras.initializers.Constant(_FIRST_SCALE)
            self.dynamic_scale = self.add_variable(
                name="dynamic_scale", dtype="float32", initializer=first, **shared
            )
            self.good_updates = self.add_variable(
                name="good_updates", dtype="int32", **shared
            )
        self._factors = rate_factors(variables, self.layer_decay, self.rates)
        self._decayed = [is_decayed(v) and self.may_decay(v) for v in variables]

    def unknown(self, variables: list[keras.Variable]) -> list[keras.Variable]:
        """Those of some variables that the optimizer has no state for."""
        return [v for v in variables if not self.knows(v)]

    def scale_loss(self, loss):
        loss = super().scale_loss(loss)
        return loss if self.dynamic_scale is None else loss * self.dynamic_scale

    @property
    def learning_rate(self):
        """Of the next update."""
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        if self.chosen_rate is None or callable(rate):
            super(Update, type(self)).learning_rate.fset(self, rate)
            rate = -1.0
        if self.chosen_rate is not None:
            self.chosen_rate.assign(rate)

    def current_rate(self, scheduled):
        if self.chosen_rate is None:
            return scheduled
        chosen = tf.convert_to_tensor(self.chosen_rate)
        return tf.where(chosen < 0.0, tf.cast(scheduled, tf.float32), chosen)

    def apply(self, grads, trainable_variables=None):
        """One update with gradients of this replica, dense or `tf.IndexedSlices`.

        Args:
            grads: of the loss's part on this replica; None where there is none.
            trainable_variables: those of the gradients (None: all).
        """
        grads = [None if g is None else tf.convert_to_tensor(g) for g in grads]
        summed = iter(sum_over_replicas([g for g in grads if g is not None]))
        grads = [None if g is None else next(summed) for g in grads]
        self.update(grads, trainable_variables)

    def update(
        self,
        gradients: list[tf.Tensor | None],
        variables: list[keras.Variable] | None = None,
        loss: tf.Tensor | float = 0.0,
    ) -> tf.Tensor:
        """One update with gradients that are sums over replicas already.

        Args:
            gradients: of the scaled loss, dense, the same on every replica.
            variables: those of the gradients (None: all).
            loss: float32 scalar; if it is not finite the update is skipped.

        Returns:
            float32 scalar, the norm of all gradients before they were clipped.
        """
        if self.dynamic_scale is not None:
            scale = self.dynamic_scale
            gradients = [
                g if g is None else g / tf.cast(scale, g.dtype) for g in gradients
            ]
        there = [g for g in gradients if g is not None] or [tf.zeros([])]
        norm = tf.linalg.global_norm(there) / (self.loss_scale_factor or 1.0)
        self._finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        if self.separate:
            self._clip = self._factor_to_clip(norm)
            self._setting = self._compiled_setting()
        super().apply(gradients, variables)
        self._count()
        self._finite = self._clip = None  # tensors of the graph just made
        self.averaged = frozenset()
        return norm

    def settle(self, squares: tf.Tensor, loss: tf.Tensor) -> tuple[list, tf.Tensor]:
        """What `update_alone` wants to know of an update.

        Args:
            squares: float32 scalar, those of all gradients of the scaled loss, summed.
            loss: float32 scalar; if it is not finite the update is skipped.

        Returns:
            The rate, what gradients are multiplied by, whether all is finite,
            `iterations` and `skipped`; and the norm of all gradients.
        """
        scale = tf.constant(self.loss_scale_factor or 1.0)
        if self.dynamic_scale is not None:
            scale = scale * tf.convert_to_tensor(self.dynamic_scale)
        norm = tf.sqrt(squares) / scale
        finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        counts = [tf.convert_to_tensor(x) for x in (self.iterations, self.skipped)]
        rate = tf.cast(self.rate_now(), tf.float32)
        return [rate, self._factor_to_clip(norm) / scale, finite, *counts], norm

    def update_alone(self, variable, gradient, rate, factor, finite, counts) -> None:
        """Updates one variable, wherever it lies; arguments as `settle` gives them."""
        index = self.index_of(variable)
        owned = [variable, *self.state_of(index)]
        if not self.global_clipnorm:
            (gradient,) = super().clipped([gradient])
        own_rate = rate * self._factors[index]
        held = [x.value for x in owned]
        self._one_step(
            index, owned, (gradient, own_rate, factor, finite, *counts), held
        )

    def count(self, finite: tf.Tensor) -> None:
        """Counts an update that `update_alone` has made of every variable."""
        self._finite = finite
        self._count()
        self.iterations.assign_add(1)
        self._finite = None

    @property
    def separate(self) -> bool:
        """Whether each variable is updated by a program of its own."""
        known = self.rule in _SEPARATE and type(self) is updating(self.rule)
        return known and not tf.distribute.has_strategy()

    @property
    def updates_alone(self) -> bool:
        """Whether `update_alone` may be called: all that the rule keeps of a variable
        has its shape."""
        return self.rule in _SEPARATE - {keras.optimizers.Adafactor}

    def _factor_to_clip(self, norm: tf.Tensor) -> tf.Tensor:
        """What bounds the norm of all gradients together, as Keras has it."""
        bound = self.global_clipnorm
        if not bound or bound < 0:
            return tf.ones([])
        finite = bound * tf.minimum(1.0 / norm, 1.0 / bound)
        return finite + (norm - norm)  # not a number where the norm is none

    def _compiled_setting(self) -> str:
        with tf.init_scope():  # Keras reads the value of a rate
            config = self.get_config()
        kept = {k: v for k, v in config.items() if k not in _NOT_COMPILED}
        return json.dumps(kept, sort_keys=True, default=repr)

    def clipped(self, gradients):
        if self._clip is None or not self.global_clipnorm:
            return super().clipped(gradients)
        return gradients  # in the program of each

    def step_all(self, gradients, variables, rate):
        if self._clip is None:
            return super().step_all(gradients, variables, rate)
        rate = tf.cast(rate, tf.float32)
        rates = {x: rate if x == 1.0 else rate * x for x in set(self._factors)}
        counts = [tf.convert_to_tensor(x) for x in (self.iterations, self.skipped)]
        places = [self.index_of(variable) for variable in variables]
        for index, gradient in zip(places, gradients, strict=True):
            own_rate = rates[self._factors[index]]
            self._run(index, gradient, own_rate, self._clip, self._finite, *counts)
        self.averaged = frozenset(places)

    def _run(self, index: int, *tensors: tf.Tensor) -> None:
        """Has a variable updated by the program for all that are like it.

        Args:
            index: of the variable.
            *tensors: its gradient, its rate, the factor that clips, whether all is
                finite, `iterations` and `skipped`.
        """
        owned = [self.updated_variables[index], *self.state_of(index)]
        held = [variable.value for variable in owned]
        specs = [(x.dtype, *x.shape) for x in (*tensors, *held)]
        key = (self.rule, self._setting, self._decayed[index], *specs)
        if key not in _programs:
            program: Any = island(functools.partial(self._one_step, index, owned))
            _programs[key] = program.get_concrete_function(tensors, held)
        _programs[key](tensors, held)

    def _one_step(self, index, owned, tensors, held):
        """What a program does: `_step` of `owned`, with other variables in their
        stead."""
        gradient, rate, clip, finite, *counts = tensors
        outer, self._finite, self.traced = self._finite, finite, index
        try:
            with holding([*owned, self.iterations, self.skipped], [*held, *counts]):
                clipped = gradient * tf.cast(clip, gradient.dtype)
                self._step(index, held[0], clipped, rate)
                if self.use_ema:
                    average = averages_of(self)[index]
                    average.assign(self.next_average(held[0], average))
        finally:
            self._finite, self.traced = outer, None

    def _count(self) -> None:
        bad = tf.cast(~self._finite, tf.int32)
        self.skipped.assign_add(bad)
        self.skipped_in_row.assign((self.skipped_in_row + bad) * bad)
        if self.dynamic_scale is not None:
            good = (self.good_updates + 1) * (1 - bad)
            double = good >= _UPDATES_TO_DOUBLE
            factor = tf.where(self._finite, tf.where(double, 2.0, 1.0), 0.5)
            self.dynamic_scale.assign(self.dynamic_scale * factor)
            self.good_updates.assign(tf.where(double, 0, good))

    def update_step(self, gradient, variable, learning_rate):
        index = self.index_of(variable)
        self._step(index, variable, gradient, learning_rate * self._factors[index])

    def _step(self, index, variable, gradient, rate):
        """The rule's step of a variable at its own rate, and its decay."""
        if self.weight_decay and self._decayed[index]:
            self.assign_sub(variable, variable * (rate * self.weight_decay))
        super().update_step(gradient, variable, rate)

    def is_for_adam(self, variable, by_keras):
        return not is_for_muon(variable) if self.blocks_alone else by_keras

    def next_average(self, variable, average):
        # Keras takes the first update's weights as they are; the first may be skipped.
        begun = tf.cast(self.iterations > tf.cast(self.skipped, tf.int64), tf.float32)
        kept = tf.cast(begun * self.ema_momentum, variable.dtype)
        value = kept * average + (1.0 - kept) * variable
        return self._if_finite(value, average)

    def finalize_variable_values(self, variables):
        pass  # at the end of a `fit`, which another one may go on from

    def assign(self, variable, value):
        value = tf.cast(value, variable.dtype)
        super().assign(variable, self._if_finite(value, variable))

    def assign_add(self, variable, value):
        value = tf.cast(value, variable.dtype)
        super().assign_add(variable, self._if_finite(value, tf.zeros_like(value)))

    def assign_sub(self, variable, value):
        value = tf.cast(value, variable.dtype)
        super().assign_sub(variable, self._if_finite(value, tf.zeros_like(value)))

    def _if_finite(self, value, otherwise):
        otherwise = tf.convert_to_tensor(otherwise)
        if is_split():  # whose compiler ends on a condition of fewer axes
            condition = tf.reshape(self._finite, [1] * value.shape.rank)
            return tf.where(condition, value, otherwise)
        # Unlike `tf.where` this op does not broadcast, and copies nothing.
        return tf.raw_ops.Select(condition=self._finite, x=value, y=otherwise)

    def get_config(self):
        own = {"layer_decay": self.layer_decay, "rates": dict(self.rates)}
        if self.blocks_alone:
            own["blocks_alone"] = True
        return {**super().get_config(), **own}


@functools.cache
def updating(cls: type[keras.Optimizer]) -> type[keras.Optimizer]:
    """The class of optimizers with the rule of `cls` and all that `Update` adds.

    >>> updating(keras.optimizers.SGD)(0.1, layer_decay=0.9).layer_decay
    0.9
    """
    if issubclass(cls, Update):
        return cls
    body = {"__doc__": cls.__doc__, "__module__": __name__, "rule": cls}
    made = type(cls.__name__, (Update, cls), body)
    return keras.saving.register_keras_serializable("massivetext_keras")(made)


def adopt(optimizer: str | keras.Optimizer) -> keras.Optimizer:
    """The optimizer that a task is to be trained with; it stays what it is, see
    `with_update`.

    Raises:
        ValueError: it accumulates gradients itself, or it has updated a model before.
    """
    optimizer = keras.optimizers.get(optimizer)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            "gradient_accumulation_steps is Keras's own: compile(…, micro_batches="
            f"{optimizer.gradient_accumulation_steps}) gives the same on any devices"
        )
    if optimizer.built and getattr(optimizer, "skipped", None) is None:
        raise ValueError("the optimizer has updated another model: make a new one")
    return optimizer


def with_update(optimizer: keras.Optimizer) -> Update:
    """An optimizer with all that `Update` adds.

    One of Keras is seen through another class, with the same state: to everybody else,
    in models of their own and in their files, it is what it was.

    >>> optimizer = keras.optimizers.SGD(0.5)
    >>> seen = with_update(optimizer)
    >>> seen.learning_rate = 0.25
    >>> type(optimizer) is keras.optimizers.SGD, float(optimizer.learning_rate)
    (True, 0.25)
    """
    if isinstance(optimizer, Update):
        return optimizer
    seen = object.__new__(updating(optimizer.__class__))
    object.__setattr__(seen, "__dict__", optimizer.__dict__)
    return seen


def dense_gradients(
    tape: tf.GradientTape,
    target: tf.Tensor | list[tf.Tensor],
    sources: Sequence[keras.Variable | tf.Tensor],
    upstream: list[tf.Tensor] | None = None,
) -> list[tf.Tensor]:
    """Those of a target, zeros where it does not depend on a source.

    Args:
        tape: has watched the sources.
        target: a scalar or, with `upstream`, any tensors.
        sources: variables or tensors.
        upstream: gradients by the target (None: ones).
    """
    gradients = tape.gradient(target, sources, upstream)
    return [
        tf.zeros(source.shape) if g is None else tf.convert_to_tensor(g)
        for g, source in zip(gradients, sources, strict=True)
    ]
