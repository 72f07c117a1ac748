"""What of a language model an export has that writes texts step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.slots import Rules
from massivetext_keras.generation.slots.signatures import SlotSignatures
from massivetext_keras.generation.texts import ids_that_end
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.tasks.served import graph_of

_PROMPTS = ["", "Once upon a time", "Über"]
_GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def rules_of(task: Any) -> Rules:
    """What holds for all texts of a `CausalLM`."""
    never, banned = Constraints(task.never_ids), task.writers.banned_phrases()
    return Rules(ids_that_end(task), never, banned)


class Streaming:
    """The signatures `slots_open`, `slots_fill` and `slots_step` of a `CausalLM`.

    Args:
        task: a `CausalLM` with a tokenizer.
        xla: write by an XLA program.
    """

    def __init__(self, task: Any, xla: bool):
        self.xla, how = xla, (rules_of(task), task.own_numbers, xla)
        self.slots = SlotSignatures(task.need_tokenizer(), task.backbone, *how)

    @property
    def variables(self) -> list[tf.Variable]:
        """What an export has to hold."""
        return self.slots.variables

    def signatures(self) -> dict[str, Callable]:
        """The graphs by name."""
        return self.slots.signatures()

    def check(self, signatures: Mapping[str, Callable], task: Any) -> None:
        """Compares texts of an export with those of the task.

        Raises:
            RuntimeError: one is another text.
        """
        new = min(8, task.config.max_length - 2)
        generate = graph_of(task, type(task).generate_graph, self.xla)
        right = generate(_PROMPTS, max_new_tokens=new, **_GREEDY)
        found = written(signatures, _PROMPTS, new, task.config.max_length)
        sure = np.abs(right["_lead"].numpy()) > 3 * ROUNDING
        for prompt, one, other, known in zip(
            _PROMPTS, found, right["text"].numpy(), sure, strict=True
        ):
            wanted = other.decode().removeprefix(prompt)
            if known and not one.startswith(wanted):
                raise RuntimeError(
                    f"the export's slots write {one!r} behind {prompt!r}, the model "
                    f"{wanted!r}"
                )


def written(
    signatures: Mapping[str, Callable], prompts: list[str], new: int, places: int
) -> list[str]:
    """The most probable texts behind prompts, by the slots of an export."""
    whole = {name: tf.constant(x) for name, x in _GREEDY.items()}
    penalty = tf.constant(1.0)
    signatures["slots_open"](
        slots=tf.constant(len(prompts)), places=tf.constant(places)
    )
    for i, prompt in enumerate(prompts):
        signatures["slots_fill"](
            slot=tf.constant(i),
            prompt=tf.constant(prompt),
            max_new_tokens=tf.constant(new),
            repetition_penalty=penalty,
            **whole,
        )
    while True:
        seen = signatures["slots_step"](steps=tf.constant(8))
        if seen["done"].numpy().all():
            return [text.decode() for text in seen["text"].numpy()]
