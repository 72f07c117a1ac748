"""What is done around the import of a module."""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType

import pytest

from massivetext_keras.support.importing import around_import, without_collection


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
