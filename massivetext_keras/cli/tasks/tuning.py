"""The verb that searches for the settings with which `finetune` does best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.shell.results import Result, table
from massivetext_keras.cli.tasks.learning import Learning, learning_of
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.support.arguments import Positive
from massivetext_keras.support.values import choose


@verb("tune")
def tune(
    *,
    learning: Given = given(learning_of),
    space: Sequence[str] = (),
    method: Annotated[Literal["random", "grid", "hyperband"], "of search"] = "random",
    trials: Positive | None = None,
    measure: str | None = None,
    minimize: bool = False,
    output: str,
) -> Result:
    """Search for the settings with which `finetune` does best.

    Each trial is a line of trials.jsonl; a failed one ends nothing, and the same
    command goes on where a stopped search was. Hyperband gives many settings one epoch
    and the best of them three times as many, up to --epochs.

    Args:
        space: a setting and its values, as optimizer.learning_rate=log:1e-5:1e-3,
            model.dropout=0,0.1, option.head=mean,pooled, epochs=int:1:5; may repeat.
            A trial sets what --set would set.
        trials: at the most (default: 20 random ones, or all).
        measure: that decides (default: the task's first).
        minimize: it is better when it is lower.
        output: folder of the trials and a page about them.

    Examples:
        massivetext tune --task=TextClassifier --preset=hf:minilm --data=train.tsv
            --validation=dev.tsv --space=optimizer.learning_rate=log:1e-5:1e-3
            --output=search
    """
    from massivetext_keras import evaluation

    searched = _space(space)
    learnt = learning_of(**learning)
    hyperband = method == "hyperband"
    if hyperband:
        _check_epochs(learnt.experiment, searched)
    learnt = learnt._replace(**_split(learnt))

    def objective(config: ExperimentConfig, budget: int) -> dict[str, float]:
        trial = trial_of(learnt, config, searched, budget if hyperband else None)
        _, measures = trial.run(learnt.train, learnt.validation)
        name = measure or next(iter(measures))
        value = choose("measure", name, measures)
        lower = minimize or name in evaluation.LOWER_IS_BETTER
        return {"score": -value if lower else value, **measures}

    found = evaluation.search(
        objective,
        base_of(learnt),
        searched,
        method,
        trials,
        max_budget=max(1, round(learnt.experiment.train.epochs or 1)),
        folder=output,
        seed=learnt.experiment.train.seed,
        about={**learnt.about, "measure": measure, "minimize": minimize},
    )
    about = {name: learnt.about[name] for name in ("task", "preset", "data")}
    report = evaluation.Report(
        f"Search: {Path(output).name}",
        found.best.measures,
        {**about, "method": method, "trials": len(found.trials)},
        search=found,
    )
    page = evaluation.write_report(report, output)
    best, count = found.best, len(found.trials)
    lines = [f"{page}: the best of {count} trials is {best.number}"]
    lines += [f"{name:<30} {value}" for name, value in best.values.items()]
    record = {"page": str(page), "trials": count, "best": best._asdict()}
    return Result("\n".join([*lines, table(best.measures)]), record)


def _space(words: Sequence[str]) -> dict[str, Any]:
    """`["setting=values", ...]` -> path in the experiment -> what is tried."""
    from massivetext_keras import evaluation

    space = {}
    for word in words:
        setting, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--space={word} is not of the form setting=values")
        space[_path(setting)] = evaluation.parse_values(text)
    if not space:
        raise UsageError("--space is needed: optimizer.learning_rate=log:1e-5:1e-3")
    return space


def _path(setting: str) -> str:
    """Where a setting is that has a flag of its own.

    >>> _path("option.head"), _path("epochs"), _path("train.seed")
    ('task.head', 'train.epochs', 'train.seed')
    """
    if setting.startswith("option."):
        return f"task.{setting.removeprefix('option.')}"
    return "train.epochs" if setting == "epochs" else setting


def _split(learning: Learning) -> dict[str, Any]:
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


def _check_epochs(experiment: ExperimentConfig, space: Iterable[str]) -> None:
    """Refuses what leaves Hyperband no epochs to decide.

    Raises:
        UsageError: names the setting.
    """
    for path in space:
        if path in ("train.steps", "train.epochs"):
            raise UsageError(
                f"--space={path}: --method=hyperband decides the epochs of a trial, "
                "up to --epochs: leave it out"
            )
    if experiment.train.epochs is None:
        raise UsageError(
            "--method=hyperband decides the epochs of a trial, and with train.steps "
            "there are none: leave train.steps out, and give --epochs"
        )
    if experiment.train.epochs < 3:
        raise UsageError(
            "--method=hyperband: the most epochs of a trial are those of --epochs, "
            "which must be 3 or more"
        )


def base_of(learning: Learning) -> ExperimentConfig:
    """Every setting that a trial may change, the options of the task among them."""
    experiment = learning.experiment
    options = {name: learning.options.get(name) for name in learning.cls.options}
    return experiment.replace(task=experiment.task.replace(options=options))


def trial_of(
    learning: Learning,
    experiment: ExperimentConfig,
    space: Iterable[str],
    budget: int | None = None,
) -> Learning:
    """What is learnt in a trial.

    Args:
        learning: what is learnt where the space says nothing.
        experiment: `base_of` it with the trial's values.
        space: paths of what is searched.
        budget: epochs, instead of the experiment's (None: those).
    """
    sections = {"task": experiment.task.options, "model": vars(experiment.model)}
    changed = {}
    for path in space:
        section, _, name = path.partition(".")
        if name in sections.get(section, {}):
            changed[name] = sections[section][name]
    settings = experiment.train
    if budget is not None:
        settings = settings.replace(epochs=budget)
    return learning._replace(
        options=learning.options | changed,
        experiment=experiment.replace(
            task=experiment.task.replace(options={}), train=settings
        ),
    )
