"""The verb that searches for the settings with which `finetune` does best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.tasks.examples import print_measures
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
) -> None:
    """Search for the settings with which `finetune` does best.

    Each trial is a line of trials.jsonl; a failed one ends nothing, and the same
    command goes on where a stopped search was. Hyperband gives many settings one epoch
    and the best of them three times as many, up to --epochs.

    Args:
        space: a setting and its values, as optimizer.learning_rate=log:1e-5:1e-3,
            model.dropout=0,0.1, option.head=mean,pooled, epochs=int:1:5; may repeat.
        trials: at the most (default: 20 random ones, or all).
        measure: that decides (default: the task's first).
        minimize: it is better when it is lower.
        output: folder of the trials and a page about them.
    """
    from massivetext_keras import evaluation

    searched = _space(space)
    learnt = learning_of(**learning)
    epochs = learnt.experiment.train.epochs
    hyperband = method == "hyperband"
    if hyperband and (epochs < 3 or "epochs" in searched):
        raise UsageError(
            "--method=hyperband: the most epochs of a trial are those of --epochs, 3 "
            "or more, and no setting of --space"
        )
    learnt = learnt._replace(**_split(learnt))
    options = {name: learnt.options.get(name) for name in learnt.cls.options}
    base = learnt.experiment.to_dict() | {"option": options, "epochs": epochs}

    def objective(config: dict[str, Any], budget: int) -> dict[str, float]:
        trial = _with(learnt, config, searched, budget if hyperband else None)
        _, measures = trial.run(learnt.train, learnt.validation)
        name = measure or next(iter(measures))
        value = choose("measure", name, measures)
        lower = minimize or name in evaluation.LOWER_IS_BETTER
        return {"score": -value if lower else value, **measures}

    found = evaluation.search(
        objective,
        base,
        searched,
        method,
        trials,
        max_budget=max(1, round(epochs)),
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
    print(f"{page}: the best of {len(found.trials)} trials is {found.best.number}")
    for name, value in found.best.values.items():
        print(f"{name:<30} {value}")
    print_measures(found.best.measures)


def _space(words: Sequence[str]) -> dict[str, Any]:
    """`["setting=values", ...]` -> setting -> what is tried."""
    from massivetext_keras import evaluation

    space = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--space={word} is not of the form setting=values")
        space[path] = evaluation.parse_values(text)
    if not space:
        raise UsageError("--space is needed: optimizer.learning_rate=log:1e-5:1e-3")
    return space


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
    learning: Learning, config: dict[str, Any], space, budget: int | None
) -> Learning:
    """What is learnt with the settings of a trial, of whose epochs a budget decides if
    there is one."""
    config = dict(config)
    options, epochs = config.pop("option"), config.pop("epochs")
    chosen = {name: options[name] for name in options if f"option.{name}" in space}
    chosen |= {
        path.removeprefix("model."): config["model"][path.removeprefix("model.")]
        for path in space
        if path.startswith("model.")
    }
    experiment = ExperimentConfig.from_dict(config)
    settings = experiment.train.replace(epochs=epochs if budget is None else budget)
    return learning._replace(
        options=learning.options | chosen,
        experiment=experiment.replace(train=settings),
    )
