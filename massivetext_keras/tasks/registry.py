"""Which task a preset is for, where nobody says."""

from __future__ import annotations

from massivetext_keras.architecture.config import TransformerConfig
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
FROM_TEXT = ("CausalLM", "MaskedLM", "ReplacedTokenDetector")
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
