"""TensorFlow Serving's REST interface: the state of models, and their answers."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from tensorflow.core.framework import types_pb2

from massivetext_keras.serving.fields import read_object
from massivetext_keras.serving.models.model import DEFAULT
from massivetext_keras.serving.models.tensors import Spec, answered, given_inputs, info
from massivetext_keras.serving.predicting import ask_judged
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.routes.answers import as_json, model_object
from massivetext_keras.serving.service import Service

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
        outputs = await ask_judged(service, model, name, inputs)
    rows = max((len(v) for v in inputs.values() if v.ndim), default=1)
    return as_json(answered(outputs, by_rows, rows))


def _asked(request: Request) -> tuple[str, int | None]:
    """The name and the version in an address."""
    name, version = (request.path_params.get(key) for key in ("name", "version"))
    if version is None:
        return name, None
    if not (version.isascii() and version.isdigit() and len(version) < 19):
        raise Refusal(404, f"version must be a number, got {version[:40]!r}", "version")
    return name, int(version)


def _info(spec: Spec) -> dict[str, Any]:
    kind, sizes = info(spec)
    shape = {
        "dim": [{"size": str(size), "name": ""} for size in sizes],
        "unknown_rank": False,
    }
    name = types_pb2.DataType.Name(kind.as_datatype_enum)
    return {"dtype": name, "tensor_shape": shape, "name": spec.tensor}
