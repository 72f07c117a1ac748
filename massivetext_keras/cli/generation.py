"""The verbs that write: go on with texts, and talk."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TextIO

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Preset
from massivetext_keras.cli.shell.results import Result

_LM = "massivetext_keras.tasks.language_model"
_GENERATE = f"{_LM}.task:CausalLM.generate"
_VALUES = "massivetext_keras.generation.settings"
_SAMPLING = (
    f"{_VALUES}:Sampling",
    *("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"),
)
_HELP = "/reset begins anew, /quit ends, control-C ends a reply"


@verb("generate")
def generate(
    *,
    preset: Preset,
    prompt: Annotated[
        Sequence[str] | None,
        "text to go on with; may repeat (default: the lines of standard input)",
    ] = None,
    how: Given = given(_GENERATE, "max_new_tokens")
    | given(*_SAMPLING)
    | given(_GENERATE, "banned", "num_samples", "stop", "include_prompt")
    | given(f"{_VALUES}:Beams", "num_beams", "length_penalty"),
    stream: bool = False,
) -> Iterator[Result]:
    """Continue texts.

    Texts go to standard output, everything else to standard error. What is not asked
    for is as the preset's own settings have it, and else as below.

    Args:
        stream: write pieces as they come; for one prompt.

    Examples:
        massivetext generate --preset=runs/1 --prompt='Once upon a time'
        massivetext generate --preset=runs/1 --num_samples=3 --json < prompts.txt
    """
    from massivetext_keras import tasks

    task = tasks.CausalLM.from_preset(preset)
    yield from texts(task, prompt or sys.stdin.read().splitlines(), stream, **how)


def texts(
    task: Any, prompts: Sequence[str], stream: bool, **how: Any
) -> Iterator[Result]:
    """How a task goes on with prompts, a result for each.

    Args:
        task: with `generate` and, for pieces, `stream`.
        prompts: texts.
        stream: print pieces as they come.
        **how: for `generate`.
    """
    several = how.get("num_samples")
    if stream:
        if len(prompts) != 1 or several:
            raise UsageError("--stream takes one prompt and no --num_samples")
        how.pop("num_samples", None)
        pieces = []
        for piece in task.stream(prompts[0], **how):
            pieces.append(piece)
            print(piece, end="", flush=True)
        print()
        yield Result(None, {"prompt": prompts[0], "text": "".join(pieces)})
        return
    for prompt, text in zip(prompts, task.generate(prompts, **how), strict=True):
        shown = "\n".join(text) if several else text
        yield Result(shown, {"prompt": prompt, "text": text})


@verb("chat")
def chat(
    *,
    preset: Preset,
    system: Annotated[str | None, "what the assistant is told before"] = None,
    how: Given = given(f"{_LM}.task:CausalLM.chat", "max_new_tokens")
    | given(*_SAMPLING)
    | given(_GENERATE, "banned"),
) -> None:
    """Talk with a model.

    A line of standard input is what you say, the reply goes to standard output, and
    what was said before belongs to the conversation. /reset begins anew, /quit ends,
    and control-C ends a reply. The preset has the template; `finetune --task=CausalLM`
    teaches replies.

    Examples:
        massivetext chat --preset=runs/1 --system='You are brief.'
    """
    from massivetext_keras import tasks

    task = tasks.CausalLM.from_preset(preset)
    opening = [] if system is None else [_message("system", system)]
    converse(task, sys.stdin, opening, **how)


def converse(
    task: Any,
    lines: TextIO,
    opening: Sequence[Mapping[str, str]] = (),
    seed: int | None = None,
    **how: Any,
) -> None:
    """Prints the replies to what is said, line by line.

    Args:
        task: with `chat_stream`.
        lines: what is said; of a terminal, it is asked for.
        opening: messages with which the conversation begins.
        seed: of the first reply; the next ones have those after it.
        **how: for `chat_stream`.
    """
    messages, person = list(opening), lines.isatty()
    if person:
        print(_HELP, file=sys.stderr)
    while (text := _said(lines, person)) is not None:
        if text == "/quit":
            return
        if text == "/reset":
            messages = list(opening)
        elif text.startswith("/"):
            print(f"unknown command {text.split()[0]}: {_HELP}", file=sys.stderr)
        elif text:
            messages.append(_message("user", text))
            reply = []
            try:
                for piece in task.chat_stream(messages, seed=seed, **how):
                    reply.append(piece)
                    print(piece, end="", flush=True)
            except KeyboardInterrupt:  # enough of this reply
                if not person:
                    raise
            print(flush=True)
            messages.append(_message("assistant", "".join(reply)))
            seed = None if seed is None else seed + 1


def _said(lines: TextIO, person: bool) -> str | None:
    """What is said next; None at the end."""
    if person:
        print("> ", end="", file=sys.stderr, flush=True)
    line = lines.readline()
    return line.strip() if line else None


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
