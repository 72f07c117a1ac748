"""Docstrings as Markdown, an extension of griffe: sessions become blocks of code, and
what looks like HTML in a sentence stays text."""

from __future__ import annotations

import re

import griffe


def as_markdown(text: str) -> str:
    """A docstring with its sessions in fences.

    A session begins with `>>>` and ends with an empty line. What griffe knows are
    sections called Examples; one called Example would be a sentence.
    """
    lines, inside = [], False
    # "first, second: what both are": griffe takes what follows a space for a type.
    text = re.sub(
        r"^ +[*\w]+(?:(?:,| and) [*\w]+)+(?=: |:$)",
        lambda found: re.sub(r"(?<=\S) ", "\N{NO-BREAK SPACE}", found[0]),
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
    for line in text.split("\n"):
        if not inside and line.lstrip().startswith(">>>"):
            indent = line[: len(line) - len(line.lstrip())]
            if lines and lines[-1].strip():
                lines.append("")
            lines.append(f"{indent}```pycon")
            inside = True
        elif inside and not line.strip():
            lines.append(f"{indent}```")
            inside = False
        lines.append(line if inside else _text(line))
    return "\n".join([*lines, f"{indent}```"] if inside else lines)


def _text(line: str) -> str:
    """A line of a sentence; what stands in backticks stays as it is."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part if part.startswith("`") else re.sub(r"<(?=[\w/])", r"\\<", part)
        for part in parts
    )


class Fences(griffe.Extension):
    """Changes every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
