"""The verbs of tasks that learn from examples: fine-tune, measure, predict."""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from massivetext_keras.support.files import json_line, read_json, write_json
from massivetext_keras.verbs.common import Values
from massivetext_keras.verbs.evaluations import cross_validate, report_answers
from massivetext_keras.verbs.examples import (
    how_of,
    learning_of,
    print_measures,
    task_of,
)

_AT_ONCE = 256  # examples between two writes of `predict`
_ANSWERED = ("prediction", "scores")  # what it adds to the fields of each

logger = logging.getLogger(__name__)


def finetune(values: Values) -> None:
    learning = learning_of(values)
    if values.folds is not None:
        cross_validate(learning, values)
        return
    task, measures = learning.run(
        learning.train,
        learning.validation,
        run_dir=values.run_dir,
        resume=values.resume == "auto",
    )
    size = f"{task.count_params():,} parameters"
    if task.adapted():
        task.save_adapters(Path(values.run_dir) / "adapters")
        trained = sum(math.prod(weight.shape) for weight in task.trainable_weights)
        size += f", {trained:,} of them trained"
    print(f"{values.run_dir}: {size}")
    print_measures(measures)


def measure(values: Values) -> None:
    """`evaluate` of a task on examples."""
    task = task_of(values)
    examples = task.read_examples(values.data.split(","), **how_of(values))
    predictions = task.predictions(examples, progress=True)
    measures = task.measure(examples, predictions)
    if values.report:
        report_answers(values, task, examples, predictions, measures)
    if values.json:
        print(json.dumps({"examples": len(examples), **measures}))
        return
    print(f"{'examples':<20} {len(examples):,}")
    print_measures(measures)


def predict(values: Values) -> None:
    from tqdm import tqdm

    task = task_of(values)
    output = Path(values.output)
    if output.exists() and not values.overwrite:
        raise FileExistsError(f"{output} is there: choose another, or --overwrite")
    records = _records(task, values)
    draft = output.with_name(f"{output.name}.part")
    output.parent.mkdir(parents=True, exist_ok=True)
    maker = draft.with_name(f"{draft.name}.json")
    _check_maker(maker, draft, task)
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
                file.write(json_line(line))
            file.flush()
            os.fsync(file.fileno())
            bar.update(len(some))
    os.replace(draft, output)
    maker.unlink()
    print(f"{output}: {len(records):,} predictions")


def _records(task, values: Values) -> list[tuple[dict[str, Any], Any]]:
    """The fields of each record that is an example, and the example; not what `predict`
    wrote earlier."""
    from massivetext_keras.data import Problems, read_records

    how = how_of(values)
    problems = Problems(how.pop("strict"))
    files = values.input.split(",")
    records = read_records(files, task.fields, problems=problems, **how)
    found = task.examples_in(records, problems, values.input)
    return [
        ({k: v for k, v in fields.items() if k not in _ANSWERED}, example)
        for (fields, _), example in found
    ]


def _answered(task, some: list[tuple[dict[str, Any], Any]]) -> Iterator[dict]:
    """The lines of some examples: their fields, what the task says, and how good that
    is where it is known what should be said."""
    predictions = task.predictions([example for _, example in some])
    for (fields, example), prediction in zip(some, predictions, strict=True):
        line = {**fields, _ANSWERED[0]: prediction}
        if task.is_answered(example):
            line[_ANSWERED[1]] = task.scores([example], [prediction])
        yield line


def _check_maker(maker: Path, draft: Path, task) -> None:
    """Notes which model writes a draft.

    Raises:
        ValueError: another one began it.
    """
    weights = task.adapters.base_fingerprint(train_heads=False)
    described = json.loads(json.dumps({"weights": weights, "options": task.chosen()}))
    if draft.exists() and maker.exists() and read_json(maker) != described:
        raise ValueError(
            f"{draft} is of another model or other options: remove it to begin anew"
        )
    write_json(maker, described)


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
    same = len(lines) <= len(records) and all(
        line.startswith(json_line(fields)[:-2])  # all but the brace
        for line, (fields, _) in zip(lines, records, strict=False)
    )
    if not same:
        raise ValueError(f"{draft} is of other examples: remove it to begin anew")
    with open(draft, "r+b") as file:
        file.truncate(len(whole))
    return len(lines)
