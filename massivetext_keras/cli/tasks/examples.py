"""How a command line names a task, its options, and the examples it learns from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, UsageError, given
from massivetext_keras.cli.settings import Preset, TaskName
from massivetext_keras.support.values import nearest

Options = Annotated[
    Sequence[str], "of the task, as head=convolution or crf=true; may repeat"
]


def reading_of(
    *,
    format: str | None = None,
    columns: str | None = None,
    text: Given = given(
        "massivetext_keras.data.records.reading:read_records", "encoding"
    ),
    strict: bool = False,
) -> dict[str, Any]:
    """How the flags say that files of examples are read: for a task's `read_examples`.

    Args:
        format: of the examples: tsv, csv, jsonl, json, squad, parquet, text, yaml,
            parallel, conll or conllu (default: by the suffix).
        columns: where the fields are, as text=sentence,label=class, or numbers from 0
            in a table without a head: text=1,label=0.
        strict: end with the first bad line; otherwise they are counted.
    """
    found: dict[str, str | int] = {}
    for pair in filter(None, (columns or "").split(",")):
        field, equals, name = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--columns={columns}: give FIELD=NAME or =NUMBER")
        found[field] = int(name) if name.lstrip("-").isdecimal() else name
    return {"format": format, "columns": found, "strict": strict, **text}


def class_named(name: str):
    """The class of a task that learns from examples."""
    from massivetext_keras import tasks

    def learns(task):
        return issubclass(task.data_class, tasks.Examples)

    cls = tasks.task_class("", name)
    if not learns(cls):
        known = [name for name, task in tasks.TASKS.items() if learns(task)]
        raise UsageError(f"--task={name} learns from no examples: {nearest('', known)}")
    return cls


def task_of(*, preset: Preset, task: TaskName | None = None, option: Options = ()):
    """The task of a preset, with what its options change."""
    from massivetext_keras import tasks

    cls = class_named(tasks.task_class(preset, task).registered_name())
    return cls.from_preset(preset, **options_of(cls, option))


def options_of(cls, pairs: Iterable[str]) -> dict[str, Any]:
    """Options of a task, their values read as JSON if they are."""
    from massivetext_keras.tasks.registry import check_options

    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--option={pair} is not of the form name=value")
        with contextlib.suppress(json.JSONDecodeError):
            text = json.loads(text)
        try:
            check_options(cls, {name: text})
        except ValueError as error:
            raise UsageError(f"--option={pair}: {error}") from None
        options[name] = text
    return options
