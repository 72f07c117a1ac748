"""Fields of a request's JSON, read with their types and ranges."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.support.values import Range, nearest


def read_object(body: bytes) -> dict[str, Any]:
    """The object that a body is.

    Raises:
        Refusal: it is none.

    >>> read_object(b"[1]")
    Traceback (most recent call last):
    massivetext_keras.serving.refusals.Refusal: the body must be a JSON object
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise Refusal(400, f"the body is no JSON: {why}", "body") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the body must be a JSON object", "body")
    return found


class Fields:
    """The fields of an object; each method refuses what is of another type or range.

    Args:
        values: the object.
        known: the fields that there are.
        only: fields that may have but one value, besides being left out, since there is
            nothing behind them here.
        ignored: fields that change no answer.

    >>> fields = Fields({"n": 3}, ["n", "seed"])
    >>> fields.integer("n", 1, least=1), fields.integer("seed", 7)
    (3, 7)
    >>> Fields({"sed": 3}, ["n", "seed"])
    Traceback (most recent call last):
    massivetext_keras.serving.refusals.Refusal: unknown field 'sed': did you mean ...
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        known: Collection[str],
        only: Mapping[str, Collection[Any]] | None = None,
        ignored: Collection[str] = (),
    ):
        only = only or {}
        self.values = {k: v for k, v in values.items() if v is not None}
        for name, value in self.values.items():
            if name in only:
                if not any(value == one for one in only[name]):
                    usual = json.dumps(next(iter(only[name])))
                    raise Refusal(422, f"{name} can only be {usual} here", name)
            elif name not in known and name not in ignored:
                name = name[:60]
                why = f"unknown field {name!r}: {nearest(name, known)}"
                raise Refusal(422, why, name)

    def get(self, name: str) -> Any:
        """A field as it is; None if it is left out."""
        return self.values.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """A string that can be encoded; without a default it has to be there."""
        value = self.values.get(name, default)
        if value is None:
            raise Refusal(422, f"{name} is missing", name)
        return as_text(value, name)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise Refusal(422, f"{name} must be true or false", name)
        return value

    def integer(
        self,
        name: str,
        default: int,
        least: int = -(2**31),
        most: int = 2**31 - 1,
    ) -> int:
        """A whole number in a range."""
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refusal(422, f"{name} must be a whole number", name)
        if not least <= value <= most:
            why = f"{name} must be between {least} and {most}, got {_number(value)}"
            raise Refusal(422, why, name)
        return value

    def number(self, name: str, default: float, within: Range) -> float:
        """A finite number in a range."""
        value = self.values.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refusal(422, f"{name} must be a number", name)
        if abs(value) > 1e30 or math.isnan(value) or value not in within:
            raise Refusal(422, f"{name} must be {within}, got {_number(value)}", name)
        return float(value)

    def strings(self, name: str, most: int) -> tuple[str, ...]:
        """One string or several, none of them empty."""
        value = self.values.get(name, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or len(value) > most:
            raise Refusal(422, f"{name} must be a string, or at most {most}", name)
        found = tuple(as_text(x, f"{name}[{i}]") for i, x in enumerate(value))
        if "" in found:
            raise Refusal(422, f"{name} has an empty string", name)
        return found


def as_text(value: Any, field: str) -> str:
    """A string that can be encoded.

    Raises:
        Refusal: it is none.
    """
    if not isinstance(value, str):
        raise Refusal(422, f"{field} must be a string", field.partition("[")[0])
    encoded(value, field, 422)
    return value


def encoded(text: str, field: str, status: int) -> bytes:
    """The bytes of a text.

    Args:
        text: of a request.
        field: where it stands.
        status: of the refusal.

    Raises:
        Refusal: half of a surrogate pair is in it.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        why = f"{field} has half of a surrogate pair, which is no character"
        raise Refusal(status, why, field.partition("[")[0]) from None


def _number(value: float) -> str:
    try:
        return f"{value:g}"
    except OverflowError:
        return "a number without end"
