"""The verbs around evaluation: compare two runs, search settings, hold out folds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.support.values import UnknownName, choose
from massivetext_keras.verbs.common import UsageError, Values
from massivetext_keras.verbs.examples import (
    Learning,
    learning_of,
    print_measures,
    task_of,
)

Line = Mapping[str, Any]
_ANSWERS = ("prediction", "scores", "score")


def compare(values: Values) -> None:
    """The A/B test of two files of `predict`."""
    from massivetext_keras import evaluation

    first, second = (_read_lines(path) for path in (values.first, values.second))
    _check_same(values, first, second)
    if values.preset:
        task = task_of(values)
        examples = _examples(values.first, first, task)
        sides = [_answers(values.first, first), _answers(values.second, second)]
        name = values.measure or next(iter(task.scores(examples, sides[0])))

        def measure(predictions: list, references: list) -> float:
            return choose("measure", name, task.scores(references, predictions))

        arguments = (*sides, examples, measure)
    else:
        name, *scores = _scores(values, first, second)
        arguments = tuple(scores)
    bootstrap = evaluation.paired_bootstrap(
        *arguments, samples=values.samples, seed=values.seed
    )
    exchanges = values.samples * (1 if values.preset else 10)
    exchanged = evaluation.approximate_randomization(
        *arguments, samples=exchanges, seed=values.seed
    )
    wins = bootstrap.wins
    if name in evaluation.LOWER_IS_BETTER:
        wins = 1 - wins
    found = bootstrap._replace(p_value=exchanged.p_value, wins=wins)
    if values.report:
        about = {"first": values.first, "second": values.second}
        report = evaluation.Report(
            f"{Path(values.first).stem} and {Path(values.second).stem}",
            about={**about, "examples": len(first), "samples": values.samples},
            comparisons={name: found},
        )
        evaluation.write_report(report, values.report)
    if values.json:
        print(json.dumps({"measure": name, "examples": len(first), **found._asdict()}))
        return
    low, high = found.interval
    print(f"{'examples':<20} {len(first):,}")
    print(f"{'measure':<20} {name}")
    print(f"{'first':<20} {found.first:.4f}")
    print(f"{'second':<20} {found.second:.4f}")
    print(f"{'difference':<20} {found.difference:+.4f} ({low:+.4f} to {high:+.4f})")
    print(f"{'p':<20} {found.p_value:.4f}")
    print(f"{'second is better':<20} {found.wins:.1%} of resamples")


def _read_lines(path: str) -> list[dict[str, Any]]:
    lines = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{number}: not JSON ({error})") from None
            if not isinstance(line, dict):
                raise ValueError(f"{path}:{number}: not an object")
            lines.append(line)
    if not lines:
        raise ValueError(f"{path}: there is no line")
    return lines


def _examples(path: str, lines: list[dict], task) -> list:
    """The example of each line."""
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(task.example(_fields(line)))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
    return found


def _answers(path: str, lines: list[dict]) -> list:
    """The prediction of each line."""
    for number, line in enumerate(lines, 1):
        if "prediction" not in line:
            raise ValueError(f"{path}:{number}: no 'prediction': no file of `predict`")
    return [line["prediction"] for line in lines]


def _fields(line: Line) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in _ANSWERS}


def _check_same(values: Values, first: list[dict], second: list[dict]) -> None:
    if len(first) != len(second):
        raise ValueError(
            f"{values.first} has {len(first):,} lines, {values.second} {len(second):,}"
        )
    for number, (one, other) in enumerate(zip(first, second, strict=True), 1):
        if _fields(one) != _fields(other):
            raise ValueError(
                f"{values.second}:{number}: another example than in {values.first}"
            )


def _scores(
    values: Values, first: list[dict], second: list[dict]
) -> tuple[str, list[float], list[float]]:
    """A name, and each example's score of it in both files."""
    sides, name = [], values.measure
    for path, lines in ((values.first, first), (values.second, second)):
        scores = []
        for number, line in enumerate(lines, 1):
            found = line.get("scores")
            if found is None and "score" in line:
                found = {"score": line["score"]}
            if not found:
                raise ValueError(
                    f"{path}:{number}: no 'scores': the example does not say what its "
                    "answer should be"
                )
            name = name or next(iter(found))
            try:
                scores.append(float(choose("measure", name, found)))
            except UnknownName as error:
                raise UsageError(f"{path}:{number}: {error}") from None
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}:{number}: {error}") from None
        sides.append(scores)
    return name, *sides


def tune(values: Values) -> None:
    from massivetext_keras import evaluation

    space = {}
    for word in values.space:
        path, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--space={word} is not of the form setting=values")
        space[path] = evaluation.parse_values(text)
    if not space:
        raise UsageError("--space is needed: optimizer.learning_rate=log:1e-5:1e-3")
    if values.method == "hyperband" and (values.epochs < 3 or "epochs" in space):
        raise UsageError(
            "--method=hyperband: the most epochs of a trial are those of --epochs, 3 "
            "or more, and no setting of --space"
        )
    learning = learning_of(values)
    learning = learning._replace(**_split(learning))
    options = {name: learning.options.get(name) for name in learning.cls.options}
    epochs = learning.experiment.train.epochs
    base = learning.experiment.to_dict() | {"option": options, "epochs": epochs}

    def objective(config: dict[str, Any], budget: int) -> dict[str, float]:
        _, measures = _with(learning, config, space, budget, values).run(
            learning.train, learning.validation, keep_best=values.keep_best
        )
        name = values.measure or next(iter(measures))
        value = choose("measure", name, measures)
        lower = values.minimize or name in evaluation.LOWER_IS_BETTER
        return {"score": -value if lower else value, **measures}

    names = ("task", "preset", "data", "validation", "measure", "minimize", "adapters")
    found = evaluation.search(
        objective,
        base,
        space,
        values.method,
        values.trials,
        max_budget=max(1, round(values.epochs)),
        folder=values.output,
        seed=learning.experiment.train.seed,
        about={name: values[name].value for name in names},
    )
    about = {"task": values.task, "preset": values.preset, "data": values.data}
    report = evaluation.Report(
        f"Search: {Path(values.output).name}",
        found.best.measures,
        {**about, "method": values.method, "trials": len(found.trials)},
        search=found,
    )
    page = evaluation.write_report(report, values.output)
    print(f"{page}: the best of {len(found.trials)} trials is {found.best.number}")
    for name, value in found.best.values.items():
        print(f"{name:<30} {value}")
    print_measures(found.best.measures)


