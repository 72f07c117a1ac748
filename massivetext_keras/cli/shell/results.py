"""What a verb found: text for people, and with `--json` a record for programs."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Result(NamedTuple):
    """A result of a verb, which returns one, or yields several.

    Attributes:
        text: for people; None if it has been printed piece by piece.
        record: the same for programs, as numbers, texts, lists and objects.
    """

    text: str | None
    record: Mapping[str, Any]

    def line(self) -> str:
        """The record as a line of JSON; what JSON has no form for is null or a text.

        >>> Result(None, {"loss": float("nan"), "span": (0, 3)}).line()
        '{"loss": null, "span": [0, 3]}'
        """
        text = json.dumps(_plain(self.record), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "replace").decode()


def write(call: Callable[[], Any], as_json: bool) -> None:
    """Does the work of a verb, and prints its results as they come.

    Args:
        call: gives a `Result`, several, or None.
        as_json: print records, a line each. What else is printed goes to standard
            error then, so that a program may read all of standard output.
    """
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr if as_json else out):
        found = call()
        several = [found] if isinstance(found, Result) else found or ()
        for result in several:
            text = result.line() if as_json else result.text
            if text is not None:
                print(text, file=out, flush=True)


def table(values: Mapping[str, Any], width: int = 20) -> str:
    """Names and values below one another.

    >>> print(table({"examples": 2048, "accuracy": 0.5}))
    examples             2,048
    accuracy             0.5000
    """
    return "\n".join(f"{name:<{width}} {_cell(x)}" for name, x in values.items())


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _plain(value: Any) -> Any:
    """Values as JSON has them, those of NumPy and nested ones too."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)
