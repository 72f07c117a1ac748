"""What of a language model an export has that writes texts step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.constraints import Constraints
from massivetext_keras.generation.slots import Rules
from massivetext_keras.generation.slots.signatures import Replies, SlotSignatures
from massivetext_keras.generation.texts import ids_that_end
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.tasks.served import graph_of
from massivetext_keras.text.conversations import chat_ids

# An empty one, several lengths, two that begin alike.
_PROMPTS = ["", "Once upon a time", "Über", *("a b c d " * 12 + x for x in "ef")]
_QUESTION = "How are you?"
_GREEDY = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def rules_of(task: Any) -> Rules:
    """What holds for all texts of a `CausalLM`."""
    never, banned = Constraints(task.never_ids), task.writers.banned_phrases()
    return Rules(ids_that_end(task), never, banned)


def replies_of(task: Any) -> Replies | None:
    """How a `CausalLM` reads conversations and ends replies; None where its template
    has no form for a graph."""
    template = task.assistant.graph_template
    if template is None:
        return None

    def read(roles, texts, room):
        return chat_ids(task.tokenizer, template, roles, texts, room).token_ids

    return Replies(read, task.chat_stop_ids(), task.chat_stop_strings())


class Streaming:
    """The signatures of a `CausalLM` that `SlotSignatures` has.

    Args:
        task: a `CausalLM` with a tokenizer.
        xla: write by an XLA program.
    """

    def __init__(self, task: Any, xla: bool):
        self.xla, rules, own = xla, rules_of(task), task.own_numbers
        parts = (task.need_tokenizer(), task.backbone)
        self.slots = SlotSignatures(*parts, rules, own, xla, replies_of(task))

    @property
    def variables(self) -> list[tf.Variable]:
        """What an export has to hold."""
        return self.slots.variables

    def signatures(self) -> dict[str, Callable]:
        """The graphs by name."""
        return self.slots.signatures()

    def check(self, signatures: Mapping[str, Callable], task: Any) -> None:
        """Compares texts of an export with those of the task, and replies.

        Raises:
            RuntimeError: one is another text.
        """
        context = task.config.max_length
        new = tf.constant(min(8, context // 2))
        how = {"max_new_tokens": new, **_GREEDY}
        generate = graph_of(task, type(task).generate_graph, self.xla)
        right = generate(_PROMPTS, **how)
        wanted = [
            text.decode().removeprefix(prompt)
            for prompt, text in zip(_PROMPTS, right["text"].numpy(), strict=True)
        ]
        asked = [("slots_fill", {"prompt": prompt}) for prompt in _PROMPTS]
        found = written(signatures, asked, new, context)
        _compare(_PROMPTS, found, wanted, right["_lead"])
        if "slots_chat" in signatures:
            right = task.chat_graph([["user"]], [[_QUESTION]], **how)
            talk = {"roles": ["user"], "texts": [_QUESTION]}
            found = written(signatures, [("slots_chat", talk)], new, context)
            replies = [text.lstrip() for text in found]
            wanted = [text.decode() for text in right["text"].numpy()]
            _compare([_QUESTION], replies, wanted, right["_lead"])


def _compare(
    prompts: list[str], found: list[str], wanted: list[str], lead: tf.Tensor
) -> None:
    """Refuses texts that are others, but for those that rounding may choose."""
    sure = np.abs(lead.numpy()) > 3 * ROUNDING
    for prompt, one, other, known in zip(prompts, found, wanted, sure, strict=True):
        if known and not one.startswith(other):
            raise RuntimeError(
                f"the export's slots write {one!r} behind {prompt!r}, the model "
                f"{other!r}"
            )


def written(
    signatures: Mapping[str, Callable],
    asked: Sequence[tuple[str, Mapping[str, Any]]],
    new: tf.Tensor,
    places: int,
) -> list[str]:
    """The most probable texts, by the slots of an export.

    Args:
        signatures: of the export, by name.
        asked: which of them fills a slot, and with what.
        new: tokens of a text at the most, int32 scalar.
        places: tokens that a slot has room for.
    """
    how = {name: tf.constant(x) for name, x in _GREEDY.items()}
    how |= {"max_new_tokens": new, "repetition_penalty": tf.constant(1.0)}
    slots = tf.constant(len(asked))
    signatures["slots_open"](slots=slots, places=tf.constant(places))
    for i, (name, inputs) in enumerate(asked):
        given = {key: tf.constant(value) for key, value in inputs.items()}
        signatures[name](slot=tf.constant(i), **given, **how)
    while True:
        seen = signatures["slots_step"](steps=tf.constant(8))
        if seen["done"].numpy().all():
            return [text.decode() for text in seen["text"].numpy()]
