"""The verb that talks."""

from __future__ import annotations

import sys

from massivetext_keras.verbs.common import Values

_HELP = "/reset begins anew, /quit ends, control-C ends a reply"


def chat(values: Values) -> None:
    from massivetext_keras import tasks

    task = tasks.CausalLM.from_preset(values.preset)
    names = "max_new_tokens temperature top_k top_p min_p repetition_penalty banned"
    given = (name for name in names.split() if values[name].present)
    arguments = {name: values[name].value for name in given}
    opening = [] if values.system is None else [_message("system", values.system)]
    messages, seed = list(opening), values.seed
    person = sys.stdin.isatty()
    if person:
        print(_HELP, file=sys.stderr)
    while (text := _ask(person)) is not None:
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
                for piece in task.chat_stream(messages, seed=seed, **arguments):
                    reply.append(piece)
                    print(piece, end="", flush=True)
            except KeyboardInterrupt:  # enough of this reply
                if not person:
                    raise
            print(flush=True)
            messages.append(_message("assistant", "".join(reply)))
            seed = None if seed is None else seed + 1


def _ask(person: bool) -> str | None:
    """What is said next; None at the end."""
    if person:
        print("> ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
