"""TensorFlow Serving's gRPC interface, beside its REST interface."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from massivetext_keras.serving.gate import Keys, logger
from massivetext_keras.serving.models.model import DEFAULT, Model
from massivetext_keras.serving.models.tensors import Spec, info
from massivetext_keras.serving.predicting import ask_judged
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.service import Service

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


def make_remote(
    service: Service,
    keys: Keys,
    address: str,
    certificate: str | None = None,
    private_key: str | None = None,
    heard: Callable[[int], None] = lambda port: None,
) -> grpc.aio.Server:
    """A gRPC server that has yet to start; to be made in its own loop.

    Args:
        service: what answers.
        keys: that may ask, in the metadata `authorization`.
        address: host:port.
        certificate, private_key: files for TLS.
        heard: told the port.

    Raises:
        OSError: the address is taken.
    """
    limits = service.limits
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limits.max_body),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=limits.max_requests,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Predictions(service, keys), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _States(service, keys), server
    )
    try:
        if certificate and private_key:
            pair = (Path(private_key).read_bytes(), Path(certificate).read_bytes())
            secret = grpc.ssl_server_credentials([pair])
            port = server.add_secure_port(address, secret)
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"{address}: {error}") from None
    heard(port)
    return server


class _Answering:
    """Answers calls, and turns what is refused into gRPC's statuses."""

    def __init__(self, service: Service, keys: Keys):
        self.service, self.keys = service, keys

    async def answer(
        self, name: str, context: Any, handler: Callable[[], Awaitable[Any]]
    ) -> Any:
        began, status = time.monotonic(), "OK"
        try:
            given = dict(context.invocation_metadata() or ())
            if self.keys and not self.keys.holds(str(given.get("authorization", ""))):
                raise Refusal(401, "an API key is wanted: authorization: Bearer KEY")
            return await handler()
        except Refusal as refusal:
            code = _CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
            status, message = code.name, refusal.message
        except Exception:
            logger.exception("%s failed", name)
            code, message = grpc.StatusCode.INTERNAL, "the server failed"
            status = code.name
        finally:
            measuring = self.service.measuring
            measuring.requests.labels(name, status).inc()
            measuring.seconds.labels(name).observe(time.monotonic() - began)
        await context.abort(code, message)

    def lease(self, spec: Any) -> Any:
        """The model that a `ModelSpec` names, to be used by `with`."""
        version = spec.version.value if spec.HasField("version") else None
        return self.service.models.lease(spec.name, version)


class _Predictions(_Answering, prediction_service_pb2_grpc.PredictionServiceServicer):
    async def Predict(self, request: Any, context: Any) -> Any:
        return await self.answer(
            "grpc Predict", context, lambda: self._predict(request)
        )

    async def _predict(self, request: Any) -> Any:
        name = request.model_spec.signature_name or DEFAULT
        with self.lease(request.model_spec) as model:
            inputs = self._inputs(model.signature(name).inputs, request.inputs)
            found = await ask_judged(self.service, model, name, inputs)
            answer = predict_pb2.PredictResponse()
            _name(answer.model_spec, model, name)
        wanted = set(request.output_filter) or set(found)
        if unknown := wanted - set(found):
            raise Refusal(400, f"output_filter: unknown {min(unknown)!r}")
        for key in wanted:
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(found[key]))
        return answer

    def _inputs(self, specs: Any, given: Any) -> dict[str, np.ndarray]:
        if unknown := [key for key in given if key not in specs]:
            known = ", ".join(specs)
            raise Refusal(400, f"inputs: unknown {unknown[0]!r}: known: {known}")
        found = {}
        for key, spec in specs.items():
            if key in given:
                found[key] = _array(key, given[key], spec, self.service.limits.max_body)
            elif spec.default is not None:
                found[key] = spec.default
            else:
                raise Refusal(400, f"inputs: {key} is missing", key)
        return found

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:
        return await self.answer(
            "grpc GetModelMetadata", context, lambda: self._metadata(request)
        )

    async def _metadata(self, request: Any) -> Any:
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        defined = get_model_metadata_pb2.SignatureDefMap()
        with self.lease(request.model_spec) as model:
            _name(answer.model_spec, model)
            for name, signature in model.signatures.items():
                into = defined.signature_def[name]
                into.method_name = "tensorflow/serving/predict"
                for key, spec in signature.inputs.items():
                    _describe(into.inputs[key], spec)
                for key, spec in signature.outputs.items():
                    _describe(into.outputs[key], spec)
        answer.metadata["signature_def"].Pack(defined)
        return answer


class _States(_Answering, model_service_pb2_grpc.ModelServiceServicer):
    async def GetModelStatus(self, request: Any, context: Any) -> Any:
        return await self.answer(
            "grpc GetModelStatus", context, lambda: self._state(request)
        )

    async def _state(self, request: Any) -> Any:
        with self.lease(request.model_spec) as model:
            answer = get_model_status_pb2.GetModelStatusResponse()
            answer.model_version_status.add(
                version=model.version,
                state=get_model_status_pb2.ModelVersionStatus.AVAILABLE,
            )
        return answer


def _name(into: Any, model: Model, signature: str = "") -> None:
    into.name, into.signature_name = model.name, signature
    into.version.value = model.version


def _describe(into: Any, spec: Spec) -> None:
    kind, shape, into.name = *info(spec), spec.tensor
    into.dtype = kind.as_datatype_enum
    for size in shape:
        into.tensor_shape.dim.add(size=size)


def _array(name: str, proto: Any, spec: Spec, most: int) -> np.ndarray:
    """An input as an array. Its size is looked at first: a shape says in few bytes that
    one number stands for many."""
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape) or math.prod(shape) > most:
        raise Refusal(413, f"{name} has shape {shape}, at most {most:,} values", name)
    fits = len(shape) == len(spec.shape) and all(
        wanted in (None, size) for size, wanted in zip(shape, spec.shape, strict=True)
    )
    if not fits or proto.dtype != info(spec)[0].as_datatype_enum:
        kind, wanted = info(spec)
        raise Refusal(400, f"{name} must be {kind.name} of shape {wanted}", name)
    try:
        return np.asarray(tf.make_ndarray(proto)).reshape(shape)
    except (TypeError, ValueError) as error:
        raise Refusal(400, f"{name}: {error}", name) from None
