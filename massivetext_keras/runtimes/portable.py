"""A task as values that no run time of its own is needed for: config, weights, head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.saving.weights import arrays_of
from massivetext_keras.text.framing import frame, max_text_tokens, separator_ids


class Head(NamedTuple):
    """What a task makes of hidden states.

    Attributes:
        kind: "language_model", "masked_lm", "discriminator", "classification",
            "tokens", "spans" or "embedding".
        settings: what the numbers depend on: of a classification its `head`, `scores`
            ("softmax", "sigmoid" or "identity") and `temperature`; of an embedding its
            `poolings` and `unit_length`; of a masked language model the `fields` of the
            config that are others in it.
    """

    kind: str
    settings: Mapping[str, Any] = {}


class Portable(NamedTuple):
    """A task as values.

    Attributes:
        task: name of its class.
        config: shape of its model.
        weights: float32 arrays by the names of presets, adapters merged.
        head: what it makes of hidden states.
        tokenizer: strings to ids, or None.
        options: of the task, as presets have them.
        example: a text that it can be asked.
    """

    task: str
    config: TransformerConfig
    weights: Mapping[str, np.ndarray]
    head: Head
    tokenizer: Any
    options: Mapping[str, Any]
    example: str = "a text"

    def reading(self) -> dict[str, Any]:
        """How texts become rows of ids, for a program that has the tokenizer: the ids
        around and between texts, the padding, and the longest row."""
        longest = self.config.max_length
        if limit := self.options.get("sequence_length"):
            longest = min(limit, longest)
        if self.tokenizer is None:
            return {"max_length": longest}
        before, after = frame(self.tokenizer)
        return {
            "max_length": longest,
            "max_text_tokens": max_text_tokens(self.tokenizer, longest),
            "before": before,
            "between": separator_ids(self.tokenizer),
            "after": after,
            "pad_id": self.tokenizer.pad_id or 0,
        }


def portable(task: Any, format: str) -> Portable:
    """A task as values.

    Args:
        task: whose adapters are merged.
        format: that asks, for messages.

    Raises:
        ValueError: the task has no such form; says which format can hold it.
    """
    if not isinstance(task.config, TransformerConfig):
        raise cannot_hold(format, task, f"stack={task.config.stack!r}")
    floats = task.quantization.in_floats(task.named_weights())
    return Portable(
        type(task).__name__,
        task.config,
        {k: x.astype(np.float32) for k, x in arrays_of(floats).items()},
        task.portable_head(),
        task.tokenizer,
        task.chosen(),
        task.example_text,
    )


def cannot_hold(
    format: str, task: Any, trait: str, instead: str = 'format="savedmodel" holds it'
) -> ValueError:
    """The error for a task that a format cannot hold: what it lacks, what to do.

    >>> print(cannot_hold("gguf", "TextClassifier", "pooler=True"))
    the format 'gguf' cannot hold this TextClassifier: pooler=True;
    format="savedmodel" holds it
    """
    name = task if isinstance(task, str) else type(task).__name__
    return ValueError(
        f"the format {format!r} cannot hold this {name}: {trait}; {instead}"
    )
