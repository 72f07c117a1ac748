"""TensorFlow Serving's gRPC interface, asked by its own stubs."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from massivetext_keras.serving.gate import Keys
from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.moderation.moderator import Moderator
from massivetext_keras.serving.remote import make_remote
from massivetext_keras.serving.service import make_service
from tests.serving.running import running

KEY = (("authorization", "Bearer k"),)


@pytest.fixture(scope="module")
def channel(exports):
    places = [Place("half", exports["half"]), Place("tag", exports["tag"])]
    limits = Limits(max_rows=4, max_body=100_000)
    service, keys, ports = (
        make_service(places, limits, Moderator(["bad"])),
        Keys(["k"]),
        [],
    )
    service.models.load()

    def remote():
        return make_remote(service, keys, "127.0.0.1:0", heard=ports.append)

    with running(service, keys, remote=remote):  # noqa: SIM117
        with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as found:
            yield found


def request(name="half", signature="", version=None, **inputs):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name, asked.model_spec.signature_name = name, signature
    if version is not None:
        asked.model_spec.version.value = version
    for key, value in inputs.items():
        asked.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return asked


def predict(channel, asked, metadata=KEY):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return stub.Predict(asked, metadata=metadata, timeout=30)


def test_predict(channel):
    answer = predict(channel, request(x=np.array([1.0, 2.0, 5.0], np.float32)))
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [3.5, 4.0, 5.5]
    assert answer.model_spec.version.value == 123
    asked = request("tag", "tag", text=["an apple"])
    asked.output_filter.append("labels")
    answer = predict(channel, asked)
    assert list(answer.outputs) == ["labels"]
    found = tf.make_ndarray(answer.outputs["labels"]).tolist()
    assert found == [[b"SHORT", b"LONG"]]


def test_state_and_metadata(channel):
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "half"
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    (state,) = stub.GetModelStatus(asked, metadata=KEY, timeout=30).model_version_status
    assert (state.version, state.state) == (123, 30)  # AVAILABLE
    asked = get_model_metadata_pb2.GetModelMetadataRequest()
    asked.model_spec.name = "half"
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    found = stub.GetModelMetadata(asked, metadata=KEY, timeout=30)
    defined = get_model_metadata_pb2.SignatureDefMap()
    found.metadata["signature_def"].Unpack(defined)
    x = defined.signature_def["serving_default"].inputs["x"]
    assert (x.dtype, x.name) == (tf.float32.as_datatype_enum, "serving_default_x:0")
    assert [dim.size for dim in x.tensor_shape.dim] == [-1]


def bomb():
    asked = request()
    asked.inputs["x"].dtype = tf.float32.as_datatype_enum
    asked.inputs["x"].tensor_shape.dim.add(size=10**12)
    asked.inputs["x"].float_val.append(1.0)
    return asked


ONE = np.array([1.0], np.float32)
COUNTS = {"times": np.int32(-1), "max_new_tokens": np.int32(1)}


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (request("hal", x=ONE), "NOT_FOUND", "did you mean half"),
        (request(version=4, x=ONE), "NOT_FOUND", "Specific(half, 4)"),
        (request(signature="rep", x=ONE), "INVALID_ARGUMENT", "signature name"),
        (request(), "INVALID_ARGUMENT", "x is missing"),
        (request(z=ONE), "INVALID_ARGUMENT", "unknown 'z'"),
        (request(x=["a"]), "INVALID_ARGUMENT", "x must be float32"),
        (request(x=[[1.0]]), "INVALID_ARGUMENT", "of shape [-1]"),
        (request(x=np.ones(5, np.float32)), "RESOURCE_EXHAUSTED", "5 rows"),
        (bomb(), "RESOURCE_EXHAUSTED", "1000000000000"),
        (request(x=np.ones(30_000, np.float32)), "RESOURCE_EXHAUSTED", ""),
        (request("tag", text=["a bad word"]), "INVALID_ARGUMENT", "banned phrase"),
        (
            request(signature="repeat", text=["a"], **COUNTS),
            "INVALID_ARGUMENT",
            "times",
        ),
    ],
)
def test_what_is_refused(channel, asked, code, words):
    with pytest.raises(grpc.RpcError) as refused:
        predict(channel, asked)
    assert refused.value.code().name == code and words in refused.value.details()


def test_a_key_is_wanted(channel):
    for metadata in ((), (("authorization", "Bearer no"),)):
        with pytest.raises(grpc.RpcError) as refused:
            predict(channel, request(x=ONE), metadata)
        assert refused.value.code().name == "UNAUTHENTICATED"
