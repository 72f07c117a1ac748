"""What is done around the import of a module."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
from types import ModuleType

import pytest

from massivetext_keras.support.importing import (
    around_import,
    import_lazily,
    without_collection,
)
from tests.processes import ROOT


@pytest.mark.parametrize("collecting", [True, False])
def test_no_search_for_garbage_while_a_module_is_executed(collecting):
    seen = []

    def fail(module):
        seen.append((module.__name__, gc.isenabled()))
        raise OSError("no such module")

    (gc.enable if collecting else gc.disable)()
    try:
        without_collection(lambda module: seen.append(gc.isenabled()), sys)
        with pytest.raises(OSError, match="no such module"):
            without_collection(fail, ModuleType("absent"))
        assert seen == [False, ("absent", False)]
        assert gc.isenabled() == collecting
    finally:
        gc.enable()


def test_a_lazy_module_is_executed_when_it_is_asked(tmp_path, monkeypatch, capsys):
    (tmp_path / "lazy_module.py").write_text("print('executed')\nvalue = 7")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    import_lazily(("lazy_module",))
    module = importlib.import_module("lazy_module")
    assert capsys.readouterr().out == ""
    assert module.value == 7
    assert capsys.readouterr().out == "executed\n"


def test_keras_comes_without_what_draws_and_what_wraps():
    code = """
import sys
import massivetext_keras.layers, keras
print(*(name in sys.modules for name in ("sklearn.base", "matplotlib.pyplot")))
print(keras.wrappers.SKLearnClassifier.__name__, keras.visualization.plot_image_gallery)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    first, second, *_ = done.stdout.splitlines()
    assert first == "False False"
    assert second.startswith("SKLearnClassifier <function plot_image_gallery")


def test_two_may_be_around_one_module(tmp_path, monkeypatch):
    (tmp_path / "lonely_module.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    seen = []
    for number in (1, 2):

        def around(execute, module, number=number):
            seen.append(number)
            execute(module)

        around_import(("lonely_module",), around)
    module = importlib.import_module("lonely_module")
    assert module.value == 7 and sorted(seen) == [1, 2]
