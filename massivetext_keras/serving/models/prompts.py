"""What the engines of exports take for prompts, and how they say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

from massivetext_keras.serving.requests import GenerationRequest
from massivetext_keras.text.examples import Conversation


def checked_prompt(
    request: GenerationRequest,
    context: int,
    chats: bool,
    count: Callable[[str], int],
) -> None:
    """Refuses what an export can never write.

    Args:
        request: what is asked for.
        context: tokens of a prompt and its text together.
        chats: whether conversations are answered.
        count: how many tokens a text has.

    Raises:
        ValueError: names the field.
    """
    if request.logprobs:
        raise ValueError("logprobs: an export does not say which token is which")
    new, prompt = request.max_new_tokens, request.prompt
    if not 0 < new < context:
        most = context - 1
        raise ValueError(f"max_new_tokens must be positive and at most {most}")
    if request.ignore_end or request.stop_ids:
        raise ValueError("ignore_end: an export does not say which token is which")
    if isinstance(prompt, Conversation):
        if not chats:
            raise ValueError("prompt: the export has no chats")
    elif not isinstance(prompt, str):
        raise ValueError("prompt must be a text: an export takes no ids")
    elif (tokens := count(prompt)) + new > context:
        raise ValueError(
            f"prompt: {tokens} tokens and max_new_tokens {new} exceed the context of "
            f"{context}"
        )


def said(message: str) -> str:
    """What an error of a graph says, without where in the graph.

    >>> said("Graph execution error:\\n\\nDetected at a\\nit is 3\\n\\t [[{{node a}}]]")
    'it is 3'
    """
    about = ("Graph execution error", "Detected at", "Stack trace", " ", "\t")
    lines = [line for line in message.splitlines() if line.strip()]
    found = [line for line in lines if not line.startswith(about)] or lines
    asserted = re.match(r"assertion failed: \[(.+?)\]", found[-1])
    return (asserted[1] if asserted else found[-1])[:300]
