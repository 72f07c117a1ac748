"""The rules that keep the layout simple, read off the source with `ast`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "massivetext_keras"
LEVELS = [
    ["support"],
    ["pages", "architecture"],
    ["experiment", "planning"],
    ["configs"],
    ["evaluation"],
    ["ngram", "reading"],
    ["corpus", "kernels"],
    ["layers", "distribution", "saving"],
    ["models", "tokenizers"],
    ["huggingface", "text"],
    ["checkpoints", "data", "kerashub"],
    ["optimization"],
    ["generation", "quantization"],
    ["runtimes"],
    ["tasks"],
    ["compression", "explain", "privacy", "robustness"],
    ["training"],
    ["serving"],
    ["cli"],
    ["__main__"],
    ["examples"],
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
TENSORFLOW = {"tensorflow", "tensorflow_text", "keras", "keras_nlp", "keras_hub"}
WITHOUT_TENSORFLOW = [(PACKAGE, "corpus"), (PACKAGE, "reading")]
FLAGS_ALLOWED = ("cli", "examples", "tests")
MOST_FILES = 15  # of a folder
MOST_LINES = 60  # of the body of a function


def imports(tree: ast.Module, package: list[str]) -> list[tuple[int, list[str]]]:
    """(line, dotted name split) of every import, in functions too, made absolute."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = up + (node.module.split(".") if node.module else [])
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        found += [(node.lineno, name) for name in names]
    return found


def long_functions(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, what) of every function whose body, without its docstring, is too long."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if lines > MOST_LINES:
                found.append((node.lineno, f"{node.name} has {lines} lines"))
    return found


def may_import(place: str, target: str) -> bool:
    return place == target or LEVEL[target] < LEVEL[place]


def violations(root: Path) -> list[str]:
    """One line per broken rule in the repository at `root`, `path:line: what`."""
    found = []
    for path in sorted(
        path
        for folder in [PACKAGE, "examples", "benchmarks", "tests"]
        for path in (root / folder).rglob("*.py")
    ):
        parts = path.relative_to(root).with_suffix("").parts
        source = path.read_text()
        tree = ast.parse(source)
        broken = []
        if parts[0] == PACKAGE:
            broken += long_functions(tree)
        place = parts[1] if parts[0] == PACKAGE else parts[0]
        if parts[0] == PACKAGE and place not in LEVEL and place != "__init__":
            broken.append((1, f"{place} has no level in the order of imports"))
        for line, name in imports(tree, list(parts[:-1])):
            name = [*name, ""]
            if place in LEVEL and name[0] == PACKAGE and name[1] != "__version__":
                # A bare import of the package reaches everything.
                target = name[1] if name[1] in LEVEL else "examples"
                if not may_import(place, target):
                    broken.append((line, f"{place} imports {'.'.join(name[:2])}"))
            if parts[:2] in WITHOUT_TENSORFLOW and name[0] in TENSORFLOW:
                broken.append((line, f"{place} imports {name[0]}"))
            if name[:2] == ["absl", "flags"] and place not in FLAGS_ALLOWED:
                broken.append((line, "absl flags outside cli/ and examples/"))
        where = path.relative_to(root).as_posix()
        found += [f"{where}:{line}: {what}" for line, what in broken]
    return found


def test_the_repository_keeps_the_rules():
    assert violations(ROOT) == []


def test_no_folder_has_too_many_files():
    folders = [ROOT / PACKAGE, *(ROOT / PACKAGE).rglob("*/")]
    counts = {str(folder): len([*folder.glob("*.py")]) for folder in folders}
    assert {k: n for k, n in counts.items() if n > MOST_FILES} == {}


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("models/gpt.py", "import massivetext_keras.tokenizers", True),
        (
            "models/gpt.py",
            "from massivetext_keras.data.batching.packing import pack",
            True,
        ),
        ("models/gpt.py", "from massivetext_keras import tasks", True),
        ("models/gpt.py", "from ..training import trainer", True),
        ("models/gpt.py", "from .. import generation", True),
        ("models/gpt.py", "def f():\n    import massivetext_keras as mtk", True),
        ("models/gpt.py", "from .bert import BERT", False),
        ("models/gpt.py", "from . import bert", False),
        ("models/gpt.py", "from massivetext_keras.layers import Block", False),
        ("models/gpt.py", "from massivetext_keras import layers, configs", False),
        ("models/gpt.py", "import tensorflow as tf, keras", False),
        ("tasks/lm.py", "from ..tokenizers import a\nfrom ..models import b", False),
        ("data/packing.py", "from massivetext_keras.tasks import CausalLM", True),
        ("architecture/shapes.py", "from .config import X", False),
        ("architecture/config.py", "from ..experiment import X", True),
        ("configs.py", "from .architecture import shapes", False),
        ("cli/doctor.py", "from .. import __version__, tasks", False),
        ("saving/export.py", "from absl import flags", True),
        ("cli/program.py", "from absl import flags\nfrom .. import saving", False),
        ("saving/export.py", "from massivetext_keras import cli", True),
        ("corpus/a.py", "def f():\n    import tensorflow.data", True),
        ("corpus/a.py", "from keras import ops", True),
        ("reading/formats/a.py", "import tensorflow", True),
        ("corpus/deep/a.py", "from ...layers import x", True),
        ("corpus/deep/a.py", "from ..readers import expand", False),
        ("novel.py", "", True),
        ("__init__.py", "from . import cli, tasks", False),
        ("layers/long.py", "def f():\n" + "    x = 1\n" * 61, True),
        ("layers/long.py", "def f():\n    'x'\n" + "    x = 1\n" * 60, False),
    ],
)
def test_a_broken_rule_is_caught(tmp_path, file, source, expected):
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    found = violations(tmp_path)
    assert len(found) == expected, found
    assert all(line.startswith(f"{PACKAGE}/{file}:") for line in found)


def test_examples_and_tests_may_import_everything(tmp_path):
    (tmp_path / "examples").mkdir()
    source = "import massivetext_keras as mtk\nfrom absl import flags\n"
    (tmp_path / "examples/train.py").write_text(source)
    assert violations(tmp_path) == []


def test_every_heavy_test_is_in_one_part_of_the_makefile():
    lines = (ROOT / "Makefile").read_text().replace("\\\n", "")
    (names,) = re.findall(r"^HEAVY := \$\(addprefix tests/,(.*)\)$", lines, re.M)
    heavy = [file for name in names.split() for file in files_named(f"tests/{name}")]
    (parts,) = re.findall(r"^define PARTS\n(.*?)^endef$", lines, re.M | re.S)
    found = [file for pattern in parts.split() for file in files_named(pattern)]
    assert sorted(found) == sorted(heavy)


def files_named(pattern: str) -> list[Path]:
    """Files of tests in what a pattern of a shell names."""
    found = [path for path in ROOT.glob(pattern) if not path.name.startswith("_")]
    files = [
        x for path in found for x in ([path] if path.is_file() else path.rglob("*"))
    ]
    return [file for file in files if re.fullmatch(r"test_.*\.py", file.name)]
