"""What a task answers: one graph for its verb, for a signature and for the check of it.

A task declares a method over tensors with `served`. Its verb asks the graph for rows of
texts; an export has it as a signature, which is compared with it before the export
takes its place.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from massivetext_keras.saving.export import ROUNDING, Probe
from massivetext_keras.support.threads import TRACING, made_once
from massivetext_keras.text.batches import in_batches

STRING = tf.TensorSpec([None], tf.string)  # a row for each text
TEXT = tf.TensorSpec([], tf.string)  # one for all of them
STRINGS = tf.TensorSpec([None, None], tf.string)  # several, padded with ""
NUMBERS = tf.TensorSpec([None], tf.int32)
INTEGER = tf.TensorSpec([], tf.int32)
FLOAT = tf.TensorSpec([], tf.float32)
DEFAULT = "serving_default"

# Texts that an answer is checked with: none, several scripts and lengths.
SAMPLES = ("", "Once upon a time", "Über 中文 🙂\n\n", "a" * 50)

# Inputs of a signature, and what it shall give, None for what the graph itself gives.
Check = tuple[Mapping[str, Any], Mapping[str, Any] | None]
Answered = tuple[Mapping[str, Any], Mapping[str, Any]]


def served(
    name: str,
    *also: str,
    defaults: Callable[[Any], Mapping[str, Any]] = lambda task: {},
    checks: Callable[[Any], Iterable[Check]] | None = None,
    loops: bool = False,
    when: Callable[[Any], bool] = lambda task: True,
    **inputs: tf.TensorSpec,
) -> Callable[[Callable], Served]:
    """Declares a method as what a task answers.

    The method takes tensors, as `inputs` says, and gives a dict of tensors with a row
    for each text. What begins with "_" is for Python alone: a signature has its default
    for such an input, and no such output.

    Args:
        name: of the signature.
        *also: other names of it; as "serving_default" it takes what has no default.
        defaults: of a task, values of inputs that a request may leave out.
        checks: of a task, the questions that an export is compared on, with the right
            answers where not only the graph's own are right (None: `SAMPLES`).
        loops: whether the method takes `compiled`, and has a loop that may be one XLA
            program. There is a signature `name_compiled` beside it then; the default
            one is compiled where the export says so.
        when: of a task, whether it answers this at all.
        **inputs: their specs, the texts first.

    >>> from massivetext_keras.tasks import TextEmbedder
    >>> class Measured(TextEmbedder):
    ...     @served("length", text=STRING)
    ...     def lengths(self, text):
    ...         return {"bytes": tf.strings.length(text)}
    >>> sorted(answer.name for answer in answers_of(Measured))
    ['embed', 'length']
    """

    def declare(method: Callable) -> Served:
        return Served(method, name, also, inputs, defaults, checks, loops, when)

    return declare


class Served:
    """A declared answer: of a task's class itself, of a task its `Graph`."""

    def __init__(self, method, name, also, inputs, defaults, checks, loops, when):
        self.method, self.name, self.also, self.inputs = method, name, also, inputs
        self.defaults, self.checks, self.loops, self.when = (
            defaults,
            checks,
            loops,
            when,
        )
        functools.update_wrapper(self, method)

    @overload
    def __get__(self, task: None, owner: type) -> Served: ...
    @overload
    def __get__(self, task: Any, owner: type | None = None) -> Graph: ...
    def __get__(self, task: Any, owner: type | None = None) -> Served | Graph:
        return self if task is None else graph_of(task, self)


class Graph:
    """A declared answer of one task, traced once.

    Args:
        task: that answers.
        answer: what is declared.
        compiled: whether its loop, if it has one, is an XLA program.
    """

    def __init__(self, task: Any, answer: Served, compiled: bool = True):
        self.answer = answer
        self.task = task
        how = {"compiled": compiled} if answer.loops else {}
        self.method = functools.partial(answer.method, task, **how)
        self.specs = {
            name: tf.TensorSpec(spec.shape, spec.dtype, name.lstrip("_"))
            for name, spec in answer.inputs.items()
        }
        with tf.init_scope():  # perhaps another graph is made now
            self.defaults = {
                name: tf.constant(value, self.specs[name].dtype)
                for name, value in answer.defaults(task).items()
                if name in self.specs
            }
        self._traced = tf.function(
            lambda *tensors: self.method(*tensors),
            autograph=False,
            input_signature=list(self.specs.values()),
        )
        self._signatures: dict[tuple[str, ...], Callable] = {}

    @functools.cached_property
    def concrete(self) -> Callable:
        """The traced graph: whoever calls it, in a graph or outside, traces no more."""
        with TRACING, tf.init_scope():
            return self._traced.get_concrete_function()

    def __call__(self, *texts: Any, **others: Any) -> dict[str, tf.Tensor]:
        """The answer to tensors, or to what becomes tensors, in a graph or outside."""
        return self.concrete(*self._tensors(*texts, **others))

    def _tensors(self, *texts: Any, **others: Any) -> list[tf.Tensor]:
        given = {
            **self.defaults,
            **dict(zip(self.specs, texts, strict=False)),
            **others,
        }
        return [tf.convert_to_tensor(given[k], s.dtype) for k, s in self.specs.items()]

    def rows(
        self, *columns: Sequence[Any], bar: tqdm | None = None, **others: Any
    ) -> dict[str, Any]:
        """The answers to texts in memory, those of like length asked together.

        Args:
            *columns: inputs that have a row for each text, the texts, at least one,
                first.
            bar: counts the texts.
            **others: the other inputs, but for those that have their defaults.

        Returns:
            An array for each output, with a row for each text: of objects, where rows
            are of other lengths.
        """
        names: list[str] = []

        def ask(*some):
            answer = self(*some, **others)
            names[:] = answer
            if bar is not None:
                bar.update(len(some[0]))
            return list(answer.values())

        found = in_batches(ask, *columns)
        return dict(zip(names, found, strict=True))

    def signature(self, name: str) -> Callable:
        """The graph as the signature of an export that has this name."""
        taken = tuple(
            key
            for key in self.specs
            if not key.startswith("_")
            and not (name == DEFAULT and key in self.defaults)
        )
        if taken not in self._signatures:
            self._signatures[taken] = self._signature(taken)
        return self._signatures[taken]

    def _signature(self, taken: tuple[str, ...]) -> Callable:

        def serve(*tensors):
            answer = self(**dict(zip(taken, tensors, strict=True)))
            return {k: v for k, v in answer.items() if not k.startswith("_")}

        parameter = functools.partial(
            inspect.Parameter, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # for TF
            [
                parameter(key, default=self.defaults.get(key, inspect.Parameter.empty))
                for key in taken
            ]
        )
        specs = [self.specs[key] for key in taken]
        return tf.function(serve, autograph=False, input_signature=specs)

    def checks(self) -> list[Answered]:
        """Questions to a signature, and the answers that it has to give.

        Where an answer has `_lead`, float [n], by how much the best of what could be
        said is above the next, rows in which rounding may choose are not asked.
        """
        if self.answer.checks is not None:
            asked = self.answer.checks(self.task)
        else:
            asked = [({key: list(SAMPLES) for key in self.columns}, None)]
        found = [
            self._own(inputs) if own is None else (inputs, own) for inputs, own in asked
        ]
        return [check for check in found if check[0]]

    @property
    def columns(self) -> list[str]:
        """The inputs that have a row for each text."""
        return [
            name
            for name, spec in self.specs.items()
            if spec.shape.rank and name not in self.defaults
        ]

    def _own(self, inputs: Mapping[str, Any]) -> Answered:
        # Not by the graph, which is asked once here: it takes seconds to begin with.
        answer = self.method(*self._tensors(**inputs))
        answer = {name: _values(value) for name, value in answer.items()}
        sure = np.flatnonzero(np.abs(answer.get("_lead", np.inf)) > 3 * ROUNDING)
        if "_lead" in answer and sure.size < answer["_lead"].size:
            asked = {
                k: np.asarray(inputs[k], object)[sure].tolist() for k in self.columns
            }
            return self._own({**inputs, **asked}) if sure.size else ({}, {})
        return inputs, {k: v for k, v in answer.items() if not k.startswith("_")}


def graph_of(task: Any, answer: Served, compiled: bool = True) -> Graph:
    """The graph of an answer, made once for the options that the task has."""
    return _made(task, answer, compiled, repr(task.chosen()))


@made_once
def _made(task, answer, compiled, options) -> Graph:
    return Graph(task, answer, compiled)


def answers_of(cls: type) -> list[Served]:
    """What tasks of a class answer, as it is written down; a subclass may override it,
    by the name of the method."""
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        members |= vars(base)
    return [member for member in members.values() if isinstance(member, Served)]


def graphs_of(task: Any, xla: bool) -> dict[str, Graph]:
    """The signatures of an export of a task by name, but for other names of the same.

    Args:
        task: with a tokenizer.
        xla: whether the loop of the default one is an XLA program.
    """
    graphs = {}
    for answer in answers_of(type(task)):
        if answer.when(task):
            compiled = xla if answer.name == DEFAULT else not answer.loops
            graphs[answer.name] = graph_of(task, answer, compiled)
            if answer.loops and answer.name != DEFAULT:
                graphs[f"{answer.name}_compiled"] = graph_of(task, answer, True)
    return graphs


def signatures(task: Any, xla: bool = True) -> dict[str, Callable]:
    """The signatures of an export of a task; see `graphs_of`."""
    found = {}
    for name, graph in graphs_of(task, xla).items():
        found[name] = graph.signature(name)
        for other in graph.answer.also if name == graph.answer.name else ():
            found[other] = graph.signature(other)
    return found


def probes(task: Any) -> list[Probe]:
    """Questions to an export of a task, with the task's own answers, which take no
    XLA: an answer is the same with it and without."""
    asked: dict[str, list[Answered]] = {}
    found = []
    for name, graph in graphs_of(task, xla=True).items():
        answer = graph.answer
        if answer.name not in asked:
            plain = graph_of(task, answer, not answer.loops)
            asked[answer.name] = plain.checks()
        found += [Probe(name, *check) for check in asked[answer.name]]
    return found


def _values(tensor: tf.Tensor) -> np.ndarray:
    """Numbers, or objects that are strings."""
    if tensor.dtype != tf.string:
        return tensor.numpy()
    return np.vectorize(bytes.decode, otypes=[object])(tensor.numpy())
