"""What may come next in a command line, as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.cli.flags import VERBS
from massivetext_keras.cli.shell.completion import candidates
from tests.processes import ROOT


def test_the_first_word_is_one_of_a_verb():
    assert candidates("massivetext ") == [*dict.fromkeys(x.split()[0] for x in VERBS)]
    assert candidates("massivetext tok") == ["tokenizer", "tokenize"]
    assert candidates("massivetext xyz") == []


def test_the_second_word_belongs_to_the_first():
    assert candidates("massivetext vectors ") == sorted(
        name.split()[1] for name in VERBS if name.startswith("vectors ")
    )
    assert candidates("massivetext ngram ex") == ["export"]


def test_flags_of_a_verb():
    found = candidates("massivetext train --")
    assert {"--preset=", "--run_dir=", "--dry_run", "--nodry_run", "--json"} <= {*found}
    assert found[-1] == "--help"
    assert candidates("massivetext train --data=x --run") == ["--run_dir="]
    assert candidates("massivetext corpus build --wor") == ["--workers="]


def test_values_of_a_flag():
    assert candidates("massivetext train --resume=") == [
        "--resume=auto",
        "--resume=never",
    ]
    gpt2 = [name for name in PRESETS if name.startswith("gpt2_")]
    line = "massivetext train --preset=gpt2_"
    assert candidates(line) == [f"--preset={name}" for name in gpt2]
    assert candidates("massivetext train --data=") == []  # files, says the shell


def test_a_word_without_dashes_may_have_fixed_values():
    assert candidates("massivetext completion ") == ["bash", "zsh"]
    assert candidates("massivetext completion zsh ") == []


def test_the_script_asks_a_program_that_starts_without_tensorflow(tmp_path):
    line = "--line=massivetext export --preset=bert_"
    command = [sys.executable, "-X", "importtime", "-m", "massivetext_keras"]
    done = subprocess.run(
        [*command, "completion", "bash", line], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split()[:1] == ["--preset=bert_tiny"]
    imported = {row.split("|")[-1].strip() for row in done.stderr.splitlines()}
    assert "massivetext_keras.cli.shell.help" in imported
    assert not {"tensorflow", "keras", "numpy", "absl.logging"} & imported


BASH = """
source <("$0" completion bash)
COMP_LINE=$1; COMP_POINT=${#1}
compopt() { :; }
_massivetext 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("massivetext corpus st", ["stats"]),
        ("massivetext train --resume=n", ["never"]),
        ("massivetext train --dry", ["--dry_run"]),
        ("massivetext tokenize --input=some", ["some_text.txt"]),
    ],
)
def test_bash_completes(tmp_path, line, expected):
    program = tmp_path / "massivetext"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m massivetext_keras "$@"\n')
    program.chmod(0o755)
    (tmp_path / "some_text.txt").touch()
    paths = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-c", BASH, str(Path(program)), line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **paths},
    )
    assert done.stdout.split() == expected, done.stderr
