"""What benchmarks keep, and contests between small processes."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import subprocess
import sys

import pytest
import results
from results import Best

from tests.processes import ROOT

# The slow setting of the peer is far behind, so that the second round has it not, and
# the one that sleeps is stopped.
SCRIPT = """
import os, sys, time
from pathlib import Path

from common import Contestant, compete

here = Path(sys.argv[0]).parent

def count(name, value):
    with open(here / "runs", "a") as file:
        file.write(name + " ")
    return {"tokens/s": value, "first, ms": 1000 / value}

contestants = {
    "ours": lambda: count("ours", 40.0),
    "peer": lambda: count("peer", 24.0),
    "peer, fast": Contestant(
        lambda: count("fast", float(os.environ["SPEED"])), environment={"SPEED": "25"}
    ),
    "peer, slow": lambda: count("slow", 10.0),
    "peer, stuck": lambda: time.sleep(600),
    "absent": Contestant(lambda: {}, "/no/such/python"),
    "bare": lambda: __import__("no_such_module"),
}
best = compete(__file__, contestants, rounds=2, folder=here)
"""


def test_contestants_run_in_turns_and_are_kept(tmp_path):
    script = tmp_path / "contest.py"
    script.write_text(SCRIPT)
    path = f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs").read_text() == "ours peer fast slow ours peer fast "
    assert done.stdout.count("peer, stuck: stopped, another setting took") == 1
    assert "absent: left out, /no/such/python is missing" in done.stdout
    assert "bare: left out, ModuleNotFoundError: No module named" in done.stdout
    (kept,) = tmp_path.glob("*.json")
    found = json.loads(kept.read_text())["benchmarks"]["contest"]
    assert found["results"] == {
        "ours": {"tokens/s": 40.0, "first, ms": 25.0},
        "peer": {"tokens/s": 24.0, "first, ms": 41.667},
        "peer, fast": {"tokens/s": 25.0, "first, ms": 40.0},
        "peer, slow": {"tokens/s": 10.0, "first, ms": 100.0},
    }


def test_the_best_setting_of_each_peer():
    found = {
        "ours": {"tokens/s": 60.0, "first, ms": 8.0},
        "ours, float32": {"tokens/s": 90.0},
        "keras_hub": {"tokens/s": 20.0, "first, ms": 16.0},
        "keras_hub, XLA": {"tokens/s": 30.0, "first, ms": 20.0},
        "hugging_face": {"first, ms": 4.0},
    }
    assert results.peers(found, "tokens/s") == {"keras_hub": Best(30.0, "XLA", 2.0)}
    assert results.peers(found, "first, ms") == {
        "keras_hub": Best(16.0, "", 2.0),
        "hugging_face": Best(4.0, "", 0.5),
    }


def test_the_better_of_two_rounds():
    first = {"tokens/s": 10.0, "to 1.8 nats, s": 3.0, "MB": 50.0}
    second = {"tokens/s": 12.0, "to 1.8 nats, s": 2.0, "MB": 60.0}
    best = {"tokens/s": 12.0, "to 1.8 nats, s": 2.0, "MB": 50.0}
    assert results.better(first, second) == best


def test_a_script_replaces_what_it_found_before(tmp_path):
    for script, value in (("a.py", 1.0), ("b.py", 2.0), ("a.py", 3.14159265)):
        given = {"ours": {"tokens/s": value}}
        path = results.record(script, given, 7.6, {"keras": "3"}, folder=tmp_path)
    kept = json.loads(path.read_text())
    assert list(kept["benchmarks"]) == ["a", "b"]
    assert kept["benchmarks"]["a"]["results"] == {"ours": {"tokens/s": 3.1416}}
    assert kept["benchmarks"]["b"]["results"] == {"ours": {"tokens/s": 2.0}}
    assert kept["benchmarks"]["b"]["seconds"] == 8
    plain = results.record("a.py", {}, 1.0, {}, plainest=True, folder=tmp_path)
    assert plain.name.endswith("-avx2.json")
    assert json.loads(plain.read_text())["machine"]["instruction_sets"] == ["avx2"]


@pytest.mark.parametrize("name", ["results", "report", "shakespeare"])
def test_examples_of_docstrings(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed
