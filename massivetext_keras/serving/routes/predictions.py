"""TensorFlow Serving's REST interface: the state of models, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from starlette.requests import Request
from starlette.responses import Response

from massivetext_keras.serving.fields import read_object
from massivetext_keras.serving.models import DEFAULT, Model
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import QueueFull
from massivetext_keras.serving.routes.answers import as_json, model_object
from massivetext_keras.serving.service import Service
from massivetext_keras.serving.tensors import Spec, answered, given_inputs

_FIELDS = ("signature_name", "instances", "inputs")


async def state(service: Service, request: Request) -> Response:
    """GET /v1/models/NAME[/versions/N]. OpenAI has the same address: its fields stand
    beside those of Serving."""
    model = service.models.find(*_asked(request))
    status = {"error_code": "OK", "error_message": ""}
    version = {"version": str(model.version), "state": "AVAILABLE", "status": status}
    return as_json({"model_version_status": [version], **model_object(model)})


async def metadata(service: Service, request: Request) -> Response:
    """GET /v1/models/NAME[/versions/N]/metadata."""
    model = service.models.find(*_asked(request))
    described = {
        name: {
            "inputs": {k: _info(spec) for k, spec in signature.inputs.items()},
            "outputs": {k: _info(spec) for k, spec in signature.outputs.items()},
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        for name, signature in model.signatures.items()
    }
    about = {
        "name": model.name,
        "signature_name": "",
        "version": str(model.version),
    }
    known = {"signature_def": {"signature_def": described}}
    return as_json({"model_spec": about, "metadata": known})


async def predict(service: Service, request: Request) -> Response:
    """POST /v1/models/NAME[/versions/N]:predict."""
    body = read_object(await request.body())
    name = body.get("signature_name") or DEFAULT
    if not isinstance(name, str):
        raise Refusal(400, "signature_name must be a string", "signature_name")
    if unknown := [field for field in body if field not in _FIELDS]:
        known = ", ".join(_FIELDS)
        raise Refusal(400, f"unknown field {unknown[0][:60]!r}: known: {known}")
    with service.models.lease(*_asked(request)) as model:
        signature = model.signature(name)
        inputs, by_rows = given_inputs(body, signature.inputs)
        if not service.moderator.is_idle:
            await service.moderator.check(_texts(inputs), "inputs")
        outputs = await ask(model, name, inputs)
        if not service.moderator.is_idle:
            await service.moderator.check(_texts(outputs), "outputs")
    rows = max((len(v) for v in inputs.values() if v.ndim), default=1)
    return as_json(answered(outputs, by_rows, rows))


async def ask(
    model: Model, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The answer of a signature.

    Raises:
        Refusal: it does not take these inputs, or too many rows wait.
    """
    try:
        return await asyncio.wrap_future(model.ask(signature, inputs))
    except QueueFull as error:
        raise Refusal(429, f"the queue is full: {error}", code="queue_full") from None
    except tf.errors.InvalidArgumentError as error:
        raise Refusal(400, _said(error.message), "inputs") from None


def _asked(request: Request) -> tuple[str, int | None]:
    """The name and the version in an address."""
    name, version = (request.path_params.get(key) for key in ("name", "version"))
    if version is None:
        return name, None
    if not (version.isascii() and version.isdigit() and len(version) < 19):
        raise Refusal(404, f"version must be a number, got {version[:40]!r}", "version")
    return name, int(version)


def _texts(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """All strings of some arrays."""
    return [
        text.decode(errors="replace")
        for array in arrays.values()
        if array.dtype.kind == "O"
        for text in array.reshape(-1).tolist()
        if text
    ]


def _info(spec: Spec) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in spec.shape]
    shape = {
        "dim": [{"size": str(size), "name": ""} for size in sizes],
        "unknown_rank": False,
    }
    kind = tf.string if spec.dtype.kind == "O" else tf.as_dtype(spec.dtype)
    enum = f"DT_{kind.name.upper().replace('FLOAT32', 'FLOAT')}"
    enum = enum.replace("FLOAT64", "DOUBLE")
    return {"dtype": enum, "tensor_shape": shape, "name": spec.tensor}


def _said(message: str) -> str:
    """What an error of a graph says, without where in the graph.

    >>> _said(
    ...     "Graph execution error:\n\nDetected at node a\nit is 3\n\t [[{{node a}}]]"
    ... )
    'it is 3'
    """
    about = ("Graph execution error", "Detected at", "Stack trace", " ", "\t")
    lines = [line for line in message.splitlines() if line.strip()]
    found = [line for line in lines if not line.startswith(about)] or lines
    return found[-1][:300]
