"""The values that a run's `operative_config.gin` bound."""

from __future__ import annotations

import ast
import re
from typing import Any

_CONTINUED = re.compile(r"(\\\n\s*|\n[ \t]+)")
_BINDING = re.compile(r"^([\w./]+)[ \t]*=[ \t]*(.*?)[ \t]*(?:#[^'\"]*)?$", re.MULTILINE)
_MODULE = re.compile(r"[\w.]*\.(?=\w+\.\w+$)")
_MACRO = "%"


def read_bindings(text: str) -> dict[str, Any]:
    """What is bound, macros followed.

    Args:
        text: of a file that includes no other one, as gin writes it.

    Returns:
        "scope/Class.argument", without the class's modules, or the name of a macro ->
        the value; the text of it where it is no literal.

    Raises:
        ValueError: a macro is not bound, or bound to itself.

    >>> read_bindings("d = 8\\nencoder/a.Stack.size = %d\\nrun.fn = @f")
    {'d': 8, 'encoder/Stack.size': 8, 'run.fn': '@f'}
    """
    found = {
        _MODULE.sub("", name): value
        for name, value in _BINDING.findall(_CONTINUED.sub(" ", text))
    }
    return {name: _value(name, found) for name in found}


def _value(name: str, found: dict[str, str]) -> Any:
    text, followed = found[name], {name}
    while text.startswith(_MACRO):
        macro = text.removeprefix(_MACRO)
        if macro not in found or macro in followed:
            raise ValueError(f"{name} = {text} leads to no value")
        followed.add(macro)
        text = found[macro]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
