"""Flags come from signatures: a verb is one function, and a default stands once."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import pytest

from massivetext_keras import cli
from massivetext_keras.cli.flags import VERBS, Flag, Given, Verb, given, verb
from massivetext_keras.cli.program import parse, usage
from massivetext_keras.cli.signatures import REQUIRED, arguments
from massivetext_keras.support.values import Config, Range, parse_size
from tests.processes import ROOT

BUILD = "massivetext_keras.corpus.pipeline:build"


@dataclasses.dataclass(frozen=True)
class Rows(Config):
    """How rows are made.

    Attributes:
        size: tokens
            of a row.
        share: of the rows, that are kept.
    """

    size: int = 7
    share: float = 0.5


@dataclasses.dataclass(frozen=True)
class Whole(Config):
    """All settings."""

    rows: Rows = Rows(size=9)


def draw(rows, times: Annotated[int, Range(least=1)] = 4, names: Sequence[str] = ()):
    """Draws rows.

    Args:
        rows: of a table.
        times, names: how often, and how
            they are called.
    """
    return [rows] * times


def shuffle(
    first: str,
    *,
    fields: Given = given(Whole, "rows.size", part="rows.share"),
    how: Literal["fast", "exact"] = "fast",
    drawing: Given = given(draw, "times", "names"),
    quiet: bool = False,
) -> None:
    """Shuffle rows.

    In any
    order.

    Args:
        first: file of rows.
        how: in which way.
        quiet: say nothing.
    """
    heard.append((first, fields, how, drawing, quiet))


heard: list[tuple] = []


def test_flags_have_the_types_ranges_and_defaults_of_what_they_fill():
    found = Verb("shuffle", shuffle).flags
    no = Range()
    assert found == (
        Flag("first", str, REQUIRED, "file of rows", no, ("first",)),
        Flag("size", int, 9, "tokens of a row", no, ("fields", "rows.size")),
        Flag("part", float, 0.5, "of the rows, that are kept", no,
             ("fields", "rows.share")),
        Flag("how", ("fast", "exact"), "fast", "in which way", no, ("how",)),
        Flag("times", int, 4, "how often, and how they are called", Range(least=1),
             ("drawing", "times")),
        Flag("names", list, [], "how often, and how they are called", no,
             ("drawing", "names")),
        Flag("quiet", bool, False, "say nothing", no, ("quiet",)),
    )  # fmt: skip


def test_only_what_was_given_is_handed_on():
    shown = Verb("shuffle", shuffle)
    assert parse(shown, ["--first=a"]) == {
        **{"first": "a", "fields": {}, "how": "fast", "drawing": {}, "quiet": False}
    }
    line = ["--first=a", "--size=9", "--names=x", "--names=y", "--quiet"]
    found = parse(shown, line)
    assert found["fields"] == {"rows.size": 9} and found["quiet"] is True
    assert found["drawing"] == {"names": ["x", "y"]}


@pytest.fixture
def shuffling():
    """The verb, as a file of `cli/` would add it, and what it was called with."""
    verb("shuffle")(shuffle)
    heard.clear()
    yield heard
    del VERBS["shuffle"]


def test_a_verb_is_one_function(good, bad, shuffling):
    assert "  shuffle " in good("--help") and "shuffle rows" in good("--help")
    assert good("shuffle", "rows.txt", "--how=exact", "--part=1", "--times=2") == ""
    called = "rows.txt", {"rows.share": 1.0}, "exact", {"times": 2}, False
    assert shuffling == [called]
    line = "--times=0 must be at least 1; see shuffle --help"
    assert bad("shuffle", "a", "--times=0") == (2, line)
    line = "unknown flag --szie: did you mean 'size'?"
    assert bad("shuffle", "a", "--szie=2") == (2, line)
    line = "--first is required; see shuffle --help"
    assert bad("shuffle") == (2, line)


def test_help_says_types_ranges_and_defaults():
    assert usage(Verb("shuffle", shuffle)).splitlines() == [
        "massivetext shuffle: shuffle rows",
        "",
        "usage: massivetext shuffle FIRST [--flag=value ...]",
        "",
        "In any order.",
        "",
        "required:",
        "  --first",
        "      file of rows (required)",
        "",
        "flags:",
        "  --how",
        "      in which way; one of fast, exact (default: fast)",
        "  --times",
        "      how often, and how they are called; int, at least 1 (default: 4)",
        "  --names",
        "      how often, and how they are called; may repeat",
        "  --quiet",
        "      say nothing (default: False)",
        "",
        "rows:",
        "  --size",
        "      tokens of a row; int (default: 9)",
        "  --part",
        "      of the rows, that are kept; float (default: 0.5)",
    ]


def taken(source) -> list[str]:
    """Sources that the verbs name as text, those of groups of flags too."""
    found = []
    for argument in arguments(source).values():
        inner = getattr(argument.default, "source", None)
        if isinstance(inner, str):
            found.append((inner, *argument.default.names.values()))
        elif inspect.isfunction(inner):
            found += taken(inner)
    return found


SOURCES = sorted({x for verb in cli.VERBS.values() for x in taken(verb.function)})


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0].split(":")[1])
def test_what_is_read_off_a_source_is_what_python_makes_of_it(source):
    path, *names = source
    function = pkgutil.resolve_name(path)
    known, read = inspect.signature(function).parameters, arguments(path, names)
    assert list(read) == names
    for name in names:
        assert read[name].default == known[name].default
        assert read[name].text or path.endswith("Chat.chat"), name


def test_a_size_has_one_default():
    """A corpus by the command and one by Python are the same build."""
    flags = {flag.name: flag for flag in cli.VERBS["corpus build"].flags}
    known = inspect.signature(pkgutil.resolve_name(BUILD)).parameters
    assert flags["shard_size"].default == known["shard_bytes"].default
    assert parse_size(flags["shard_size"].default) == 128_000_000


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_flag_says_what_it_means(name):
    assert [flag.name for flag in cli.VERBS[name].flags if not flag.text] == []


def test_help_of_every_verb_imports_no_tensorflow():
    code = (
        "import sys; from massivetext_keras import cli\n"
        "for name in cli.VERBS: assert cli.run([*name.split(), '--help']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pyarrow', 'matplotlib'}\n"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.count(b"massivetext ") >= len(cli.VERBS)


def test_of_a_function_with_overloads_the_last_definition_is_read():
    source = "massivetext_keras.tasks.language_model.task:CausalLM.generate"
    found = arguments(source, ("max_new_tokens",))["max_new_tokens"]
    assert found.text == "tokens to write at the most (None: 64)"
