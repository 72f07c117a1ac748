"""A small trained run, and commands that end well or badly."""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from massivetext_keras import cli
from massivetext_keras.generation import beam, decoding
from massivetext_keras.optimization import step as training_step
from massivetext_keras.tasks import CausalLM
from tests.cli.tiny import SMALL, STEPS, TEXT


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Spares XLA's compilation, which is not what is tested, and keeps the policy."""
    policy = keras.config.dtype_policy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "island", lambda function: function)
        for module in (beam, decoding):
            plain = functools.partial(tf.function, autograph=False)
            patch.setattr(module, "island", plain)
        yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(autouse=True)
def float32():
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "text.txt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def data(place) -> str:
    return str(place / "text.txt")


@pytest.fixture(scope="module")
def finished(place, data) -> SimpleNamespace:
    """A run on bytes of four updates: its folder, and what it printed."""
    folder, out = place / "run", io.StringIO()
    arguments = [f"--data={data}", "--tokenizer=bytes", f"--run_dir={folder}"]
    with contextlib.redirect_stdout(out):
        assert cli.run(["train", *arguments, *SMALL, *STEPS]) == 0
    return SimpleNamespace(folder=folder, out=out.getvalue())


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of it that a test may break."""
    return shutil.copytree(finished.folder, tmp_path / "run")


@pytest.fixture(scope="module")
def lm(finished) -> CausalLM:
    return CausalLM.from_preset(str(finished.folder))


@pytest.fixture
def good(capsys):
    """Runs a command that works and gives what it printed."""

    def call(*argv) -> str:
        capsys.readouterr()
        assert cli.run([str(word) for word in argv]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def bad(capsys):
    """Runs a command that fails and gives its exit code and its line of complaint."""

    def call(*argv) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.run([str(word) for word in argv])
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if line.startswith("massivetext: ")]
        assert len(lines) == 1 and err.endswith(lines[0] + "\n")
        assert out == "" and "Traceback" not in err
        return code, lines[0].removeprefix("massivetext: ")

    return call
