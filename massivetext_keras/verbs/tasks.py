"""The verbs of tasks that learn from examples: fine-tune, measure, predict."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.configs import FINE_TUNING, nearest
from massivetext_keras.verbs.common import (
    UsageError,
    Values,
    experiment_of,
    need_tokenizer,
    tokenizer_named,
)

_AT_ONCE = 256  # examples between two writes of `predict`

logger = logging.getLogger(__name__)


def finetune(values: Values) -> None:
    import keras

    from massivetext_keras import presets, training

    cls, experiment = _class(values.task), experiment_of(values, FINE_TUNING)
    settings = experiment.train
    strategy = training.make_strategy(settings.strategy)
    tokenizer = None if values.tokenizer is None else tokenizer_named(values.tokenizer)
    if values.preset in presets.PRESETS:
        need_tokenizer(tokenizer)
    train, validation = (
        None if files is None else cls.read_examples(files.split(","), **_how(values))
        for files in (values.data, values.validation)
    )
    options = cls.options_for(train) | _options(cls, values.option)
    changed = (word.partition("=")[0].strip() for word in values.set)
    for name in (path.removeprefix("model.") for path in changed if "model." in path):
        options[name] = getattr(experiment.model, name)
    precision = training.set_precision(settings.precision)
    logger.info("%d examples, computing in %s", len(train), precision)
    keras.utils.set_random_seed(settings.seed)
    with contextlib.redirect_stdout(sys.stderr):  # what Keras prints is no result
        with strategy.scope():
            task = cls.from_preset(values.preset, tokenizer, **options)
        measures = training.learn(
            task,
            experiment.replace(model=task.config),
            train,
            validation,
            values.epochs,
            run_dir=values.run_dir,
            resume=values.resume == "auto",
            keep_best=values.keep_best,
        )
    print(f"{values.run_dir}: {task.count_params():,} parameters")
    _print_measures(measures)


def measure(values: Values) -> None:
    """`evaluate` of a task on examples."""
    task = _task(values)
    examples = task.read_examples(values.data.split(","), **_how(values))
    measures = task.measure(examples, task.predictions(examples, progress=True))
    if values.json:
        print(json.dumps({"examples": len(examples), **measures}))
        return
    print(f"{'examples':<20} {len(examples):,}")
    _print_measures(measures)


def predict(values: Values) -> None:
    from tqdm import tqdm

    task = _task(values)
    output = Path(values.output)
    if output.exists() and not values.overwrite:
        raise FileExistsError(f"{output} is there: choose another, or --overwrite")
    records = _records(task, values)
    draft = output.with_name(f"{output.name}.part")
    output.parent.mkdir(parents=True, exist_ok=True)
    done = _lines_of(draft, records)
    if done:
        logger.info("going on after %d examples", done)
    rest = itertools.islice(records, done, None)
    with (
        open(draft, "ab") as file,
        tqdm(total=len(records), initial=done, unit=" examples") as bar,
    ):
        while some := list(itertools.islice(rest, _AT_ONCE)):
            for line in _answered(task, some):
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            bar.update(len(some))
    os.replace(draft, output)
    print(f"{output}: {len(records):,} predictions")


def _records(task, values: Values) -> list[tuple[dict[str, Any], Any]]:
    """The fields of each record that is an example, and the example."""
    from massivetext_keras.data import Problems, read_records

    problems, found = Problems(values.strict), []
    how = _how(values)
    del how["strict"]
    files = values.input.split(",")
    for record in read_records(files, task.fields, problems=problems, **how):
        try:
            found.append((record.fields, task.example(record.fields)))
        except ValueError as error:
            problems.add(record.where, str(error))
    problems.log()
    if not found:
        raise ValueError(f"{values.input}: there is no example")
    return found


def _answered(task, some: list[tuple[dict[str, Any], Any]]) -> Iterator[dict]:
    """The lines of some examples: their fields, what the task says, and how good that
    is where it is known what should be said."""
    predictions = task.predictions([example for _, example in some])
    for (fields, example), prediction in zip(some, predictions, strict=True):
        line = {**fields, "prediction": prediction}
        if task.is_answered(example):
            line["scores"] = task.measure([example], [prediction])
        yield line


def _lines_of(draft: Path, records: list) -> int:
    """How many lines an earlier call wrote; what it wrote of the next one is cut off.

    Raises:
        ValueError: they are of other examples.
    """
    if not draft.exists():
        return 0
    whole = draft.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    lines = whole.splitlines()
    for line, (fields, _) in itertools.zip_longest(lines, records[: len(lines)]):
        written = json.loads(line)
        if fields is None or any(written.get(k) != v for k, v in fields.items()):
            raise ValueError(f"{draft} is of other examples: remove it to begin anew")
    with open(draft, "r+b") as file:
        file.truncate(len(whole))
    return len(lines)


def _class(name: str):
    from massivetext_keras import tasks

    cls = tasks.task_class("", name)
    if not issubclass(cls, tasks.FromExamples):
        known = [k for k, v in tasks.TASKS.items() if issubclass(v, tasks.FromExamples)]
        raise UsageError(f"--task={name} learns from no examples: {nearest('', known)}")
    return cls


def _task(values: Values):
    """The task of --preset, with what --option changes."""
    from massivetext_keras import tasks

    cls = _class(tasks.task_class(values.preset, values.task).__name__)
    return cls.from_preset(values.preset, **_options(cls, values.option))


def _how(values: Values) -> dict[str, Any]:
    """How the flags say that files are read."""
    columns = {}
    for pair in filter(None, (values.columns or "").split(",")):
        field, equals, name = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--columns={values.columns}: give FIELD=NAME or =NUMBER")
        columns[field] = int(name) if name.lstrip("-").isdecimal() else name
    how = {"format": values.format, "encoding": values.encoding}
    return {**how, "columns": columns, "strict": values.strict}


def _options(cls, pairs: Iterable[str]) -> dict[str, Any]:
    """Options of a task, their values read as JSON if they are."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--option={pair} is not of the form name=value")
        if name not in cls.options:
            hint = nearest(name, cls.options)
            raise UsageError(f"--option: {cls.__name__} has no {name!r}: {hint}")
        with contextlib.suppress(json.JSONDecodeError):
            text = json.loads(text)
        options[name] = text
    return options


def _print_measures(measures: Mapping[str, float]) -> None:
    for name, value in measures.items():
        print(f"{name:<20} {value:.4f}")
