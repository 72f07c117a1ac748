"""Commands do not say what TensorFlow says of itself, and say all the rest."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from massivetext_keras.support.quiet import is_note
from tests.processes import ROOT

NOTES = [
    "WARNING: All log messages before absl::InitializeLog() is called are written",
    "I0000 00:00:1795905462.359157   24216 port.cc:153] oneDNN custom operations are",
    "I0000 00:00:1795905462.3 24216 cudart_stub.cc:31] Could not find cuda drivers on",
    "normalizer.cc(51) LOG(INFO) precompiled_charsmap is empty. use identity",
    "E0000 00:00:1.1 7 util.cc:131] oneDNN supports DT_INT64 only on platforms with A",
    "E0000 00:00:1.1 7 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA err",
]
WORDS = [
    "a word of ours",
    "W0000 00:00:1795905462.359157   24216 allocator.cc:1] allocation exceeds 10%",
    "E0000 00:00:1795905462.359157   24216 file_system.cc:1] no permission",
    "F0000 00:00:1795905462.359157   24216 cpu_feature_guard.cc:5] no AVX here",
    "INFO is a word that a line may begin with",
]


def python(code: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_notes_are_told_from_words(monkeypatch, tmp_path):
    monkeypatch.setattr("massivetext_keras.support.quiet._DRIVER", tmp_path / "none")
    assert [line for line in NOTES if not is_note(line.encode())] == []
    assert [line for line in WORDS if is_note(line.encode())] == []
    # where there is a driver, that it does not start is no note
    monkeypatch.setattr("massivetext_keras.support.quiet._DRIVER", tmp_path)
    assert not is_note(NOTES[-1].encode())


@pytest.mark.parametrize("end", ["pass", "os.abort()", "raise SystemExit(3)"])
def test_words_come_through_however_it_ends(end):
    lines = "\n".join([*NOTES[:3], *WORDS])
    done = python(
        "import os, sys\n"
        "from massivetext_keras.support.quiet import without_notes\n"
        "print('before', file=sys.stderr)\n"
        "with without_notes():\n"
        f"    os.write(2, {lines.encode()!r} + b'\\n')\n"
        f"    {end}\n"
        "print('after', file=sys.stderr)\n"
    )
    after = ["after"] if end == "pass" else []
    assert done.stderr.splitlines() == ["before", *WORDS, *after]
    assert done.returncode == {"pass": 0, "os.abort()": -6}.get(end, 3)


@pytest.mark.parametrize("end", ["pass", "os.abort()", "raise SystemExit(3)"])
def test_a_program_says_no_notes_until_it_ends(end):
    lines = "\n".join([*NOTES[:3], *WORDS])
    done = python(
        "import os, subprocess, sys\n"
        "from massivetext_keras.support.quiet import quiet_program\n"
        "quiet_program()\n"
        f"os.write(2, {lines.encode()!r} + b'\\n')\n"
        "print('I0000 00: of Python', file=sys.stderr)\n"
        "subprocess.run(['sh', '-c', 'echo of another >&2'])\n"
        f"{end}\n"
    )
    words = [*WORDS, "I0000 00: of Python", "of another"]
    assert sorted(done.stderr.splitlines()) == sorted(words)
    assert done.returncode == {"pass": 0, "os.abort()": -6}.get(end, 3)


def test_a_closed_error_stream_is_no_error():
    done = python(
        "import os\n"
        "from massivetext_keras.support.quiet import without_notes\n"
        "os.close(2)\n"
        "with without_notes():\n"
        "    print('done')\n"
    )
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.slow
def test_a_command_with_tensorflow_says_nothing_else():
    code = (
        "import logging, sys, warnings\n"
        "from massivetext_keras import cli\n"
        "assert cli.run(['doctor', '--devices']) == 0\n"
        "import tensorflow, tensorflow_text\n"
        "logger = tensorflow.get_logger()\n"
        "logger.warning('5 out of the last 5 calls triggered tf.function retracing')\n"
        "logger.info('Using MirroredStrategy')\n"
        "logger.warning('a weight is missing')\n"
        "assert cli.run(['generate', '--preset=none', '--prompt=a']) == 2\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    first, last = done.stderr.splitlines()
    assert "a weight is missing" in first
    assert last.startswith("massivetext: ") and "none" in last
