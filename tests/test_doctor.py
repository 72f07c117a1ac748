"""The report tells what is installed and what this machine would refuse."""

from __future__ import annotations

import importlib.util
import platform
from importlib import metadata

import pytest

from massivetext_keras import doctor, training


@pytest.fixture
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "TPU_NAME", "COLAB_TPU_ADDR"):
        monkeypatch.delenv(name, raising=False)


def test_report_tells_versions_devices_and_strategies(no_cluster):
    lines = list(doctor.report())
    assert lines[0] == f"python {platform.python_version()} on {platform.platform()}"
    for name in ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "tensorboard"):
        assert f"{name} {metadata.version(name)}" in lines
    assert "device /physical_device:CPU:0" in lines
    strategies = [line for line in lines if line.startswith("strategy ")]
    names = [line.split(":")[0] for line in strategies]
    assert names == [
        "strategy auto",
        "strategy mirrored",
        "strategy multi_worker",
        "strategy tpu",
        "strategy parameter_server",
    ]
    assert strategies[1].startswith("strategy mirrored: 1 replica: ")
    for line, reason in zip(
        strategies[2:],
        ("needs TF_CONFIG", "TPU_NAME is not set", "is refused"),
        strict=True,
    ):
        assert ": would not work: " in line and reason in line
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("has, policy", [(True, "mixed_bfloat16"), (False, "float32")])
def test_the_precision_is_that_of_auto(monkeypatch, no_cluster, has, policy):
    for module in (training, training.precision):
        monkeypatch.setattr(module, "processor_multiplies_bfloat16", lambda: has, False)
    (line,) = [line for line in doctor.report() if line.startswith("precision ")]
    assert line.startswith(f"precision auto is {policy}: ")


def test_the_precision_is_that_of_the_device_that_trains(monkeypatch, no_cluster):
    # A TPU multiplies bfloat16 whatever its host's processor does.
    monkeypatch.setenv("TPU_NAME", "nowhere")
    for module in (training, training.precision):
        monkeypatch.setattr(
            module, "processor_multiplies_bfloat16", lambda: False, False
        )
    monkeypatch.setattr(doctor, "_strategies", lambda: iter(()))
    assert training.precision.device_multiplies_bfloat16()
    (line,) = [line for line in doctor.report() if line.startswith("precision ")]
    assert line.startswith("precision auto is mixed_bfloat16: ")


def test_a_missing_optional_package_names_what_it_costs(monkeypatch, no_cluster):
    find = importlib.util.find_spec

    def find_all_but_matplotlib(name, *args):
        return None if name == "matplotlib" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but_matplotlib)
    lines = list(doctor.report())
    (line,) = [line for line in lines if line.startswith("matplotlib ")]
    assert line.startswith("matplotlib not installed: ")
    assert line.endswith("picture of the quickstart's loss")
