"""Tasks by name, and which one a preset is for where nobody says."""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.support.values import UnknownName, choose, nearest
from massivetext_keras.tasks.answering.task import QuestionAnswerer
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.classification.task import TextClassifier
from massivetext_keras.tasks.embedding.task import TextEmbedder
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.tasks.masked_lm.replaced_tokens import ReplacedTokenDetector
from massivetext_keras.tasks.masked_lm.task import MaskedLM
from massivetext_keras.tasks.seq2seq.task import Seq2SeqLM
from massivetext_keras.tasks.source import Source
from massivetext_keras.tasks.tagging.task import TokenClassifier

_ALL = (
    CausalLM,
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
TASKS: dict[str, type[Task]] = {cls.__name__: cls for cls in _ALL}
"""The tasks by name."""
FROM_TEXT = tuple(k for k, cls in TASKS.items() if cls.data_class.reads_texts())
"""Names of the tasks whose `datasets` reads text files."""
_OF_STACK = {
    "decoder": CausalLM,
    "prefix": CausalLM,
    "recurrent": CausalLM,
    "encoder": MaskedLM,
    "encoder_decoder": Seq2SeqLM,
    "recurrent_seq2seq": Seq2SeqLM,
    "word_encoder": TextClassifier,  # it is read for that, and has no language model
}


def task_class(source: str | ModelConfig, name: str | None = None) -> type[Task]:
    """The class of a task.

    Args:
        source: a config, or what `Task.from_preset` takes. A folder is for the task
            that wrote it, or whose head Hugging Face's class has; all else for the
            language model of its kind of stack, of an encoder of words for a
            classifier.
        name: of another class, for which the source shall be used, or
            "package.module:Class" of one from elsewhere, which is imported (None: the
            source decides).

    Raises:
        ValueError: the name or the source is unknown; or the folder is of a class from
            elsewhere, whose module nobody has imported: a folder imports none.
        FileNotFoundError: a file of the folder is missing.

    >>> (
    ...     task_class("bert_tiny").__name__,
    ...     task_class("bert_tiny", "TextEmbedder").__name__,
    ... )
    ('MaskedLM', 'TextEmbedder')
    """
    if name is not None:
        return _class_at(name) if ":" in name else choose("task", name, TASKS)
    if isinstance(source, ModelConfig):
        return _OF_STACK[source.stack]
    opened = Source.open(source)
    if opened.task is not None:
        return _class_in_folder(opened, opened.task)
    for cls in _ALL:
        if opened.head is not None and opened.head in cls.hugging_face_heads:
            return cls
    return _OF_STACK[opened.config.stack]


def check_options(cls: type[Task], options: Mapping[str, Any]) -> None:
    """Refuses options that a task does not have, or of another type than it takes.

    Args:
        cls: of the task.
        options: by name, as they come from JSON.

    Raises:
        ValueError: names the option.

    >>> check_options(TextClassifier, {"r_drop": "much"})
    Traceback (most recent call last):
    ValueError: r_drop is float, not 'much'
    """
    hints = typing.get_type_hints(cls.__init__)
    for name, value in options.items():
        if name not in cls.options:
            hint = nearest(name, cls.options)
            raise ValueError(f"{cls.__name__} has no {name!r}: {hint}")
        wanted = _plain_types(hints.get(name))
        given = {int, float} if type(value) is int else {type(value)}
        if wanted and not wanted & given:
            kinds = " or ".join(sorted(kind.__name__ for kind in wanted))
            raise ValueError(f"{name} is {kinds}, not {value!r}")


def _plain_types(hint: Any) -> set[type]:
    """The types of an annotation that is made of plain ones, else none.

    >>> sorted(kind.__name__ for kind in _plain_types(int | None))
    ['NoneType', 'int']
    >>> _plain_types(str | Mapping[str, float])
    set()
    """
    kinds = set(typing.get_args(hint) or (hint,))
    return kinds if kinds <= {bool, int, float, str, type(None)} else set()


def _class_in_folder(source: Source, task: str) -> type[Task]:
    module = task.partition(":")[0]
    if module != task:
        if module in sys.modules:
            return _class_at(task)
        raise UnknownName(
            f"{source.name} is of {task!r}: import {module}, or name the task"
        )
    if task not in TASKS:
        hint = nearest(task, TASKS)
        raise ValueError(f"{source.name}: unknown task {task!r}: {hint}")
    return TASKS[task]


def _class_at(place: str) -> type[Task]:
    """The class at "package.module:Class".

    Raises:
        UnknownName: there is none, or it is no task.
    """
    module, _, name = place.partition(":")
    try:
        there = vars(importlib.import_module(module))
    except ModuleNotFoundError as error:
        raise UnknownName(f"task {place!r}: {error}") from error
    tasks = {
        key: value
        for key, value in there.items()
        if isinstance(value, type) and issubclass(value, Task)
    }
    return choose(f"task of {module}", name, tasks)
