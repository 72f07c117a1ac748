"""One line says that Keras is not what the package needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from massivetext_keras.support import backend

JAX = (
    "Keras's backend is 'jax' ({}) and massivetext_keras needs 'tensorflow': set "
    "KERAS_BACKEND=tensorflow before Keras is imported"
)
LEGACY = (
    "TF_USE_LEGACY_KERAS=1 asks TensorFlow for Keras 2 and massivetext_keras needs "
    "Keras 3: unset it before TensorFlow is imported"
)


def python(program: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"KERAS_BACKEND": "jax"}, JAX.format("KERAS_BACKEND")),
        ({"TF_USE_LEGACY_KERAS": "1"}, LEGACY),
    ],
)
def test_one_line_at_import_and_an_error_where_keras_is_needed(environment, line):
    done = python("import massivetext_keras.corpus", **environment)
    assert (done.returncode, done.stderr) == (0, line + "\n")
    for module in ("tasks", "saving", "data"):
        done = python(f"import massivetext_keras.{module}", **environment)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"ImportError: {line}"


def test_the_file_of_keras_is_read_too(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    program = "from massivetext_keras import backend; print(backend.problem())"
    environment = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    expected = JAX.format(tmp_path / "keras.json") + "\n"
    assert python(program, **environment).stdout == expected
    (tmp_path / "keras.json").write_text("damaged")
    assert python(program, **environment).stdout == "None\n"


def test_here_all_is_well():
    assert backend.problem() is None
