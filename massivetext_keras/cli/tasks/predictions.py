"""The verb that answers a file of examples."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.settings import Overwrite, Preset, TaskName, files_in
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.cli.tasks.examples import Options, reading_of, task_of
from massivetext_keras.support.files import json_line, read_json, write_json

_AT_ONCE = 256  # examples between two writes
ANSWERED = ("prediction", "scores")  # what is added to the fields of each

logger = logging.getLogger(__name__)


@verb("predict")
def predict(
    *,
    preset: Preset,
    task: TaskName | None = None,
    input: Annotated[str, "examples, or lines of text: files, by commas"],
    output: Annotated[str, "file of JSON lines"],
    reading: Given = given(reading_of),
    option: Options = (),
    overwrite: Overwrite = False,
) -> Result:
    """Answer a file of examples.

    Each line of the output has the fields of an example, the task's `prediction`, and
    its `scores` where the example says what it should be. A stopped call goes on with
    the same command; the file appears when it is whole.

    Examples:
        massivetext predict --preset=runs/a --input=new.txt --output=new.jsonl
    """
    model = task_of(preset=preset, task=task, option=option)
    path = Path(output)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there: choose another, or --overwrite")
    records = records_of(model, input, reading_of(**reading))
    answer(model, records, path)
    count = len(records)
    return Result(
        f"{path}: {count:,} predictions", {"output": str(path), "predictions": count}
    )


def answer(
    task: Any,
    records: Sequence[tuple[Mapping[str, Any], Any]],
    path: Path,
    at_once: int = _AT_ONCE,
) -> None:
    """Writes the lines of `predict`; goes on where an earlier call was stopped.

    Args:
        task: that learns from examples.
        records: see `records_of`.
        path: of the file, which appears when it is whole.
        at_once: examples between two writes.

    Raises:
        ValueError: what an earlier call wrote is of another model or other examples.
    """
    from tqdm import tqdm

    draft = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
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
        while some := list(itertools.islice(rest, at_once)):
            for line in _answered(task, some):
                file.write(json_line(line))
            file.flush()
            os.fsync(file.fileno())
            bar.update(len(some))
    os.replace(draft, path)
    maker.unlink()


def records_of(
    task, input: str, how: Mapping[str, Any]
) -> list[tuple[dict[str, Any], Any]]:
    """The fields of each record that is an example, and the example; not what `predict`
    wrote earlier."""
    from massivetext_keras.data import Problems, read_records

    how = dict(how)
    problems = Problems(how.pop("strict"))
    records = read_records(
        files_in(input), task.fields, problems=problems, all_fields=True, **how
    )
    found = task.examples_in(records, problems, input)
    return [
        ({k: v for k, v in fields.items() if k not in ANSWERED}, example)
        for (fields, _), example in found
    ]


def _answered(task, some: list[tuple[Mapping[str, Any], Any]]) -> Iterator[dict]:
    """The lines of some examples: their fields, what the task says, and how good that
    is where it is known what should be said."""
    predictions = task.predictions([example for _, example in some])
    for (fields, example), prediction in zip(some, predictions, strict=True):
        line = {**fields, ANSWERED[0]: prediction}
        if task.is_answered(example):
            line[ANSWERED[1]] = task.scores([example], [prediction])
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


def _lines_of(draft: Path, records: Sequence) -> int:
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
