"""TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import math

import pytest


def predict(client, model, **body):
    path = f"/v1/models/{model}:predict"
    answer = client.post(path, content=json.dumps(body))
    return answer.status_code, answer.json()


def test_servings_own_example(client):
    # https://www.tensorflow.org/tfx/serving/api_rest
    assert predict(client, "half", instances=[1.0, 2.0, 5.0]) == (
        200,
        {"predictions": [3.5, 4.0, 5.5]},
    )
    found = client.get("/v1/models/half").json()
    assert found["model_version_status"] == [
        {
            "version": "123",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
    asked = client.post("/v1/models/hal:predict", json={"instances": [1.0]})
    assert asked.status_code == 404
    assert asked.json()["error"].startswith(
        "Servable not found for request: Latest(hal)"
    )


def test_rows_and_columns(client):
    rows = [
        {"labels": "good", "scores": [0.0, 1.0], "classes": ["bad", "good"]},
        {"labels": "bad", "scores": [1.0, 0.0], "classes": ["bad", "good"]},
    ]
    texts = ["a good one", "no"]
    named = [{"text": text} for text in texts]
    for instances in (texts, named):
        assert predict(client, "classify", instances=instances) == (
            200,
            {"predictions": rows},
        )
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    for inputs in (texts, {"text": texts}):
        assert predict(client, "classify", inputs=inputs) == (200, {"outputs": columns})


def test_versions_and_signatures(client):
    path = "/v1/models/half/versions/123:predict"
    body = {
        "signature_name": "repeat",
        "inputs": {"text": ["ab"], "times": 2, "max_new_tokens": 5},
    }
    found = client.post(path, json=body).json()
    b64 = {"b64": base64.b64encode(b"abab").decode()}
    assert found == {"outputs": {"text": ["abab"], "raw_bytes": [b64]}}
    body["inputs"]["text"] = [{"b64": base64.b64encode(b"\xff").decode()}]
    found = client.post(path, json=body).json()
    assert base64.b64decode(found["outputs"]["raw_bytes"][0]["b64"]) == b"\xff\xff"
    wrong = client.post("/v1/models/half/versions/4:predict", json=body)
    assert wrong.status_code == 404 and "Specific(half, 4)" in wrong.json()["error"]


def test_metadata(client):
    found = client.get("/v1/models/half/metadata").json()
    assert found["model_spec"] == {
        "name": "half",
        "signature_name": "",
        "version": "123",
    }
    defined = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert defined["method_name"] == "tensorflow/serving/predict"
    assert defined["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_x:0",
    }


def test_what_changes_an_export_is_not_for_clients(client):
    assert client.get("/v1/models/half").json()["signatures"] == [
        "repeat",
        "serving_default",
    ]
    how = {"signature_name": "slots_open", "inputs": 3}
    status, answer = predict(client, "half", **how)
    assert status == 400 and '"slots_open" not found' in answer["error"]


def test_numbers_that_json_does_not_have(client):
    body = b'{"instances": [NaN, Infinity, 1e-3]}'
    found = client.post("/v1/models/half:predict", content=body)
    nan, infinity, small = found.json()["predictions"]
    assert math.isnan(nan) and infinity == math.inf and small == pytest.approx(3.0005)


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        ("classify", {}, "instances or inputs"),
        ("classify", {"instances": ["a"], "inputs": ["a"]}, "not both"),
        ("classify", {"instances": []}, "instances must be a list"),
        ("classify", {"instances": "a"}, "instances must be a list"),
        ("classify", {"instances": [1]}, "text must be strings, got 1"),
        ("classify", {"instances": [["a"], "b"]}, "text must be strings"),
        ("classify", {"instances": [{"text": "a"}, "b"]}, "instances[1]"),
        ("classify", {"instances": [{"tekst": "a"}]}, "unknown 'tekst'"),
        ("classify", {"instances": [{"b64": "*"}]}, "b64"),
        ("classify", {"instances": ["a"], "signature_name": "tag"}, "signature name"),
        ("classify", {"instances": ["a"], "signature_name": 3}, "signature_name"),
        ("classify", {"instances": ["a"], "signature": "x"}, "unknown field"),
        ("classify", {"instances": ["\ud800"]}, "surrogate"),
        ("half", {"instances": ["a"]}, "x must be numbers"),
        ("half", {"instances": [True]}, "x must be numbers, got true"),
        ("half", {"instances": [[1.0]]}, "x must be numbers"),
        ("answer", {"instances": ["a"]}, "context, question"),
        ("answer", {"inputs": {"question": ["a"]}}, "context is missing"),
        (
            "answer",
            {"inputs": {"question": ["a", "b"], "context": ["a"]}},
            "different numbers of rows",
        ),
        (
            "half",
            {
                "signature_name": "repeat",
                "instances": [{"text": "a", "times": 2, "max_new_tokens": 1}],
            },
            "use inputs",
        ),
        (
            "half",
            {
                "signature_name": "repeat",
                "inputs": {"text": ["a"], "times": 2**31, "max_new_tokens": 1},
            },
            "times",
        ),
        (
            "half",
            {
                "signature_name": "repeat",
                "inputs": {"text": ["a"], "times": -1, "max_new_tokens": 1},
            },
            "times",
        ),
    ],
)
def test_bad_requests_name_the_field(client, model, body, words):
    status, answer = predict(client, model, **body)
    assert (status, list(answer)) == (400, ["error"])
    assert words in answer["error"] and "\n" not in answer["error"]


def test_limits_of_rows_and_tokens(client):
    status, answer = predict(client, "classify", instances=["a"] * 17)
    assert status == 413 and "17 rows" in answer["error"]
    inputs = {"text": ["a"], "times": 1, "max_new_tokens": 501}
    status, answer = predict(client, "half", signature_name="repeat", inputs=inputs)
    assert status == 422 and "max_new_tokens may be at most 500" in answer["error"]


def test_an_answer_does_not_depend_on_who_shares_the_batch(client):
    texts = [" ".join(["word", "an"] * (i % 4 + 1)) for i in range(64)]
    alone = {text: predict(client, "tag", inputs=[text])[1] for text in set(texts)}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda x: predict(client, "tag", inputs=[x])[1], texts))
    assert found == [alone[text] for text in texts]
    assert alone["word an"]["outputs"]["labels"] == [["LONG", "SHORT"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/classify:predict", 404),
        ("POST", "/v1/models/classify", 405),
        ("POST", "/v1/models/classify:classify", 405),
        ("GET", "/v1/models/classify/versions/" + "9" * 5000, 404),
        ("GET", "/v1/models/classify/versions/one", 404),
        ("GET", "/v1/models/classify/labels/stable", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/models", 405),
    ],
)
def test_wrong_addresses(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status and "error" in answer.json()
