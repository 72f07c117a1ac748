"""What `--help` says of the program and of a verb, as a page of a manual has it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from massivetext_keras.cli.flags import JSON, REQUIRED, VERBS, Flag, Verb

WIDTH = 80
# The heading of flags that come together, by the parameter that stands for them, or
# by the section of the experiment in which they are.
_HEADINGS = {
    "data": "data",
    "fields": "task",
    "how": "how it is done",
    "learning": "model and data",
    "limits": "limits",
    "optimizer": "optimizer",
    "reading": "how files are read",
    "rows": "rows",
    "steps": "rules of the corpus",
    "task": "task",
    "train": "training",
    "what": "model and data",
}
# Where more is said of the verbs of a file
_PAGES = {
    "adversarial": "classics",
    "cards": "trust",
    "corpus": "corpus",
    "doctor": "install",
    "generation": "training",
    "ngrams": "classics",
    "planning": "parallel",
    "shell": "tour",
    "serving": "serving",
    "tasks.auditing": "trust",
    "tasks.compression": "compression",
    "tasks.evaluation": "evaluation",
    "tasks.comparison": "evaluation",
    "tasks.explanation": "trust",
    "tasks.tuning": "evaluation",
    "tasks": "tasks",
    "tokens": "training",
    "training": "training",
    "vectors": "classics",
}


def overview() -> str:
    """What `massivetext --help` prints."""
    lines = [
        "massivetext: language models with Keras on TensorFlow, from raw text to a",
        "SavedModel that takes strings.",
        "",
        "usage: massivetext VERB [--flag=value ...]",
        "",
    ]
    width = max(map(len, VERBS))
    lines += [f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items()]
    lines += [
        "",
        "massivetext VERB --help tells the flags of a verb, with examples.",
        "massivetext new FOLDER writes a small project to start from, and",
        "massivetext completion bash (or zsh) a script that completes words.",
        "Exit codes: 0, 1 (the work failed), 2 (wrong usage).",
    ]
    return "\n".join(lines)


def usage(verb: Verb) -> str:
    """What `massivetext VERB --help` prints."""
    lines = [f"massivetext {verb.name}: {verb.summary}", "", *_synopsis(verb)]
    if verb.details:
        lines += ["", *textwrap.wrap(verb.details, WIDTH)]
    for heading, flags in groups(verb).items():
        lines += ["", f"{heading}:"]
        for flag in flags:
            lines.append(f"  --{flag.name}")
            lines += [f"      {line}" for line in textwrap.wrap(flag.help, WIDTH - 6)]
    if verb.examples:
        lines += ["", "examples:"]
        for command in verb.examples:
            lines += wrapped(command, "  ", " \\")
    beside, page = see_also(verb)
    if beside or page:
        known = [f"massivetext {name}" for name in beside]
        said = ", ".join(known + [f"docs/{page}.md"] * bool(page))
        lines += ["", *textwrap.wrap(f"see also: {said}", WIDTH)]
    return "\n".join(lines)


def groups(verb: Verb) -> dict[str, list[Flag]]:
    """The flags of a verb under headings: first those that are required.

    >>> [flag.name for flag in groups(VERBS["export"])["required"]]
    ['preset', 'output']
    """
    found: dict[str, list[Flag]] = {"required": [], "flags": []}
    for flag in verb.flags:
        found.setdefault(_heading(flag), []).append(flag)
    output = [flag for flag in found["flags"] if flag == JSON]
    found["flags"] = [flag for flag in found["flags"] if flag != JSON]
    found["output"] = output
    return {heading: flags for heading, flags in found.items() if flags}


def see_also(verb: Verb) -> tuple[list[str], str | None]:
    """The other verbs of its file, and the page of docs/ that says more.

    >>> see_also(VERBS["tokenize"])
    (['tokenizer train'], 'training')
    """
    file = verb.function.__module__
    beside = [
        name
        for name, other in VERBS.items()
        if other.function.__module__ == file and other is not verb
    ]
    place = file.removeprefix("massivetext_keras.cli.")
    return beside, _PAGES.get(place, _PAGES.get(place.partition(".")[0]))


def _heading(flag: Flag, headings: Mapping[str, str] = _HEADINGS) -> str:
    if flag.default is REQUIRED:
        return "required"
    *places, last = flag.place
    section = last.partition(".")[0] if "." in last else ""
    known = [x for x in (section, *reversed(places)) if x in headings]
    return headings[known[0]] if known else "flags"


def _synopsis(verb: Verb) -> list[str]:
    words = [f"massivetext {verb.name}"]
    for flag in verb.flags:
        required = flag.default is REQUIRED
        if flag.name in verb.words:
            words.append(flag.name.upper() if required else f"[{flag.name.upper()}]")
        elif required:
            words.append(f"--{flag.name}={flag.name.upper()}")
    rest = "[--flag=value ...]" if len(verb.flags) > len(words) - 1 else ""
    return wrapped(" ".join(filter(None, [*words, rest])), "usage: ", "")


def wrapped(command: str, indent: str, end: str) -> list[str]:
    """A command in lines; quoted words stay whole.

    >>> wrapped("a --b='c d' --" + "e" * 70, "", " \\\\")[0]
    "a --b='c d' \\\\"
    """
    lines, line = [], ""
    for word in re.findall(r"(?:'[^']*'|[^\s'\[]|\[[^\]]*\])+", command):
        longer = f"{line} {word}" if line else f"{indent}{word}"
        if len(longer) + len(end) > WIDTH and line:
            lines.append(line + end)
            longer = " " * (len(indent) + 4) + word
        line = longer
    return [*lines, line]
