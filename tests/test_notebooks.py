"""Every notebook runs from its first cell to its last one, with little training."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
LITTLE = {"MINUTES": "0.1", "EPOCHS": "1", "STEPS": "5"}  # as the notebooks read it


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(x.stem for x in FOLDER.glob("*.ipynb")))
def test_runs(name, tmp_path, monkeypatch):
    for variable, value in LITTLE.items():
        monkeypatch.setenv(variable, value)
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=600, resources=place).execute()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda x: x.stem)
def test_is_kept_without_what_it_printed(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert code and all(not x.outputs and x.execution_count is None for x in code)
    title, *_ = book.cells[0].source.splitlines()
    assert book.cells[0].cell_type == "markdown" and title.startswith("# ")