def _split(learning: Learning) -> dict[str, list]:
    """Training and validation examples, the same for every trial."""
    from massivetext_keras.tasks.examples import split_examples

    if learning.validation is not None:
        return {"validation": learning.validation}
    rows = learning.experiment.data
    if not rows.validation_fraction:
        raise UsageError("a search needs --validation, or a --validation_fraction")
    train, held_out = split_examples(
        learning.train, rows.validation_fraction, rows.seed
    )
    return {"train": train, "validation": held_out}


def _with(
    learning: Learning, config: dict[str, Any], space, budget: int, values: Values
) -> Learning:
    """What is learnt with the settings of a trial."""
    config = dict(config)
    options, epochs = config.pop("option"), config.pop("epochs")
    chosen = {name: options[name] for name in options if f"option.{name}" in space}
    chosen |= {
        path.removeprefix("model."): config["model"][path.removeprefix("model.")]
        for path in space
        if path.startswith("model.")
    }
    experiment = ExperimentConfig.from_dict(config)
    epochs = budget if values.method == "hyperband" else epochs
    return learning._replace(
        options=learning.options | chosen,
        experiment=experiment.replace(train=experiment.train.replace(epochs=epochs)),
    )


def cross_validate(learning: Learning, values: Values) -> None:
    """`finetune --folds`: measures of as many runs, each on what it did not see."""
    from massivetext_keras import evaluation

    if learning.validation is not None:
        raise UsageError("--folds holds out parts of --data: leave out --validation")

    def run(train: list, test: list) -> dict[str, float]:
        return learning.run(train, test)[1]

    labels = [example[1] for example in learning.train]
    classes = all(isinstance(label, str) for label in labels)
    folds = evaluation.cross_validate(
        run,
        learning.train,
        values.folds,
        (lambda example: example[1]) if classes and _is_single(learning) else None,
        seed=learning.experiment.train.seed,
    )
    about = {"task": values.task, "preset": values.preset, "data": values.data}
    report = evaluation.Report(
        f"Cross-validation: {Path(values.run_dir).name}",
        folds.mean(),
        {**about, "examples": len(learning.train), "epochs": values.epochs},
        folds=folds,
    )
    page = evaluation.write_report(report, values.run_dir)
    print(f"{page}: {values.folds} folds of {len(learning.train):,} examples")
    spread = folds.spread()
    for name, value in folds.mean().items():
        print(f"{name:<20} {value:.4f} ± {spread[name]:.4f}")


def _is_single(learning: Learning) -> bool:
    """Whether the second field of an example is its class."""
    return learning.cls.fields[1:2] == ("label",)


def report_answers(
    values: Values,
    task,
    examples: Sequence,
    predictions: Sequence,
    measures: Mapping[str, float],
) -> None:
    """`evaluate --report`: a page with intervals, classes and the worst answers."""
    from massivetext_keras import evaluation

    known = [i for i, example in enumerate(examples) if task.is_answered(example)]
    lines = [
        {
            **_plain(examples[i]),
            "prediction": predictions[i],
            "scores": task.scores([examples[i]], [predictions[i]]),
        }
        for i in known
    ]
    intervals = evaluation.bootstrap_intervals(
        [predictions[i] for i in known],
        [examples[i] for i in known],
        lambda some, others: task.scores(others, some),
        values.samples,
    )
    page = evaluation.Report(
        f"Evaluation: {Path(values.preset).name}",
        {name: intervals.get(name, value) for name, value in measures.items()},
        {
            "preset": values.preset,
            "task": type(task).__name__,
            "data": values.data,
            "examples": len(examples),
            "resamples": values.samples,
        },
        _confusion(examples, predictions),
        lines,
    )
    evaluation.write_report(page, values.report)


def _plain(example: Any) -> dict[str, Any]:
    """The fields of an example that are known."""
    return {name: x for name, x in example._asdict().items() if x is not None}


def _confusion(examples: Sequence, predictions: Sequence):
    """Classes and counts, where every example and every answer has one class."""
    from massivetext_keras import evaluation

    pairs = [
        (getattr(example, "label", None), prediction.get("label"))
        for example, prediction in zip(examples, predictions, strict=True)
        if isinstance(prediction, Mapping)
    ]
    if len(pairs) < len(examples) or not all(
        isinstance(label, str) for pair in pairs for label in pair
    ):
        return None
    classes = sorted({label for pair in pairs for label in pair})
    true, said = zip(*pairs, strict=True)
    return classes, evaluation.confusion(true, said, classes).tolist()
