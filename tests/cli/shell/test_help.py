"""Pages of help: usage, headings, examples that parse, and where to read on."""

from __future__ import annotations

import shlex

import pytest

from massivetext_keras.cli.flags import VERBS, Given, Verb, given
from massivetext_keras.cli.program import find_verb, parse, with_names
from massivetext_keras.cli.shell.help import groups, see_also, usage
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.experiment import ExperimentConfig
from tests.processes import ROOT

EXAMPLES = [
    (name, command) for name, verb in VERBS.items() for command in verb.examples
]


def bake(
    dough: str,
    *,
    oven: str,
    fields: Given = given(ExperimentConfig, "train.steps", "data.batch_size"),
    salt: bool = False,
) -> Result:
    """Bake bread.

    Args:
        dough: file of it.
        oven: which.
        salt: some.

    Examples:
        massivetext bake dough.txt --oven='the large one' --steps=3
            --batch_size=4
        massivetext bake x --oven=y
    """


def test_flags_stand_under_headings():
    found = groups(Verb("bake", bake))
    assert {key: [flag.name for flag in flags] for key, flags in found.items()} == {
        "required": ["dough", "oven"],
        "flags": ["salt"],
        "training": ["steps"],
        "data": ["batch_size"],
        "output": ["json"],
    }


def test_a_page_has_usage_and_examples():
    lines = usage(Verb("bake", bake)).splitlines()
    assert lines[:3] == [
        "massivetext bake: bake bread",
        "",
        "usage: massivetext bake DOUGH --oven=OVEN [--flag=value ...]",
    ]
    at = lines.index("examples:")
    assert lines[at + 1 :] == [
        "  massivetext bake dough.txt --oven='the large one' --steps=3 --batch_size=4",
        "  massivetext bake x --oven=y",
    ]


def test_every_verb_has_an_example():
    assert {name for name, _ in EXAMPLES} == VERBS.keys()


@pytest.mark.parametrize(("name", "command"), EXAMPLES)
def test_examples_are_commands(name, command):
    words = shlex.split(command.partition(" < ")[0].partition(" > ")[0])
    found, rest = find_verb(words[1:])
    assert words[0] == "massivetext" and found == name
    parse(VERBS[name], with_names(VERBS[name].words, rest))


def test_the_pages_that_are_named_exist():
    pages = {see_also(verb)[1] for verb in VERBS.values()}
    assert None not in pages
    assert [page for page in pages if not (ROOT / f"docs/{page}.md").is_file()] == []


def test_verbs_of_a_file_name_one_another():
    assert see_also(VERBS["ngram score"]) == (
        ["ngram train", "ngram generate", "ngram export"],
        "classics",
    )
