"""Which task a preset is for, where nobody says."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.data.objectives.base import OBJECTIVES
from massivetext_keras.support.values import choose, nearest
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
# Those whose `datasets` reads text files.
FROM_TEXT = tuple(
    name
    for name, cls in TASKS.items()
    if (objective := cls.data_class.objective)
    and OBJECTIVES[objective].reads == "texts"
)
_OF_STACK = {
    "decoder": CausalLM,
    "prefix": CausalLM,
    "encoder": MaskedLM,
    "encoder_decoder": Seq2SeqLM,
}


def task_class(source: str | TransformerConfig, name: str | None = None) -> type[Task]:
    """The class of a task.

    Args:
        source: a config, or what `Task.from_preset` takes. A folder is for the task
            that wrote it, or whose head Hugging Face's class has; all else for the
            language model of its kind of stack.
        name: of another class, for which the source shall be used (None: the source
            decides).

    Raises:
        ValueError: the name or the source is unknown.
        FileNotFoundError: a file of the folder is missing.

    >>> (
    ...     task_class("bert_tiny").__name__,
    ...     task_class("bert_tiny", "TextEmbedder").__name__,
    ... )
    ('MaskedLM', 'TextEmbedder')
    """
    if name is not None:
        return choose("task", name, TASKS)
    if isinstance(source, TransformerConfig):
        return _OF_STACK[source.stack]
    source = Source.open(source)
    if source.task is not None:
        if source.task not in TASKS:
            hint = nearest(source.task, TASKS)
            raise ValueError(f"{source.name}: unknown task {source.task!r}: {hint}")
        return TASKS[source.task]
    for cls in _ALL:
        if source.head is not None and source.head in cls.hugging_face_heads:
            return cls
    return _OF_STACK[source.config.stack]


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
