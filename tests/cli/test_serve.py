"""`massivetext serve`, as a process of its own."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import tensorflow as tf

from tests.serving import exports
from tests.serving.test_stepping import Counting

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of an export."""
    folder = tmp_path_factory.mktemp("served") / "half"
    exports.write(folder / "3", exports.half_plus_three, tag=exports.tag)
    return folder


def start(*flags):
    command = [sys.executable, "-m", "massivetext_keras", "serve", *flags, "--port=0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    assert re.fullmatch(r"https?://127\.0\.0\.1:\d+", url), process.communicate()
    return process, url


def ask(url, body, context=None):
    data = json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=60, context=context) as answer:
        return json.load(answer)


def test_dry_run(good, model):
    told = good("serve", f"--model={model}", "--max_seconds=7", "--dry_run")
    assert f"half: version 3, {model}/3: serving_default, tag" in told
    assert re.search(r"POST /v1/models/\{name\}:predict +answers", told)
    assert "POST /v1/chat/completions" in told and "max_seconds=7.0" in told


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "--model or --preset is required"),
        (["--model=x", "--max_requests=0"], "max_requests"),
        (["--model=x", "--prot=3"], "did you mean 'port'"),
    ],
)
def test_wrong_usage(bad, flags, line):
    code, told = bad("serve", *flags)
    assert code == 2 and line in told


def test_what_is_not_there_is_failed_work(bad, tmp_path):
    code, told = bad("serve", f"--model={tmp_path}", "--dry_run")
    assert code == 1 and "massivetext export" in told


@pytest.mark.slow
def test_sigterm_drains_and_ends_with_0(model):
    process, url = start(f"--model=m={model}")
    try:
        found = ask(f"{url}/v1/models/m:predict", {"instances": [1.0]})
        assert found == {"predictions": [3.5]}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    lines = [json.loads(line) for line in err.split("\n") if line.startswith("{")]
    assert [(x["path"], x["status"]) for x in lines] == [("/v1/models/m:predict", 200)]


@pytest.mark.slow
def test_a_model_that_cannot_be_warmed_up_ends_it_with_1(tmp_path):
    module, path = Counting(), tmp_path / "counter"

    @exports.graph(steps=tf.TensorSpec([], tf.int32))
    def slots_step(steps):
        with tf.control_dependencies([tf.debugging.assert_less(steps, 0, "no steps")]):
            return {"done": tf.identity(steps)}

    signatures = {**module.signatures(), "slots_step": slots_step}
    default = {"serving_default": exports.half_plus_three}
    tf.saved_model.save(module, str(path), {**signatures, **default})
    (path / "config.json").write_text(json.dumps({"model": {"max_length": 50}}))
    process, _ = start(f"--model={path}")
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1, err
    assert "massivetext: counter cannot be warmed up: RuntimeError" in err
    assert "no steps" in err


@pytest.mark.slow
def test_over_tls(model, tmp_path):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days=2"]
        + ["-subj=/CN=localhost", f"-keyout={tmp_path}/key", f"-out={tmp_path}/cert"]
        + ["-addext", "subjectAltName=IP:127.0.0.1"],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("needs openssl")
    flags = f"--ssl_certfile={tmp_path}/cert", f"--ssl_keyfile={tmp_path}/key"
    process, url = start(f"--model=m={model}", *flags)
    try:
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=f"{tmp_path}/cert")
        body = {"instances": [1.0]}
        assert ask(f"{url}/v1/models/m:predict", body, context) == {
            "predictions": [3.5]
        }
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        process.kill()
    assert process.returncode == 0
