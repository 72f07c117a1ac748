"""Answers of signatures, whoever asks: by REST, by gRPC, as vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.models.prompts import said
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.serving.requests import QueueFull
from massivetext_keras.serving.service import Service


async def ask_judged(
    service: Service, model: Model, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The answer of a signature, if what goes in and comes out may pass.

    Raises:
        Refusal: it may not, or see `ask`.
    """
    judged = not service.moderator.is_idle
    if judged:
        await service.moderator.check(_texts(inputs), "inputs")
    outputs = await ask(model, signature, inputs)
    if judged:
        await service.moderator.check(_texts(outputs), "outputs")
    return outputs


async def ask(
    model: Model, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The answer of a signature.

    Raises:
        Refusal: it does not take these inputs, or too many rows wait.
    """
    try:
        return await asyncio.wrap_future(model.ask(signature, inputs))
    except QueueFull as error:
        raise Refusal(429, f"the queue is full: {error}", code="queue_full") from None
    except tf.errors.InvalidArgumentError as error:
        raise Refusal(400, said(error.message), "inputs") from None


def _texts(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """All strings of some arrays."""
    return [
        text.decode(errors="replace")
        for array in arrays.values()
        if array.dtype.kind == "O"
        for text in array.reshape(-1).tolist()
        if text
    ]
