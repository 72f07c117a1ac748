"""Search for settings: grid, random, and Hyperband."""

from __future__ import annotations

import copy
import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from massivetext_keras.support.extras import need
from massivetext_keras.support.files import read_json, write_json
from massivetext_keras.support.values import Config, UnknownName, choose

METHODS = ("random", "grid", "hyperband")
TRIALS, SEARCH, BEST = "trials.jsonl", "search.json", "best.json"
_SCALES = {"log": "log", "linear": "linear", "int": "linear"}
_COLLISIONS = 10_000  # settings drawn again before all count as tried

logger = logging.getLogger(__name__)


class Range(NamedTuple):
    """Numbers between two, both included, drawn evenly on a scale.

    Attributes:
        low: the least.
        high: the largest.
        scale: "linear", "log" or "int".
    """

    low: float
    high: float
    scale: str = "linear"


Space = Mapping[str, Range | Sequence[Any]]


class Trial(NamedTuple):
    """One run with settings.

    Attributes:
        number: from 0.
        values: of the settings, by path.
        budget: that it had.
        score: None if it failed.
        measures: all that it measured, if finite.
        error: why it failed, or None.
        seconds: that it took.
    """

    number: int
    values: dict[str, Any]
    budget: int
    score: float | None
    measures: dict[str, float]
    error: str | None
    seconds: float


class Search(NamedTuple):
    """What a search found.

    Attributes:
        trials: in their order.
        best: the trial with the best score, of those with the largest budget.
        config: its settings.
    """

    trials: tuple[Trial, ...]
    best: Trial
    config: Any


