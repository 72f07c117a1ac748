"""Results are text for people, or with `--json` lines for programs alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from massivetext_keras import cli
from massivetext_keras.cli.flags import VERBS, Verb, verb
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.evaluation.significance import Interval


def test_values_of_numpy_and_tuples_are_those_of_json():
    record = {
        "accuracy": np.float32(0.5),
        "counts": np.array([[1, 2], [3, 4]]),
        "infinite": float("-inf"),
        "interval": Interval(0.5, 0.25, 0.75),
        3: "Zürich",
    }
    line = Result(None, record).line()
    assert "\n" not in line and "Zürich" in line
    assert json.loads(line) == {
        "accuracy": 0.5,
        "counts": [[1, 2], [3, 4]],
        "infinite": None,
        "interval": [0.5, 0.25, 0.75],
        "3": "Zürich",
    }


@pytest.fixture
def counting():
    """A verb that gives two results, the first of them after it has printed."""

    @verb("count")
    def count(*, most: int = 2) -> Iterator[Result]:
        """Count."""
        print("counting")
        for number in range(1, most + 1):
            yield Result(f"it is {number}", {"number": number})

    yield
    del VERBS["count"]


def test_a_result_is_a_line_of_json_and_what_is_printed_besides_is_not(
    counting, capsys
):
    assert cli.run(["count"]) == 0
    assert capsys.readouterr().out == "counting\nit is 1\nit is 2\n"
    assert cli.run(["count", "--json", "--most=2"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"number": 1},
        {"number": 2},
    ]
    assert err == "counting\n"


def test_all_verbs_but_those_that_talk_have_json():
    without = {name for name, found in VERBS.items() if not found.has_results}
    assert without == {"chat", "serve", "completion"}
    for name in VERBS.keys() - without:
        flags = [flag for flag in VERBS[name].flags if flag.name == "json"]
        assert len(flags) == 1 and flags[0].kind is bool, name


def test_a_function_that_gives_nothing_has_no_json():
    def quiet() -> None:
        """Say nothing."""

    assert Verb("quiet", quiet).flags == ()


@pytest.mark.parametrize("argv", [("doctor",), ("presets",), ("plan",)])
def test_verbs_print_one_line(good, argv):
    if argv == ("plan",):
        argv += ("--preset=gpt2_small", "--devices=1", "--batch_tokens=64K")
    out = good(*argv, "--json")
    assert out.count("\n") == 1 and isinstance(json.loads(out), dict)
    assert good(*argv).count("\n") > 1
