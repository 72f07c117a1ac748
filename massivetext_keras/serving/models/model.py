"""A model that is served: the signatures of an export or a preset, and what writes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  brings the operations of tokenizers
from tensorflow.core.protobuf import saved_model_pb2

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models import completing
from massivetext_keras.serving.models.batching import Batcher, Work, bucket
from massivetext_keras.serving.models.prompts import said
from massivetext_keras.serving.models.tensors import Spec, info
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import GenerationEngine
from massivetext_keras.support.values import nearest

logger = logging.getLogger(__name__)

DEFAULT = "serving_default"
GRAPH = "saved_model.pb"
# Signatures whose calls change what is in an export: for one caller, and no client.
_OWN = "slots_"
_WARM_LENGTHS = (64, 256, 1024)  # bytes of the texts of a warm-up


@dataclasses.dataclass(frozen=True)
class Signature:
    """A graph from named tensors to named tensors.

    Attributes:
        name: of the signature.
        inputs, outputs: their specs by name.
        function: called with the inputs as keywords.
        compiled: whether there is a program of XLA in it, made anew for each shape.
    """

    name: str
    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]
    function: Callable[..., Mapping[str, tf.Tensor]]
    compiled: bool

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The answer to arrays."""
        given = {
            name: tf.constant(value, info(self.inputs[name])[0])
            for name, value in inputs.items()
        }
        return {name: x.numpy() for name, x in self.function(**given).items()}

    @functools.cached_property
    def in_batches(self) -> bool:
        """Whether rows of several requests can be asked together."""
        return any(spec.has_rows for spec in self.inputs.values()) and all(
            spec.has_rows for spec in self.outputs.values()
        )

    def work(self, inputs: Mapping[str, np.ndarray], max_rows: int) -> Work:
        """What is to be asked of it.

        Raises:
            Refusal: inputs have different numbers of rows, or too many.
        """
        columns = {k: v for k, v in inputs.items() if self.inputs[k].has_rows}
        shared = {k: v for k, v in inputs.items() if k not in columns}
        counts = {len(column) for column in columns.values()}
        if len(counts) > 1:
            wrong = ", ".join(f"{k} {len(v)}" for k, v in columns.items())
            raise Refusal(400, f"inputs have different numbers of rows: {wrong}")
        rows = counts.pop() if counts else 1
        if rows > max_rows:
            why = f"inputs have {rows:,} rows, of which there may be {max_rows:,}"
            raise Refusal(413, why, next(iter(columns)))
        if not rows or not self.in_batches:
            return Work(None, self.run, dict(columns), shared, rows)
        shapes = tuple(column.shape[1:] for column in columns.values())
        values = tuple((k, v.shape, _raw(v)) for k, v in shared.items())
        key = (self.name, bucket(_longest(columns.values())), shapes, values)
        apart: frozenset = frozenset()
        if "seed" in self.inputs:  # equal rows of a batch get different samples
            apart = frozenset(zip(*map(_rows, columns.values()), strict=True))
        how = rows, self.compiled, apart
        return Work(key, self.run, dict(columns), shared, *how)

    def example(self, length: int) -> dict[str, np.ndarray] | None:
        """Inputs that it can be asked, of such a length; None if nobody knows."""
        found = {}
        for name, spec in self.inputs.items():
            if spec.default is not None:
                found[name] = spec.default
            elif not spec.has_rows:
                return None
            elif spec.dtype.kind == "O":
                text = b"user" if name == "roles" else b"a " * (length // 2)
                found[name] = np.full([1] * len(spec.shape), text, object)
            else:
                found[name] = np.ones([1] * len(spec.shape), spec.dtype)
        return found


@dataclasses.dataclass
class Model:
    """One version of a model, loaded.

    Attributes:
        name, version: what clients call it.
        path: where it is from.
        signatures: by name.
        limits: of the server.
        batcher: answers its signatures.
        task: of a preset.
        engine: writes texts, if it can.
        generation: how texts are written where a request does not say.
        created: when it was loaded, in seconds.
    """

    name: str
    version: int
    path: str
    signatures: Mapping[str, Signature]
    limits: Limits
    batcher: Batcher
    task: Any = None
    engine: GenerationEngine | None = None
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    root: Any = None  # of a SavedModel, which is garbage once nobody holds it
    created: int = dataclasses.field(default_factory=lambda: int(time.time()))
    ready: bool = False

    def signature(self, name: str) -> Signature:
        """A signature by name.

        Raises:
            Refusal: there is none.
        """
        if name not in self.signatures:
            hint = nearest(name, self.signatures)
            why = f'Serving signature name: "{name}" not found in signature def: {hint}'
            raise Refusal(400, why, "signature_name")
        return self.signatures[name]

    def ask(self, name: str, inputs: Mapping[str, np.ndarray]) -> Future:
        """The answer of a signature, once its batch has been asked.

        Raises:
            Refusal: there is no such signature, or the inputs do not fit it.
            QueueFull: too many rows wait.
        """
        signature = self.signature(name)
        limit = inputs.get("max_new_tokens")
        if limit is not None and limit.max(initial=0) > self.limits.max_new_tokens:
            why = f"max_new_tokens may be at most {self.limits.max_new_tokens}"
            raise Refusal(422, why, "max_new_tokens")
        return self.batcher.submit(signature.work(inputs, self.limits.max_rows))

    def warm_up(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Asks each signature once for each bucket, so that no client waits for it.

        Args:
            ended: whether nobody needs that any more.
        """
        for signature in self.signatures.values():
            for rows, length in _warm_shapes(signature, self.limits.max_batch):
                example = signature.example(length)
                if example is None or ended():
                    break
                whole = {
                    k: np.repeat(v, rows, 0) if signature.inputs[k].has_rows else v
                    for k, v in example.items()
                }
                try:
                    signature.run(whole)
                except tf.errors.OpError as error:
                    name = f"{self.name}: {signature.name}"
                    logger.warning("%s is not warmed up: %s", name, said(error.message))
                    break
        if self.engine is not None and not ended():
            self.engine.warm_up()
        self.ready = True

    def need_engine(self) -> GenerationEngine:
        """What writes texts.

        Raises:
            ValueError: it writes none.
        """
        if self.engine is None:
            raise ValueError(f"{self.name} writes no texts")
        return self.engine

    def close(self) -> None:
        """Answers what was asked, then lets go of it."""
        self.batcher.close()
        if self.engine is not None:
            self.engine.close()


def _warm_shapes(signature: Signature, max_batch: int) -> Iterator[tuple[int, int]]:
    """Rows and bytes of the batches of a warm-up."""
    for length in _WARM_LENGTHS:
        yield 1, length
    rows = 2
    while signature.compiled and rows <= bucket(max_batch, 1):
        yield rows, _WARM_LENGTHS[0]
        rows *= 2


def make_batcher(limits: Limits, seen: Callable[[int], None]) -> Batcher:
    """The batcher of a model."""
    how = limits.max_batch, limits.max_waiting, limits.batch_delay / 1000
    return Batcher(*how, seen)


def load_export(
    name: str,
    version: int,
    path: str | Path,
    limits: Limits,
    seen: Callable[[int], None] = lambda rows: None,
) -> Model:
    """The model of a SavedModel.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    root = tf.saved_model.load(str(path))
    definitions = _definitions(path)
    signatures = {
        key: _exported(key, function, definitions[key])
        for key, function in root.signatures.items()
        if not key.startswith(_OWN)
    }
    if not signatures:
        raise ValueError(f"{path} has no signatures")
    described = _described(path)
    own = (described.get("options") or {}).get("generation") or {}
    batcher = make_batcher(limits, seen)
    parts = signatures, limits, batcher, None, None, own
    model = Model(name, version, str(path), *parts, root=root)
    if context := (described.get("model") or {}).get("max_length"):
        model.engine = _engine_of(model, context)
    return model


def _engine_of(model: Model, context: int) -> GenerationEngine | None:
    """What writes the texts of an export; None of one that writes none."""
    known, limits = model.root.signatures, model.limits
    if "slots_open" in known:
        from massivetext_keras.serving.models.stepping import NAMES, StepEngine

        if missing := [name for name in NAMES if name not in known]:
            why = f"it has slots_open, but no {', '.join(missing)}: export it again"
            raise ValueError(f"{model.path}: {why}")
        return StepEngine(known, context, limits.slots, limits.max_waiting)
    if completing.COMPLETE in known and completing.COUNT in known:
        return completing.CompleteEngine(model, context)
    return None


def _definitions(path: str | Path) -> Mapping[str, Any]:
    """The signatures of a SavedModel by name, as they are written."""
    written = saved_model_pb2.SavedModel()
    written.ParseFromString(Path(path, GRAPH).read_bytes())
    return written.meta_graphs[0].signature_def


def _described(path: str | Path) -> dict[str, Any]:
    """What an export of ours says of itself; nothing of another one."""
    file = Path(path, "config.json")
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _exported(name: str, function: Any, written: Any) -> Signature:
    inputs = {
        key: _spec(
            spec,
            tf.make_ndarray(written.defaults[key]) if key in written.defaults else None,
            written.inputs[key].name,
        )
        for key, spec in sorted(function.structured_input_signature[1].items())
    }
    outputs = {
        key: _spec(spec, None, written.outputs[key].name)
        for key, spec in sorted(function.structured_outputs.items())
    }
    return Signature(name, inputs, outputs, function, _has_xla(function))


def load_preset(
    name: str,
    preset: str,
    limits: Limits,
    make_engine: Callable[[Any, Limits], GenerationEngine | None],
    seen: Callable[[int], None] = lambda rows: None,
) -> Model:
    """The model of a preset: its task's signatures, and what writes its texts.

    Args:
        name: what clients call it.
        preset: what `from_preset` takes.
        limits: of the server.
        make_engine: of a task, gives what writes texts, in place of the signatures
            that do; None of one that writes none.
        seen: told the rows of each batch.
    """
    from massivetext_keras import tasks

    task = tasks.task_class(preset).from_preset(preset)
    task.need_tokenizer()
    batcher, engine = make_batcher(limits, seen), make_engine(task, limits)
    signatures = {
        key: _traced(key, function)
        for key, function in task.signatures(xla=False).items()
        if not key.endswith("_compiled") and not (engine and _writes(key, function))
    }
    own = getattr(task, "generation", None) or {}
    return Model(name, 1, preset, signatures, limits, batcher, task, engine, own)


def _writes(name: str, function: Any) -> bool:
    """Whether a signature of a task writes texts, which an engine does better."""
    taken = inspect.signature(function.python_function).parameters
    return name == DEFAULT or "max_new_tokens" in taken


def _traced(name: str, function: Any) -> Signature:
    graph = function.get_concrete_function()
    parameters = inspect.signature(function.python_function).parameters
    inputs = {}
    for spec in graph.structured_input_signature[0]:
        default = parameters[spec.name].default
        known = default is not inspect.Parameter.empty
        inputs[spec.name] = _spec(spec, default.numpy() if known else None, spec.name)
    outputs = {k: _spec(x, None, k) for k, x in graph.structured_outputs.items()}
    return Signature(name, inputs, outputs, function, _has_xla(graph))


def _spec(spec: Any, default: Any, tensor: str) -> Spec:
    dtype = np.dtype(object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
    known = spec.shape.rank is not None
    shape = tuple(spec.shape.as_list()) if known else (None,)
    return Spec(dtype, shape, None if default is None else np.asarray(default), tensor)


def _has_xla(function: Any) -> bool:
    """Whether a program of XLA is in a graph."""
    library = function.graph.as_graph_def().library.function
    return any(part.attr["_XlaMustCompile"].b for part in library)


def _raw(value: np.ndarray) -> Any:
    """What tells an array from others of its shape."""
    return tuple(value.reshape(-1)) if value.dtype.kind == "O" else value.tobytes()


def _rows(column: np.ndarray) -> list:
    """What tells each row of a column from others."""
    return [_raw(row) if isinstance(row, np.ndarray) else row for row in column]


def _longest(columns: Any) -> int:
    """Bytes of the longest text of a row."""
    texts = [column for column in columns if column.dtype.kind == "O" and column.size]
    return max((max(map(len, text.reshape(-1))) for text in texts), default=0)


def signatures_of(path: str | Path) -> dict[str, list[str]]:
    """The signatures of an export, with the names of their inputs, without loading it.

    Raises:
        OSError: there is no export.
    """
    if found := _described(path).get("signatures"):
        return {name: list(how["inputs"]) for name, how in found.items()}
    found = _definitions(path)
    return {k: sorted(x.inputs) for k, x in found.items() if not k.startswith("__")}