def search(
    objective: Callable[[Any, int], float | Mapping[str, float]],
    base: Config | Mapping[str, Any],
    space: Space,
    method: str = "random",
    trials: int | None = None,
    max_budget: int = 1,
    factor: int = 3,
    measure: str | None = None,
    maximize: bool = True,
    folder: str | Path | None = None,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> Search:
    """Tries settings and finds the best, by the oracles of keras-tuner.

    "grid" tries every combination; "random" draws (Bergstra & Bengio, 2012), which
    finds good settings sooner where few of them matter; "hyperband" gives many draws a
    small budget and the best of them `factor` times as much, again and again (Li et
    al., 2018).

    A trial that fails is recorded and the search goes on. With a folder, each trial is
    a line of `trials.jsonl` as soon as it ends, and a search that was stopped goes on
    with the same call, or one of more trials: what is chosen depends on the seed and
    the scores alone.

    Args:
        objective: config, budget (epochs, say) -> its score, or measures by name.
        base: every setting; a mapping may have mappings as sections.
        space: path of a setting, as "optimizer.learning_rate" -> a `Range`, or a list
            of values, which may be anything that JSON has.
        method: one of the above.
        trials: at the most ("random": 20 if None; the others decide themselves).
        max_budget: of one trial.
        factor: of "hyperband", at least 2.
        measure: which of the measures is the score (None: the first).
        maximize: whether a high score is good.
        folder: made if missing (None: nothing is written).
        seed: of what is drawn.
        about: what else makes this search another one than that of the folder, such as
            its data, as values for JSON.

    Raises:
        ValueError: a setting is unknown, the method does not fit the space, or the
            folder is of another search.
        RuntimeError: every trial failed.
        ImportError: keras-tuner is not installed.

    >>> found = search(
    ...     lambda config, budget: -abs(config["rate"] - 0.3),
    ...     {"rate": 0.0},
    ...     {"rate": [0.1, 0.2, 0.4]},
    ...     method="grid",
    ... )
    >>> len(found.trials), found.config
    (3, {'rate': 0.2})
    """
    choose("method", method, dict.fromkeys(METHODS))
    if trials is not None and trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    _check(base, space, method, max_budget, factor)
    described = {
        "method": method,
        "space": {name: _plain(values) for name, values in space.items()},
        "max_budget": max_budget,
        "factor": factor,
        "measure": measure,
        "maximize": maximize,
        "seed": seed,
        "base": base.to_dict() if isinstance(base, Config) else dict(base),
        **(about or {}),
    }
    record = _Record(folder, described)
    oracle = _oracle(space, method, trials, max_budget, factor, maximize, seed)
    done: list[Trial] = []
    for number in itertools.count():
        asked = oracle.create_trial("one")
        if asked.status != "RUNNING":
            break
        chosen = asked.hyperparameters.values
        values = {name: _value(space[name], chosen[name]) for name in space}
        budget = chosen.get("tuner/epochs", max_budget)
        if number < len(record.before):
            trial = record.before[number]
            if (trial.values, trial.budget) != (values, budget):
                raise ValueError(f"{record.path} line {number + 1}: of another search")
        else:
            trial = _run(objective, base, number, values, budget, measure)
            record.add(trial)
        done.append(trial)
        worst = -math.inf if maximize else math.inf  # goes no further in Hyperband
        told = worst if trial.score is None else trial.score
        oracle.update_trial(asked.trial_id, {"score": told})
        asked.status = "COMPLETED"
        oracle.end_trial(asked)
    return _found(done, base, maximize, folder)


def parse_values(text: str) -> Range | list[Any]:
    """The values of a setting, from a command line.

    Args:
        text: "log:LOW:HIGH", "linear:LOW:HIGH", "int:LOW:HIGH", or values by commas,
            each read as JSON if it is.

    Raises:
        ValueError: there is no value, a bound is no number, or a scale is unknown.

    >>> parse_values("log:1e-5:1e-3"), parse_values("0,0.1,null,relu")
    (Range(low=1e-05, high=0.001, scale='log'), [0, 0.1, None, 'relu'])
    """
    scale, *bounds = text.split(":")
    if scale in _SCALES and len(bounds) == 2:
        try:
            low, high = map(int if scale == "int" else float, bounds)
        except ValueError:
            raise ValueError(f"{text!r}: give two numbers, as {scale}:1:8") from None
        return Range(low, high, scale)
    if len(bounds) == 2 and not any(mark in text for mark in ',"{['):
        choose("scale", scale, _SCALES)
    if not text:
        raise ValueError("there are no values: give some by commas, or log:LOW:HIGH")
    values = []
    for part in text.split(","):
        try:
            values.append(json.loads(part))
        except json.JSONDecodeError:
            values.append(part)
    return values


def with_values(base: Config | Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """A config with settings replaced by path.

    >>> with_values({"a": {"b": 1, "c": 2}}, {"a.b": 3})
    {'a': {'b': 3, 'c': 2}}
    """
    if isinstance(base, Config):
        return base.override(*(f"{k}={json.dumps(v)}" for k, v in values.items()))
    changed = copy.deepcopy(dict(base))
    for path, value in values.items():
        *sections, name = path.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return changed


def _run(objective, base, number, values, budget, measure) -> Trial:
    started, score, measures, error = time.perf_counter(), None, {}, None
    shown = ", ".join(f"{name}={value}" for name, value in values.items())
    try:
        found = objective(with_values(base, values), budget)
        if not isinstance(found, Mapping):
            found = {"score": found}
        measures = {name: float(x) for name, x in found.items()}
        name = measure or next(iter(measures))
        score = choose("measure", name, measures)
        if not math.isfinite(score):
            raise ValueError(f"{name} is {score}")
        logger.info("trial %d: %s: %.4g", number, shown, score)
    except Exception as problem:  # whatever it is, the others may do better
        score, error = None, f"{type(problem).__name__}: {problem}"
        logger.warning("trial %d failed: %s: %s", number, shown, error)
    measures = {name: x for name, x in measures.items() if math.isfinite(x)}
    seconds = round(time.perf_counter() - started, 3)
    return Trial(number, values, budget, score, measures, error, seconds)


def _found(done: list[Trial], base, maximize: bool, folder) -> Search:
    good = [(trial, trial.score) for trial in done if trial.score is not None]
    if not good:
        why = f": {done[-1].error}" if done else ""
        raise RuntimeError(f"none of {len(done)} trials succeeded{why}")
    largest = max(trial.budget for trial, _ in good)
    final = [pair for pair in good if pair[0].budget == largest]
    pick = max if maximize else min
    best, _ = pick(final, key=lambda pair: pair[1])
    config = with_values(base, best.values)
    if folder is not None:
        plain = config.to_dict() if isinstance(config, Config) else config
        write_json(Path(folder) / BEST, {**best._asdict(), "config": plain})
    return Search(tuple(done), best, config)


class _Record:
    """The trials of a folder: those of an earlier call, and new ones.

    Raises:
        ValueError: they are of another search.
    """

    def __init__(self, folder: str | Path | None, described: dict[str, Any]):
        self.path = None if folder is None else Path(folder) / TRIALS
        self.before: list[Trial] = []
        if self.path is None:
            return
        described, path = json.loads(json.dumps(described)), self.path.with_name(SEARCH)
        if path.exists():
            for name, value in read_json(path).items():
                if described.get(name) != value:
                    raise ValueError(
                        f"{path}: a search with {name}={value}, not "
                        f"{described.get(name)}: choose another folder"
                    )
        else:
            write_json(path, described)
        self.before = list(self._read(self.path))
        if self.before:
            logger.info("going on after %d trials", len(self.before))

    def _read(self, path: Path) -> Iterator[Trial]:
        """Whole lines; what was written of another one is cut off."""
        if not path.exists():
            return
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.truncate(path, end)
        for line in data[:end].splitlines():
            yield Trial(**json.loads(line))

    def add(self, trial: Trial) -> None:
        if self.path is None:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(trial._asdict(), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


class _InMemory:
    """Of keras-tuner's oracles: keeps nothing on disk, where a kill could halve it."""

    def save(self):
        pass

    def _save_trial(self, trial):
        pass


def _oracle(space: Space, method, trials, max_budget, factor, maximize, seed):
    tuner = need("keras_tuner", "evaluation")
    parameters = tuner.HyperParameters()
    for name, values in space.items():
        if not isinstance(values, Range):
            parameters.Choice(name, list(range(len(values))))
        elif values.scale == "int":
            parameters.Int(name, values.low, values.high)
        else:
            parameters.Float(
                name, values.low, values.high, sampling=_SCALES[values.scale]
            )
    oracles = tuner.oracles
    cls, options = {
        "random": (oracles.RandomSearchOracle, {"max_trials": trials or 20}),
        "grid": (oracles.GridSearchOracle, {"max_trials": trials}),
        "hyperband": (
            oracles.HyperbandOracle,
            {"max_epochs": max_budget, "factor": factor},
        ),
    }[method]
    oracle = type(cls.__name__, (_InMemory, cls), {})(
        objective=tuner.Objective("score", "max" if maximize else "min"),
        hyperparameters=parameters,
        tune_new_entries=False,
        seed=seed + 1,  # it takes 0 for none
        **options,
    )
    oracle.verbose, oracle._max_collisions = 0, _COLLISIONS
    return oracle


def _value(values: Range | Sequence[Any], chosen: float) -> Any:
    return chosen if isinstance(values, Range) else values[int(chosen)]


def _plain(values: Range | Sequence[Any]) -> Any:
    return values._asdict() if isinstance(values, Range) else list(values)


def _check(base, space: Space, method: str, max_budget: int, factor: int) -> None:
    if not space:
        raise ValueError("there is no setting to search over")
    for name, values in space.items():
        _check_path(base, name)
        if not isinstance(values, Range):
            if not values:
                raise ValueError(f"{name}: there are no values to choose from")
            continue
        choose(f"scale of {name}", values.scale, _SCALES)
        if method == "grid":
            raise ValueError(f"{name}: a grid is of values, not of a range: list some")
        if values.low > values.high or (values.scale == "log" and values.low <= 0):
            raise ValueError(f"{name}: no range from {values.low} to {values.high}")
    if method != "hyperband":
        return
    if factor < 2 or max_budget < factor:
        raise ValueError(
            f"hyperband multiplies budgets from 1 to max_budget={max_budget} by "
            f"factor={factor}: the factor must be at least 2, and the budget as much"
        )
    different = math.prod(
        math.inf if isinstance(values, Range) else len(values)
        for values in space.values()
    )
    wanted = _draws_of_hyperband(max_budget, factor)
    if different < wanted:
        raise ValueError(
            f"hyperband draws {wanted} different settings of {different}: try all of "
            "them by a grid"
        )


def _draws_of_hyperband(max_budget: int, factor: int) -> int:
    """Settings that all brackets begin with (Li et al., 2018, algorithm 1)."""
    brackets = next(s for s in itertools.count() if factor ** (s + 1) > max_budget)
    ends = math.ceil(1 + math.log(max_budget, factor))
    return sum(math.ceil(ends / (s + 1) * factor**s) for s in range(brackets + 1))


def _check_path(base: Config | Mapping[str, Any], path: str) -> None:
    """Refuses a setting that there is not."""
    place = base.to_dict() if isinstance(base, Config) else base
    if path not in place:
        for section, inner in place.items():
            if isinstance(inner, Mapping) and path in inner:
                near = f"{section}.{path}"
                raise UnknownName(f"unknown setting {path!r}: did you mean {near!r}?")
    for name in path.split("."):
        place = choose("setting", name, place if isinstance(place, Mapping) else {})
