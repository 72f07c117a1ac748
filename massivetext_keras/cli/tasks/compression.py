"""The verb that makes a model smaller, and says what that costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import (
    Overwrite,
    Preset,
    TaskName,
    files_in,
    texts_in,
)
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.cli.tasks.examples import reading_of

_FORMS = ("int8", "int4", "float16", "bfloat16")
_TEXTS = 128  # to calibrate on, of those that there are


@verb("compress")
def compress(
    *,
    preset: Preset,
    output: Annotated[str, "folder of the smaller preset"],
    task: TaskName | None = None,
    int8: Annotated[bool, "a code of 8 bits for each number"] = False,
    int4: Annotated[bool, "4 bits, with a scale for each group of numbers"] = False,
    float16: Annotated[bool, "16 bits, 11 of them for digits"] = False,
    bfloat16: Annotated[bool, "16 bits, with the range of float32"] = False,
    prune: Annotated[
        str | None, "share of zeros in the matrices of blocks, or 2:4 (two of four)"
    ] = None,
    student: Annotated[
        str | None, "numbers of the blocks that stay, such as 1,3,5: to be taught then"
    ] = None,
    calibration: Annotated[
        str | None, "texts that int4 is calibrated on: files, globs, folders, by commas"
    ] = None,
    how: Given = given(
        "massivetext_keras.tasks.quantization:Quantization.apply",
        "group_size",
        "method",
    ),
    data: Annotated[
        str | None, "examples, or text, to compare the answers on before and after"
    ] = None,
    reading: Given = given(reading_of),
    report: Annotated[str | None, "page about the two, an HTML file"] = None,
    huggingface: Annotated[
        bool, "a folder of Hugging Face, in place of a preset"
    ] = False,
    overwrite: Overwrite = False,
) -> Result:
    """Make a model smaller: fewer bits, zeros, or fewer blocks.

    First the blocks are chosen, then the smallest numbers become zero, then all is
    stored in fewer bits. What is pruned or of fewer blocks wants to be trained once
    more: see docs/compression.md. Without --data the sizes are compared; with it speed,
    quality and answers, too.

    Examples:
        massivetext compress --preset=runs/a --output=small/a --int8
            --data=test.tsv
    """
    from massivetext_keras import compression, tasks
    from massivetext_keras.support.files import check_free

    flags = dict(zip(_FORMS, (int8, int4, float16, bfloat16), strict=True))
    chosen = [name for name, wanted in flags.items() if wanted]
    if len(chosen) > 1 or not (chosen or prune or student):
        names = ", ".join(f"--{name}" for name in _FORMS)
        raise UsageError(f"give one of {names}, or --prune, or --student")
    if calibration and chosen != ["int4"]:
        raise UsageError("--calibration is for --int4")
    if report and not data:
        raise UsageError("--report is about answers: give --data")
    check_free(output, overwrite)
    cls = tasks.task_class(preset, task)
    smaller = cls.from_preset(preset)
    if student:
        smaller = compression.student_of(smaller, _blocks(student))
    lines: list[str] = []
    record: dict[str, Any] = {"preset": output}
    if prune:
        zeros = compression.prune(smaller, prune).values()
        record["zeros"] = sum(zeros) / len(zeros)
        lines.append(f"zeros: {record['zeros']:.3f} of {len(zeros)} matrices")
    if chosen:
        texts = texts_in(calibration)[:_TEXTS] if calibration else None
        smaller.quantize(chosen[0], texts, **how)
    form = "huggingface" if huggingface else "massivetext_keras"
    smaller.save_preset(output, form)
    before = cls.from_preset(preset)
    if not data:
        sizes = [compression.weight_bytes(x) for x in (before, smaller)]
        one, other = (f"{size / 1e6:.2f} MB" for size in sizes)
        lines.append(
            f"{output}: {other} of weights, {sizes[1] / sizes[0]:.3f} of {one}"
        )
        return Result("\n".join(lines), {**record, "weight_bytes": sizes})
    if issubclass(cls, tasks.CausalLM):
        found = compression.compare(before, smaller, texts=texts_in(data))
    else:
        examples = before.read_examples(files_in(data), **reading_of(**reading))
        found = compression.compare(before, smaller, examples)
    lines += _lines(found)
    if report:
        compression.write_page(found, Path(preset).name, report)
        lines.append(f"{report}: a page about it")
    sides = {"before": found.before._asdict(), "after": found.after._asdict()}
    counts = {"answers": found.count, "changed": found.changed, "page": report}
    return Result("\n".join(lines), {**record, **sides, **counts})


def _blocks(student: str) -> list[int]:
    """From "1,3,5"."""
    if not re.fullmatch(r"\d+(,\d+)*", student):
        raise UsageError(f"--student={student}: give numbers, such as 1,3,5")
    return [*map(int, student.split(","))]


def _lines(found: Any) -> list[str]:
    heads = "", found.before.name, found.after.name, "ratio"
    rows: Sequence = [heads, *found.rows()]
    width = max(len(row[0]) for row in rows)
    lines = [
        " ".join([f"{name:{width}}", *(f"{cell:>12}" for cell in cells)])
        for name, *cells in rows
    ]
    lines.append(f"{found.changed:,} of {found.count:,} answers changed")
    for change in found.worst[:3]:
        asked, *both = (x[:60] for x in (change.asked, change.before, change.after))
        lines.append(f"  {asked!r}: {both[0]!r} -> {both[1]!r}")
    return lines
