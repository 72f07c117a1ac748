"""What the documents say that can be looked up: links, commands, the picture."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from massivetext_keras import cli
from massivetext_keras.cli.program import find_verb, parse, with_names
from tests.processes import ROOT

CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def commands(page: Path) -> list[list[str]]:
    """The `massivetext` commands of the blocks of code in a page, as words."""
    blocks = [text for kind, text in CODE.findall(page.read_text()) if not kind]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [
        shlex.split(line, comments=True) for line in lines if "massivetext " in line
    ]
    return [words[1:] for words in found if words[:1] == ["massivetext"]]


COMMANDS = [(page.name, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = CODE.sub("", page.read_text())
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_commands_are_those_of_the_program(page, words):
    """They have known verbs, flags and values; an ellipsis stands for more of them."""
    name, rest = find_verb(words)
    if name is None:
        return
    more = "…" in rest
    rest = [word for word in rest if word != "…"]
    known = cli.VERBS[name]
    given = {word.split("=")[0].lstrip("-") for word in rest}
    if more:
        missing = [f for f in known.flags if f.default is cli.REQUIRED]
        rest += [f"--{f.name}=x" for f in missing if f.name not in given]
    parse(known, with_names(known.words, rest))


def test_the_pages_have_commands():
    assert {"README.md", "corpus.md", "tasks.md"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize("script", ["docs/draw_floors.py", "docs/draw_parallel.py"])
def test_pictures_show_what_the_code_says(script):
    spec = importlib.util.spec_from_file_location("draw", ROOT / script)
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert draw.PICTURE.read_text() == draw.draw(), f"run python {script}"
