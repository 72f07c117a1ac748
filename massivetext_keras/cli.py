"""`massivetext`: one program with a verb for each stage, from text to export."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import textwrap

from absl import flags

from massivetext_keras import __version__
from massivetext_keras.commands import REQUIRED, VERBS, Flag
from massivetext_keras.support.quiet import quiet_tensorflow
from massivetext_keras.support.values import UnknownName, nearest
from massivetext_keras.verbs import UsageError

WIDTH = 80


def main(argv: list[str] | None = None) -> None:
    """Runs one verb and exits: 0, 1 (the work failed) or 2 (wrong usage)."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Runs one verb.

    Args:
        argv: the command line without the program's name.

    Returns:
        The exit code.
    """
    quiet_tensorflow()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # as files are read
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        name, rest = find_verb(argv)
        if name is None:
            print(__version__ if "--version" in argv else overview())
            return 0
        values = define(VERBS[name].flags)
        if {"--help", "-h", "-help"} & set(rest):
            print(usage(name))
            return 0
        parse(name, values, with_names(VERBS[name].words, rest))
        VERBS[name].run(values)
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


def parse(name: str, values: flags.FlagValues, argv: list[str]) -> None:
    """Parses the flags of a verb.

    Raises:
        UsageError: a flag is unknown or missing, or its value of the wrong type or out
            of its bounds.
    """
    try:
        left = values([f"massivetext {name}", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        hint = nearest(error.flagname, list(values))
        raise UsageError(f"unknown flag --{error.flagname}: {hint}") from None
    except flags.Error as error:
        missing = re.search(
            r"Flag (--\w+) must have a value other than None", str(error)
        )
        text = f"{missing[1]} is required" if missing else str(error)
        raise UsageError(f"{text}; see {name} --help") from None
    if left:
        raise UsageError(f"{left[0]!r} belongs to no flag; see {name} --help")
    for flag in VERBS[name].flags:
        value = values[flag.name].value
        if flag.kind in (int, float) and (complaint := flag.complaint(value)):
            raise UsageError(f"--{flag.name}={value} {complaint}; see {name} --help")


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
    lines += ["", "massivetext VERB --help tells the flags of a verb."]
    return "\n".join(lines)


def usage(name: str) -> str:
    """What `massivetext VERB --help` prints."""
    verb = VERBS[name]
    lines = [f"massivetext {name}: {verb.summary}", ""]
    if verb.details:
        lines += [*textwrap.wrap(verb.details, WIDTH), ""]
    for flag in verb.flags:
        text, default = flag.help, flag.default
        if isinstance(flag.kind, tuple):
            text = f"{text}; one of {', '.join(flag.kind)}"
        if default is REQUIRED:
            text = f"{text} (required)"
        elif default not in (None, "", []):
            text = f"{text} (default: {default})"
        lines.append(f"  --{flag.name}")
        lines += [f"      {line}" for line in textwrap.wrap(text, WIDTH - 6)]
    return "\n".join(lines)


def define(table: tuple[Flag, ...]) -> flags.FlagValues:
    """The flags of a verb, ready to be parsed."""
    values = flags.FlagValues()
    makers = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        list: flags.DEFINE_multi_string,
    }
    for name, default, text, kind, *_ in table:
        value = None if default is REQUIRED else default
        if isinstance(kind, tuple):
            flags.DEFINE_enum(name, value, kind, text, flag_values=values)
        else:
            makers[kind](name, value, text, flag_values=values)
        if default is REQUIRED:
            flags.mark_flag_as_required(name, flag_values=values)
    return values
