"""Texts that an export writes whole: its signatures `complete`, `complete_chat`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from massivetext_keras.serving.models.prompts import checked_prompt, said
from massivetext_keras.serving.requests import Finish, GenerationRequest, Piece
from massivetext_keras.text.examples import Conversation

if TYPE_CHECKING:
    from massivetext_keras.serving.models.model import Model

COMPLETE, CHAT, COUNT = "complete", "complete_chat", "count"
_NUMBERS = (
    *("max_new_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed"),
)


class Ticket:
    """A request that waits for its batch."""

    def __init__(self, answer: Future):
        self._answer = answer

    def cancel(self) -> None:
        """It is not written, unless its batch has begun."""
        self._answer.cancel()


class CompleteEngine:
    """Writes texts with the model's signatures, each as one piece, in batches with
    those that ask for the same but for the prompt.

    Args:
        model: that has `complete` and `count`, perhaps `complete_chat`.
        context: tokens of a prompt and its text together.
    """

    def __init__(self, model: Model, context: int):
        self.model, self.context = model, context
        self.chats = CHAT in model.signatures

    def submit(
        self, request: GenerationRequest, on_event: Callable[[Piece | Finish], None]
    ) -> Ticket:
        """Takes a request; see `GenerationEngine`."""
        checked_prompt(request, self.context, self.chats, self.count_tokens)
        if isinstance(request.prompt, Conversation):
            name, talk = CHAT, request.prompt._asdict()
            texts = {key: _strings(value)[None] for key, value in talk.items()}
        else:
            name, texts = COMPLETE, {"prompt": _strings([request.prompt])}
        specs = self.model.signatures[name].inputs
        given = {"stop": _strings(request.stop), **texts}
        for key in _NUMBERS:
            given[key] = np.asarray(getattr(request, key), specs[key].dtype)
        answer = self.model.ask(
            name, {key: given.get(key, spec.default) for key, spec in specs.items()}
        )
        answer.add_done_callback(lambda answer: _tell(answer, on_event))
        return Ticket(answer)

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has as a prompt."""
        found = self.model.signatures[COUNT].run({"text": _strings([text])})
        return int(found["tokens"][0])

    def warm_up(self) -> None:
        """Nothing: the model has its signatures warmed up."""

    def statistics(self) -> dict[str, float]:
        """Nothing: what waits are rows of the model's batches."""
        return {}

    def close(self) -> None:
        """Nothing: the model answers what waits for its batches."""


def _strings(texts: Any) -> np.ndarray:
    """Texts as a signature takes them.

    >>> _strings(["é"]), _strings([]).dtype
    (array([b'\\xc3\\xa9'], dtype=object), dtype('O'))
    """
    return np.array([text.encode() for text in texts], object)


def _tell(answer: Future, on_event: Callable[[Piece | Finish], None]) -> None:
    """The events of a text that is written, or not."""
    try:
        found: Mapping[str, np.ndarray] = answer.result()
    except CancelledError:
        on_event(Finish("cancelled", 0, 0))
        return
    except tf.errors.OpError as error:
        on_event(Finish("error", 0, 0, said(error.message)))
        return
    except Exception as error:  # the model's failure is the answer
        on_event(Finish("error", 0, 0, f"{type(error).__name__}: {error}"))
        return
    text = found["text"][0].decode(errors="replace")
    ids = found["token_ids"][0, : found["new_tokens"][0]].tolist()
    if text or ids:
        on_event(Piece(text, tuple(ids), ()))
    reason = found["finish_reason"][0].decode()
    counts = int(found["prompt_tokens"][0]), int(found["new_tokens"][0])
    on_event(Finish(reason, *counts))
