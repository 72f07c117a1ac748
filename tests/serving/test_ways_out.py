"""A banned phrase leaves the server by no way: it was kept from being written."""

from __future__ import annotations

import grpc
import openai
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.models.registry import Place
from massivetext_keras.serving.remote import make_remote
from massivetext_keras.serving.service import make_service
from tests.serving.exports import write_texts
from tests.serving.running import running
from tests.tasks.language_model.ways import BANNED, TALK, banned_in, eager_lm

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_loop")]

NEW = 16
SIGNATURES = ("serving_default", "generate", "complete", "complete_chat", "count")


@pytest.fixture(scope="module", params=[False, True], ids=["free", "banned"])
def server(request, tmp_path_factory):
    """A preset, an export and one with slots; the address of gRPC besides."""
    lm = eager_lm(BANNED if request.param else (), max_length=96)
    folder, ports = tmp_path_factory.mktemp("ways"), []
    lm.save_preset(folder / "preset")
    write_texts(lm, folder / "whole", *SIGNATURES)
    write_texts(lm, folder / "slots", "count", streaming=True)
    places = [Place(x, str(folder / x)) for x in ("whole", "slots")]
    places.append(Place("preset", str(folder / "preset"), is_preset=True))
    service = make_service(places, Limits(slots=3, max_rows=16))
    service.models.load()

    def remote():
        return make_remote(service, None, "127.0.0.1:0", heard=ports.append)

    with running(service, remote=remote) as found:
        found.banned, found.remote = request.param, f"127.0.0.1:{ports[0]}"
        yield found


def written(server) -> dict[str, list[str]]:
    """What each way gives."""
    how, found = {"max_tokens": NEW, "temperature": 1.0, "seed": 3}, {}
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="-") as client:
        texts, chats = client.completions, client.chat.completions
        for name in ("preset", "whole", "slots"):
            asked = {"model": name, **how}
            some = texts.create(prompt=["x", "xc"], n=2, **asked)
            found[f"{name}: completions"] = [x.text for x in some.choices]
            parts = texts.create(prompt="x", stream=True, **asked)
            whole = "".join(x.choices[0].text for x in parts if x.choices)
            found[f"{name}: completions, streamed"] = [whole]
            some = chats.create(messages=TALK, n=2, **asked)
            found[f"{name}: chat"] = [x.message.content for x in some.choices]
            parts = chats.create(messages=TALK, stream=True, **asked)
            deltas = (x.choices[0].delta.content for x in parts if x.choices)
            found[f"{name}: chat, streamed"] = ["".join(x or "" for x in deltas)]
    inputs = {"prompt": ["x", "xc"], "max_new_tokens": NEW}
    body = {"signature_name": "generate", "inputs": inputs}
    answer = server.client.post("/v1/models/whole:predict", json=body).json()
    found["REST"] = [x.removeprefix("x") for x in answer["outputs"]]
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name, asked.model_spec.signature_name = "whole", "complete"
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value)
        asked.inputs[name].CopyFrom(tensor)
    with grpc.insecure_channel(server.remote) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(asked, timeout=60).outputs
    texts = tf.make_ndarray(outputs["text"])
    found["gRPC"] = [x.decode() for x in texts]
    return found


def test_by_the_server(server):
    found = written(server)
    assert len(found) == 14
    for name, texts in found.items():
        assert all(len(text) > 4 for text in texts), (name, texts)
        had = [phrase for text in texts for phrase in banned_in(text)]
        assert bool(had) is not server.banned, (name, texts)
