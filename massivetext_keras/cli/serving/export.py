"""The verb that writes a SavedModel."""

from __future__ import annotations

from typing import Annotated

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.settings import Preset, TaskName


@verb("export")
def export(
    *,
    preset: Preset,
    task: TaskName | None = None,
    output: Annotated[str, "folder of the SavedModel"],
    how: Given = given(
        "massivetext_keras.tasks.base:Task.export", "overwrite", "xla", "streaming"
    ),
) -> None:
    """Write a SavedModel that takes and gives strings.

    The export is loaded again and compared with the model before it takes its place. It
    needs tensorflow and tensorflow_text alone.
    """
    from massivetext_keras import tasks

    model = tasks.task_class(preset, task).from_preset(preset)
    model.export(output, **how)
    names = [name for name in model.signatures() if name != "serving_default"]
    print(f"{output}: signatures {', '.join(names)}")
