"""Formats of exports: those that there are, and one from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from massivetext_keras.runtimes import EXPORTS, export_format, write_export
from massivetext_keras.tasks import TextEmbedder
from tests.tasks.tiny import encoder_task


def test_there_are_four():
    options = {one.name: one.options for one in EXPORTS.values()}
    assert options == {
        "savedmodel": ("xla", "streaming"),
        "onnx": ("weight_type",),
        "gguf": ("weight_type",),
        "litert": ("weight_type",),
    }


def names(task, *, path: str, overwrite: bool = False) -> None:
    """Writes the names of a task's weights."""
    Path(path).write_text("\n".join(task.named_weights()))


def test_one_from_outside_writes_by_its_place(tmp_path):
    export_format("names")(names)
    task = encoder_task(TextEmbedder)
    try:
        task.export(tmp_path / "names.txt", format=f"{__name__}:names")
    finally:
        for table in (EXPORTS._entries, EXPORTS._things):
            del table["names"]
    lines = (tmp_path / "names.txt").read_text().splitlines()
    assert lines == list(task.named_weights())


def test_arguments_are_given_by_name():
    with pytest.raises(TypeError, match="path has no \\* before it"):
        export_format("wrong")(lambda task, path: None)


def test_options_of_other_formats_are_named():
    with pytest.raises(ValueError, match="weight_type is no option of the format"):
        write_export(None, "savedmodel", "there", False, weight_type="int8")
