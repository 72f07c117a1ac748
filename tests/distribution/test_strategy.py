from __future__ import annotations

import json
import math

import pytest
import tensorflow as tf

from massivetext_keras.distribution import strategy
from massivetext_keras.training import describe, make_strategy
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batches


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("TF_CONFIG", "TPU_NAME", "COLAB_TPU_ADDR"):
        monkeypatch.delenv(name, raising=False)


def cluster(workers: int) -> str:
    addresses = [f"host{i}:2222" for i in range(workers)]
    task = {"type": "worker", "index": 0}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def test_none_is_no_strategy_and_fit_works_in_its_scope():
    plain = make_strategy("none")
    with plain.scope():
        assert not tf.distribute.has_strategy()
        model = TinyLM()
        model.compile("sgd")
    history = model.fit(batches(0, 2), verbose=0).history
    assert history["loss"][0] == pytest.approx(math.log(TINY.vocabulary_size), abs=0.1)


def test_mirrored_takes_the_cpus_where_there_is_no_gpu():
    mirrored = make_strategy("mirrored")
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices()
    assert mirrored.num_replicas_in_sync == len(devices)
    if not tf.config.list_logical_devices("GPU"):
        assert describe(mirrored) == "1 replica: CPU:0"


@pytest.mark.parametrize(
    ("environment", "gpus", "expected"),
    [
        ({}, 0, "none"),
        ({}, 1, "none"),
        ({}, 2, "mirrored"),
        ({"TPU_NAME": "local"}, 0, "tpu"),
        ({"TF_CONFIG": cluster(2)}, 0, "multi_worker"),
        ({"TF_CONFIG": cluster(2)}, 2, "multi_worker"),
        ({"TF_CONFIG": cluster(1)}, 2, "mirrored"),
    ],
)
def test_auto(monkeypatch, environment, gpus, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["x"] * gpus)
    chosen = []
    for function in ("_mirrored", "_multi_worker", "_tpu"):
        monkeypatch.setattr(strategy, function, lambda *_, f=function: chosen.append(f))
    plain = tf.distribute.get_strategy()
    made = make_strategy("auto")
    assert (chosen or ["_none"]) == [f"_{expected}"]
    assert (made is plain) == (expected == "none")


def test_devices_choose_mirrored():
    assert describe(make_strategy("auto", ["CPU:0"])) == "1 replica: CPU:0"
    with pytest.raises(ValueError, match="not 'none'"):
        make_strategy("none", ["CPU:0"])


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        "{}",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "wroker", "index": 0}}',
    ],
)
def test_bad_tf_config_is_one_clear_line(monkeypatch, text):
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG") as error:
        make_strategy("multi_worker")
    assert "\n" not in str(error.value)
    assert '"worker": ["host:port"' in str(error.value)


def test_what_cannot_be_had_says_why():
    with pytest.raises(ValueError, match="finds no TPU: TPU_NAME is not set"):
        make_strategy("tpu")
    with pytest.raises(ValueError, match="'parameter_server' is refused: `fit`"):
        make_strategy("parameter_server")
    with pytest.raises(ValueError, match="did you mean 'multi_worker'"):
        make_strategy("multiworker")
