"""Searches with objectives of which the best settings are known."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from massivetext_keras.evaluation import Range, parse_values, search
from massivetext_keras.evaluation.tuning import with_values
from massivetext_keras.experiment import ExperimentConfig

BASE = {"a": 0.0, "b": {"c": 0}}
SPACE = {"a": Range(0.0, 1.0), "b.c": Range(1, 8, "int")}


def near(config, budget):
    """Best at a = 0.7 and c = 3; the more budget the better."""
    return -((config["a"] - 0.7) ** 2) - 0.1 * (config["b"]["c"] - 3) ** 2 - 1 / budget


def without_times(found):
    return [trial._replace(seconds=0.0) for trial in found.trials]


def test_a_grid_is_every_combination_once():
    space = {"a": [3, 1, None], "b.c": [[0], "x"]}
    seen = []
    found = search(
        lambda config, budget: seen.append(config) or len(seen), BASE, space, "grid"
    )
    assert seen == [{"a": a, "b": {"c": c}} for a in (3, 1, None) for c in ([0], "x")]
    assert found.best.number == 5 and found.config == {"a": None, "b": {"c": "x"}}
    assert all(trial.budget == 1 for trial in found.trials)
    few = search(lambda config, budget: 0.0, BASE, space, "grid", trials=2)
    assert len(few.trials) == 2


def test_random_search_draws_on_the_scale():
    space = {"a": Range(1e-5, 1e-1, "log"), "b.c": Range(2, 4, "int"), "d": ["x", "y"]}
    base = {**BASE, "d": None}
    found = search(lambda config, budget: config["a"], base, space, trials=300)
    rates = np.log10([trial.values["a"] for trial in found.trials])
    assert rates.min() >= -5 and rates.max() <= -1
    counts, _ = np.histogram(rates, bins=4, range=(-5, -1))
    assert counts.min() > 50  # of 75 expected
    numbers = Counter(trial.values["b.c"] for trial in found.trials)
    assert sorted(numbers) == [2, 3, 4] and min(numbers.values()) > 70
    words = Counter(trial.values["d"] for trial in found.trials)
    assert min(words.values()) > 120
    assert found.best.score == max(trial.values["a"] for trial in found.trials)


def test_the_seed_decides_what_is_drawn():
    def drawn(seed):
        return [t.values for t in search(near, BASE, SPACE, trials=4, seed=seed).trials]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_random_search_ends_when_all_is_tried():
    space = {"a": [1, 2, 3], "b.c": [1, 2]}
    found = search(lambda config, budget: config["a"], BASE, space, trials=50)
    tried = {tuple(trial.values.values()) for trial in found.trials}
    assert len(found.trials) == len(tried) == 6


def test_hyperband_gives_the_best_more():
    """Budgets of nine by threes as in table 1 of Li et al., 2018."""
    found = search(near, BASE, SPACE, "hyperband", max_budget=9)
    budgets = [trial.budget for trial in found.trials]
    assert budgets == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] * 2 + [9] * 3
    rounds = [found.trials[:9], found.trials[9:12], found.trials[12:13]]
    for before, after in zip(rounds, rounds[1:], strict=False):
        ranked = sorted(before, key=lambda trial: -trial.score)[: len(after)]
        assert [t.values for t in ranked] == [t.values for t in after]
    assert found.best.budget == 9
    assert found.best.score == max(t.score for t in found.trials if t.budget == 9)


def test_low_scores_may_be_the_good_ones():
    found = search(
        lambda config, budget: -near(config, budget),
        BASE,
        SPACE,
        "hyperband",
        max_budget=3,
        maximize=False,
    )
    same = search(near, BASE, SPACE, "hyperband", max_budget=3)
    assert found.best.values == same.best.values
    assert found.best.score == -same.best.score


@pytest.mark.parametrize("method", ["random", "hyperband"])
def test_a_stopped_search_goes_on(tmp_path, method):
    options = {"method": method, "max_budget": 9}
    whole = search(near, BASE, SPACE, **options)
    calls = []

    def stopping(config, budget):
        calls.append(config)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return near(config, budget)

    with pytest.raises(KeyboardInterrupt):
        search(stopping, BASE, SPACE, folder=tmp_path, **options)
    path = tmp_path / "trials.jsonl"
    assert len(path.read_text().splitlines()) == 11
    with open(path, "a") as file:
        file.write('{"number": 11, "val')  # killed while it wrote
    calls.clear()
    calls.extend([None] * 20)
    found = search(stopping, BASE, SPACE, folder=tmp_path, **options)
    assert without_times(found) == without_times(whole)
    assert len(calls) - 20 == len(whole.trials) - 11
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["values"] for line in lines] == [t.values for t in whole.trials]
    again = search(stopping, BASE, SPACE, folder=tmp_path, **options)
    assert len(calls) - 20 == len(whole.trials) - 11 and again == found
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["values"] == whole.best.values and best["config"] == whole.config


def test_a_failed_trial_is_recorded_and_ends_nothing(tmp_path, caplog):
    def fails(config, budget):
        if config["a"] == 2:
            raise OverflowError("too much")
        return float("nan") if config["a"] == 3 else config["a"]

    space = {"a": [1, 2, 3, 2.5, 0]}
    with caplog.at_level(logging.WARNING):
        found = search(fails, BASE, space, "grid", folder=tmp_path)
    assert [t.score for t in found.trials] == [1, None, None, 2.5, 0]
    assert found.trials[1].error == "OverflowError: too much"
    assert found.trials[2].error == "ValueError: score is nan"
    assert caplog.messages[0] == "trial 1 failed: a=2: OverflowError: too much"
    assert found.best.values == {"a": 2.5}
    assert search(None, BASE, space, "grid", folder=tmp_path) == found
    with pytest.raises(RuntimeError, match="none of 1 trials succeeded: Overflow"):
        search(fails, BASE, {"a": [2]}, "grid")


def test_failures_go_no_further_in_hyperband():
    def fails(config, budget):
        if config["a"] > 0.5:
            raise ValueError("too large")
        return config["a"]

    found = search(fails, BASE, SPACE, "hyperband", max_budget=9)
    failed = {trial.budget for trial in found.trials[:13] if trial.error}
    assert failed == {1} and len(found.trials) == 23


def test_fields_of_a_config():
    def objective(config, budget):
        assert isinstance(config, ExperimentConfig)
        measures = {"rate": config.optimizer.learning_rate, "size": config.data.seed}
        return {**measures, "dropout": config.model.dropout}

    space = {
        "optimizer.learning_rate": Range(1e-5, 1e-3, "log"),
        "model.dropout": [0.0, 0.1],
        "data.seed": Range(1, 5, "int"),
    }
    found = search(objective, ExperimentConfig(), space, trials=5, measure="dropout")
    assert found.best.score == found.config.model.dropout == 0.1
    assert found.best.measures["rate"] == found.config.optimizer.learning_rate
    first = search(objective, ExperimentConfig(), space, trials=5)
    assert first.best.score == max(trial.measures["rate"] for trial in first.trials)


def test_another_search_is_refused(tmp_path):
    search(near, BASE, SPACE, trials=2, folder=tmp_path)
    with pytest.raises(ValueError, match="a search with seed=0, not 1: choose another"):
        search(near, BASE, SPACE, trials=2, seed=1, folder=tmp_path)
    with pytest.raises(ValueError, match="unknown setting 'c': did you mean 'b.c'"):
        search(near, BASE, {"c": [1]})
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        search(near, BASE, SPACE, trials=0)


def test_a_search_goes_on_with_more_trials_but_not_of_other_data(tmp_path):
    about = {"data": "a.tsv"}
    search(near, BASE, SPACE, trials=2, folder=tmp_path, about=about)
    more = search(near, BASE, SPACE, trials=5, folder=tmp_path, about=about)
    whole = search(near, BASE, SPACE, trials=5)
    assert without_times(more) == without_times(whole)
    with pytest.raises(ValueError, match="a search with data=a.tsv, not b.tsv"):
        search(near, BASE, SPACE, folder=tmp_path, about={"data": "b.tsv"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": Range(0, 1)}, "grid"), "a: a grid is of values, not of a range"),
        (({"a": Range(0, 1, "log")},), "a: no range from 0 to 1"),
        (({"a": Range(2, 1)},), "a: no range from 2 to 1"),
        (
            ({"a": Range(2, 1, "logs")},),
            "unknown scale of a 'logs': did you mean 'log'",
        ),
        (({"a": []},), "a: there are no values"),
        (({},), "there is no setting"),
        (({"a": [1]}, "gird"), "unknown method 'gird': did you mean 'grid'"),
        (({"a": Range(0, 1)}, "hyperband"), "max_budget=1 by factor=3"),
        (({"a": [1, 2]}, "hyperband", None, 9), "draws 17 different settings of 2"),
    ],
)
def test_what_cannot_be_searched(arguments, message):
    with pytest.raises(ValueError, match=message):
        search(near, BASE, *arguments)


def test_an_unknown_setting_is_named():
    with pytest.raises(
        ValueError, match="'learning_rat': did you mean 'learning_rate'"
    ):
        search(near, ExperimentConfig(), {"optimizer.learning_rat": [1]})
    with pytest.raises(ValueError, match="unknown setting 'd': known: c"):
        search(near, BASE, {"b.d": [1]})


def test_settings_from_a_command_line():
    assert parse_values("int:1:8") == Range(1, 8, "int")
    assert parse_values("linear:0:0.5") == Range(0.0, 0.5, "linear")
    assert parse_values("1e-3,true,relu,null") == [1e-3, True, "relu", None]
    with pytest.raises(ValueError, match="'int:1:x': give two numbers, as int:1:8"):
        parse_values("int:1:x")
    with pytest.raises(ValueError, match="unknown scale 'lgo': did you mean 'log'"):
        parse_values("lgo:1:2")
    with pytest.raises(ValueError, match="there are no values"):
        parse_values("")


def test_mappings_are_changed_in_a_copy():
    base = {"a": {"b": 1}}
    assert with_values(base, {"a.b": 2, "c.d": 3}) == {"a": {"b": 2}, "c": {"d": 3}}
    assert base == {"a": {"b": 1}}
    assert math.isclose(near({"a": 0.7, "b": {"c": 3}}, 1), -1.0)


def test_without_keras_tuner_it_says_what_to_install():
    code = (
        "import sys; sys.modules['keras_tuner'] = None\n"
        "from massivetext_keras.evaluation import search\n"
        "search(lambda config, budget: 0, {'a': 0}, {'a': [1]})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'massivetext-keras[evaluation]'" in done.stderr.splitlines()[-1]
