"""Which task a preset is for, where nobody says."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.architecture import shapes as presets
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.models import head_named
from massivetext_keras.huggingface.models import read_config as read_huggingface_config
from massivetext_keras.saving.presets import read_header
from massivetext_keras.support.values import choose, nearest
from massivetext_keras.tasks.answering.task import QuestionAnswerer
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.classification.task import TextClassifier
from massivetext_keras.tasks.embedding.task import TextEmbedder
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.tasks.masked_lm.replaced_tokens import ReplacedTokenDetector
from massivetext_keras.tasks.masked_lm.task import MaskedLM
from massivetext_keras.tasks.seq2seq.task import Seq2SeqLM
from massivetext_keras.tasks.source import HUGGING_FACE, located, unknown_source
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
    source = located(source)
    if source.startswith(HUGGING_FACE):
        folder = source.removeprefix(HUGGING_FACE)
        head = head_named(folder)
        for cls in _ALL:
            if head in cls.hugging_face_heads:
                return cls
        return task_class(read_huggingface_config(folder))
    if source in presets.PRESETS:
        return task_class(presets.preset(source))
    if not Path(source).is_dir():
        raise unknown_source(source)
    name = read_header(source)["task"]
    if name not in TASKS:
        raise ValueError(f"{source}: unknown task {name!r}: {nearest(name, TASKS)}")
    return TASKS[name]
