"""The documentation has every public name, every verb and every page, and its pages are
made as the repository's are; `make docs` builds it and finds broken links."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
from functools import cache

import pytest
import yaml

import massivetext_keras as mtk
from massivetext_keras.cli import VERBS
from tests.processes import ROOT


@cache
def script(name: str):
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = script("made_pages")
PUBLIC = {
    name: importlib.import_module(f"massivetext_keras.{name}") for name in mtk._MODULES
}


def test_names_are_read_off_the_source_as_python_has_them():
    assert [*made.modules()] == [*mtk._MODULES]
    for name, file in made.modules().items():
        found = made.public_names(file)
        known = getattr(PUBLIC[name], "__all__", [])
        assert sorted(public.name for public in found) == sorted(known), name
        for public in found:
            there = pkgutil.resolve_name(public.home)
            here = getattr(PUBLIC[name], public.name)
            assert there is here or there == here, public


def test_editors_know_every_module():
    """What stands in `__init__` for them is what `__getattr__` gives."""
    text = (ROOT / "massivetext_keras/__init__.py").read_text()
    assert re.findall(r"^        (\w+),$", text, re.M) == [*mtk._MODULES]


def described(owner: type, name: str) -> bool:
    """Whether a method has a docstring, or does what one of a class below says."""
    below = owner.__mro__[1:]
    return bool(vars(owner)[name].__doc__) or any(hasattr(x, name) for x in below)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_a_docstring(module):
    missing = []
    for name in getattr(PUBLIC[module], "__all__", []):
        value = getattr(PUBLIC[module], name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if not value.__doc__:
            missing.append(name)
        if inspect.isclass(value):
            own = (x for x, v in vars(value).items() if inspect.isfunction(v))
            missing += [
                f"{name}.{x}"
                for x in own
                if not x.startswith("_") and not described(value, x)
            ]
    assert missing == []


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_constant_says_what_it_is(module):
    """By a string below it, which the site shows."""
    missing = []
    for name, home in made.public_names(made.modules()[module]):
        if inspect.isroutine(value := getattr(PUBLIC[module], name)):
            continue
        if inspect.isclass(value) or inspect.ismodule(value):
            continue
        tree = ast.parse(inspect.getsource(sys.modules[home.rpartition(".")[0]]))
        below = zip(tree.body, tree.body[1:], strict=False)
        said = [
            isinstance(after, ast.Expr)
            for node, after in below
            if name in ast.unparse(node).split(" = ")[0].split(":")
        ]
        missing += [] if any(said) else [name]
    assert missing == []


def test_each_name_is_documented_once():
    text = "\n".join(page for _, page in made.api_pages())
    shown = re.findall(r"^::: (.+)$", text, re.MULTILINE)
    assert (
        len(shown) == len(set(shown)) and "massivetext_keras.tasks.base.Task" in shown
    )
    assert "mtk.architecture.TransformerConfig" in text  # which `configs` has, too


def test_the_command_line_has_every_verb_and_flag():
    page = made.command_page()
    parts = dict(
        zip(*[iter(re.split(r"^## (.+)$", page, flags=re.M)[1:])] * 2, strict=1)
    )
    assert [*parts] == [*VERBS]
    for name, verb in VERBS.items():
        assert all(f"| `--{flag.name}` |" in parts[name] for flag in verb.flags), name
        assert "\n```\nmassivetext " in parts[name]


def leaves(nav) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    values = nav.values() if isinstance(nav, dict) else nav
    return [leaf for value in values for leaf in leaves(value)]


def test_every_page_is_in_the_navigation():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    docs = {x.relative_to(ROOT / "docs").as_posix() for x in ROOT.glob("docs/**/*.md")}
    generated = {page for page, _ in made.api_pages()} | {"reference/cli.md"}
    shown = leaves(config["nav"])
    assert sorted(shown) == sorted(docs | generated | {*made.PAGES.values()})


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("[a](docs/tasks.md#x)", "README.md", "[a](tasks.md#x)"),
        ("![a](docs/floors.svg)", "README.md", "![a](floors.svg)"),
        ("[a](../README.md#speed)", "docs/tasks.md", "[a](index.md#speed)"),
        ("[a](../tasks.md)", "docs/concepts/x.md", "[a](../tasks.md)"),
        ("[x](../examples/client.py)", "docs/tasks.md", "`examples/client.py`"),
        ("[`f`](examples/client.py)", "README.md", "`f`"),
        ("[a](https://x.org/b.md) [c](#d)", "README.md", None),
        ("[tasks.md](tasks.md#x)", "docs/x.md", "[Tasks](tasks.md#x)"),
        ("More (docs/tasks.md).", "docs/a/b.md", "More ([Tasks](../tasks.md))."),
        ("`d[0](docs/tasks.md)`", "README.md", None),
        ("```\nd[0](docs/tasks.md)\n```", "README.md", None),
    ],
)
def test_links_lead_where_the_site_has_the_same(text, place, expected):
    pages = {"tasks.md": "Tasks", "index.md": "Start", "floors.svg": ""}
    assert made.with_links(text, place, pages) == (expected or text)


def test_a_notebook_is_a_page_of_its_cells(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "Words."]},
        {"cell_type": "code", "source": ["a = 1\n", "a"], "outputs": []},
    ]
    path = tmp_path / "1_x.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    link = 'This page is a notebook: <a href="1_x.ipynb" download>1_x.ipynb</a>.'
    assert made.notebook_page(path).split("\n") == [
        *["# Title", "", link, "", "Words.", "", "```python", "a = 1", "a", "```", ""],
        "",
    ]


def test_every_notebook_is_a_page():
    assert [path.stem for path in made.NOTEBOOKS] == [
        page.removeprefix("tutorials/").removesuffix(".md")
        for page in made.PAGES.values()
        if page.startswith("tutorials/")
    ]
    assert len(made.NOTEBOOKS) == 8


def test_sessions_of_docstrings_are_blocks_of_code():
    pytest.importorskip("griffe", reason="it comes with mkdocstrings: make docs")
    as_markdown = script("fences").as_markdown
    found = as_markdown("Say <a> `<b>`.\n>>> f()\n1\n\nEnd.\n>>> g()")
    assert found.split("\n") == [
        *["Say \\<a> `<b>`.", "", "```pycon", ">>> f()", "1", "```", "", "End.", ""],
        *["```pycon", ">>> g()", "```"],
    ]
    several = as_markdown("Args:\n    a, **b and c: both are.").splitlines()[1]
    assert several.split(" ") == [*[""] * 4, "a,\xa0**b\xa0and\xa0c:", "both", "are."]
    assert as_markdown("  Example:\n    Two.").startswith("  Examples:\n")
