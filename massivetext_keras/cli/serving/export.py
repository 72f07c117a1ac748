"""The verb that writes exports: SavedModels, and what other programs run."""

from __future__ import annotations

from typing import Annotated

from massivetext_keras.cli.flags import Given, given, verb
from massivetext_keras.cli.settings import Preset, TaskName
from massivetext_keras.cli.shell.results import Result


@verb("export")
def export(
    *,
    preset: Preset,
    task: TaskName | None = None,
    output: Annotated[str, "folder of the export, or file of gguf"],
    how: Given = given(
        "massivetext_keras.tasks.base:Task.export",
        "overwrite",
        "xla",
        "streaming",
        "format",
        "weight_type",
    ),
) -> Result:
    """Write what other programs run, such as a SavedModel.

    The export is loaded again and compared with the model before it takes its place. A
    SavedModel takes and gives strings, and needs tensorflow and tensorflow_text alone.

    Examples:
        massivetext export --preset=runs/1 --output=served/1
        massivetext export --preset=runs/1 --output=small.gguf --format=gguf
            --weight_type=q8_0
    """
    from massivetext_keras import tasks

    model = tasks.task_class(preset, task).from_preset(preset)
    model.export(output, **how)
    kind = how.get("format", "savedmodel")
    record = {"export": output, "task": type(model).__name__, "format": kind}
    if kind != "savedmodel":
        return Result(f"{output}: a {type(model).__name__} as {kind}", record)
    names = [name for name in model.signatures() if name != "serving_default"]
    text = f"{output}: signatures {', '.join(names)}"
    return Result(text, {**record, "signatures": names})
