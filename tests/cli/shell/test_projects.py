"""A new project runs as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.support.files import read_json
from tests.processes import ROOT


@pytest.fixture
def project(good, tmp_path):
    folder = tmp_path / "reviews"
    out = good("new", folder)
    assert out.startswith(f"{folder}: 7 files; go on with `cd {folder};")
    return folder


def test_a_project_has_what_its_page_says(project):
    names = {x.relative_to(project).as_posix() for x in project.rglob("*.*")}
    files = {"train.py", "config.json", "README.md", ".gitignore"}
    data = {"data/train.csv", "data/test.csv", "tests/test_train.py"}
    assert names == files | data
    page = (project / "README.md").read_text()
    assert page.startswith("# reviews\n") and "{" not in page
    assert read_json(project / "config.json")["preset"] in PRESETS
    assert (project / ".gitignore").read_text().split()[:2] == ["runs/", "served/"]


def test_its_files_are_formatted(project):
    command = [sys.executable, "-m", "ruff"]
    for how in (["format", "--check"], ["check", "--select=E,F,I,UP,B"]):
        done = subprocess.run([*command, *how, str(project)], capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


def test_a_folder_that_is_there_is_refused(project, bad):
    before = (project / "train.py").read_bytes()
    line = f"{project} is there: give the name of a new folder"
    assert bad("new", project) == (1, line)
    assert (project / "train.py").read_bytes() == before


@pytest.mark.slow
def test_its_own_test_runs_its_script(project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
