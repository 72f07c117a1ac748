"""The program: finds the verb, parses its flags with absl, and says what is wrong."""

from __future__ import annotations

import functools
import importlib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from massivetext_keras import __version__
from massivetext_keras.cli.flags import JSON, REQUIRED, VERBS, Flag, UsageError, Verb
from massivetext_keras.cli.shell.help import overview, usage
from massivetext_keras.cli.shell.results import write
from massivetext_keras.support.quiet import quiet_tensorflow
from massivetext_keras.support.values import UnknownName, nearest

# Whose verbs there are, in the order in which `--help` lists them
_SUBJECTS = (
    "corpus",
    "tokens",
    "training",
    "planning",
    "generation",
    "ngrams",
    "vectors",
    "adversarial",
    "serving.export",
    "serving.serve",
    "tasks.fine_tuning",
    "tasks.evaluation",
    "tasks.predictions",
    "tasks.auditing",
    "tasks.explanation",
    "tasks.comparison",
    "tasks.compression",
    "tasks.tuning",
    "cards",
    "doctor",
    "shell.projects",
    "shell.completion",
)
for _subject in _SUBJECTS:
    importlib.import_module(f"massivetext_keras.cli.{_subject}")


def main(argv: list[str] | None = None) -> None:
    """Runs one verb and exits: 0, 1 (the work failed) or 2 (wrong usage).

    Usage is wrong where what the command line says is wrong whatever the disk holds: a
    name that is not known (of a verb, flag, preset, task, encoding, field, measure), a
    value of the wrong type or out of its range, flags that do not go together. Files
    and folders that are not there, or do not hold what they should, are failed work.
    """
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Runs one verb.

    Args:
        argv: the command line without the program's name.

    Returns:
        The exit code.
    """
    quiet_tensorflow()
    # TensorFlow leaves oneDNN off without AVX-512, but it is faster there, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # as files are read
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        name, rest = find_verb(argv)
        if name is None:
            print(__version__ if "--version" in argv else overview())
            return 0
        verb = VERBS[name]
        if {"--help", "-h", "-help"} & set(rest):
            print(usage(verb))
            return 0
        arguments = parse(verb, with_names(verb.words, rest))
        as_json = verb.has_results and arguments.pop(JSON.name)
        write(functools.partial(verb.function, **arguments), as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("massivetext: interrupted", file=sys.stderr)
        return 130
    except (UsageError, UnknownName) as error:
        print(f"massivetext: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        print(f"massivetext: {error}", file=sys.stderr)
        return 1
    return 0


def find_verb(argv: list[str]) -> tuple[str | None, list[str]]:
    """Splits a command line into the verb's name and the rest."""
    words = []
    for word in argv:
        if word.startswith("-"):
            break
        words.append(word)
    if not words:
        known = {"--help", "-h", "-help", "--version"}
        if argv and argv[0] not in known:
            raise UsageError(f"the verb comes first, then {argv[0]}; see --help")
        return None, []
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in VERBS:
            return name, argv[len(words[:count]) :]
    longer = [name for name in VERBS if name.startswith(f"{words[0]} ")]
    if longer and len(words) == 1:
        raise UsageError(
            f"{words[0]!r} is followed by another word: {', '.join(longer)}"
        )
    hint = nearest(" ".join(words[:2]) if longer else words[0], longer or VERBS)
    raise UsageError(f"unknown verb {' '.join(words)!r}: {hint}")


def with_names(names: tuple[str, ...], argv: list[str]) -> list[str]:
    """First words without dashes as the flags that they stand for.

    >>> with_names(("first", "second"), ["a", "b", "c", "--json"])
    ['--first=a', '--second=b', 'c', '--json']
    """
    found = []
    for name, word in zip(names, argv, strict=False):
        if word.startswith("-"):
            break
        found.append(f"--{name}={word}")
    return [*found, *argv[len(found) :]]


def parse(verb: Verb, argv: list[str]) -> dict[str, Any]:
    """The arguments that a command line has for a verb's function.

    Raises:
        UsageError: a flag is unknown or missing, or its value of the wrong type or out
            of its range.
    """
    values = define(verb.flags)
    try:
        left = values([f"massivetext {verb.name}", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        hint = nearest(error.flagname, list(values))
        raise UsageError(f"unknown flag --{error.flagname}: {hint}") from None
    except flags.Error as error:
        missing = re.search(
            r"Flag (--\w+) must have a value other than None", str(error)
        )
        text = f"{missing[1]} is required" if missing else str(error)
        raise UsageError(f"{text}; see {verb.name} --help") from None
    if left:
        raise UsageError(f"{left[0]!r} belongs to no flag; see {verb.name} --help")
    arguments: dict[str, Any] = {}
    for flag in verb.flags:
        value = values[flag.name].value
        if flag.kind in (int, float) and (complaint := flag.complaint(value)):
            raise UsageError(
                f"--{flag.name}={value} {complaint}; see {verb.name} --help"
            )
        flag.fill(arguments, value, bool(values[flag.name].present))
    return arguments


def define(table: Sequence[Flag]) -> flags.FlagValues:
    """Flags, ready to be parsed."""
    values = flags.FlagValues()
    makers: dict[type, Callable[..., Any]] = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        list: flags.DEFINE_multi_string,
    }
    for flag in table:
        required = flag.default is REQUIRED
        value = None if required else flag.default
        if isinstance(flag.kind, tuple):
            flags.DEFINE_enum(flag.name, value, flag.kind, flag.text, values)
        else:
            makers[flag.kind](flag.name, value, flag.text, flag_values=values)
        if required:
            flags.mark_flag_as_required(flag.name, flag_values=values)
    return values
