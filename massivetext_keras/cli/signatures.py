"""What functions and configs take: names, types, ranges, defaults and their meaning."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from massivetext_keras.support import arguments as vocabulary
from massivetext_keras.support.values import Config, Range, field_types

REQUIRED = inspect.Parameter.empty
"""What the default is of a flag that has to be given."""
_PACKAGE = Path(__file__).parents[1]


class Argument(NamedTuple):
    """One argument of a function, or one field of a config.

    Attributes:
        name: of it.
        hint: its annotation, with what `typing.Annotated` adds.
        default: REQUIRED if it has none.
        text: what the docstring says of it, as one line.
        range: which numbers it takes, if the config says so.
        choices: the strings that it may be, if the config says so.
    """

    name: str
    hint: Any
    default: Any
    text: str
    range: Range | None = None
    choices: tuple[str, ...] | None = None


def arguments(source: Any, names: Iterable[str] = ()) -> dict[str, Argument]:
    """What can be given to a function or is set in a config, by name.

    Args:
        source: a function, a class, a config, or "package.module:name" of a function
            or class. What needs TensorFlow takes seconds to import: it is read off its
            source, where types are names of `support.arguments` and defaults literals.
        names: of those that are wanted, in this order; all if there are none. "a.b" is
            a field of the config in a field.

    >>> def scale(size: int = 3, *, by: float = 0.5):
    ...     '''Example.
    ...
    ...     Args:
    ...         size, by: what is multiplied.
    ...     '''
    >>> arguments(scale)["by"].default, arguments(scale)["by"].text
    (0.5, 'what is multiplied')
    >>> arguments("massivetext_keras.tasks.base:Task.export")["xla"].default
    True
    """
    names = list(names)
    if isinstance(source, type) and issubclass(source, Config):
        source = source()
    if isinstance(source, Config):
        found = _fields(source)
    elif isinstance(source, str):
        found = _written(source, names)
    else:
        found = _declared(source)
    return {name: found[name] for name in names or found}


def _declared(source: Any) -> dict[str, Argument]:
    """The arguments of a function or a class."""
    is_class = isinstance(source, type)
    function = source.__init__ if is_class else source
    hints = typing.get_type_hints(function, include_extras=True)
    texts = described(inspect.getdoc(source) or "")
    return {
        name: Argument(name, hints.get(name, str), x.default, texts.get(name, ""))
        for name, x in inspect.signature(source).parameters.items()
    }


def _fields(config: Config) -> dict[str, Argument]:
    """The fields of a config, whose defaults are its values; "section.field" too."""
    texts = described(inspect.getdoc(type(config)) or "")
    fields = {field.name: field.metadata for field in dataclasses.fields(config)}
    found = {}
    for name, hint in field_types(type(config)).items():
        value, allowed = getattr(config, name), fields[name]
        limits = allowed.get("range"), allowed.get("choices")
        found[name] = Argument(name, hint, value, texts.get(name, ""), *limits)
        if isinstance(value, Config):
            inner = _fields(value).items()
            found |= {f"{name}.{field}": argument for field, argument in inner}
    return found


def _written(path: str, names: Sequence[str]) -> dict[str, Argument]:
    """The arguments of a function or class, read off its source."""
    module, _, name = path.partition(":")
    place = _PACKAGE.joinpath(*module.split(".")[1:])
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    scopes: list[Any] = [ast.parse(file.read_text())]
    for part in name.split("."):
        scopes.append(_named(part, scopes[-1]))
    function = scopes[-1]
    texts = described(inspect.cleandoc(ast.get_docstring(function) or ""))
    if isinstance(function, ast.ClassDef):
        if not any(getattr(x, "name", "") == "__init__" for x in function.body):
            return _written_fields(function, texts)
        function = _named("__init__", function)
    plain = [*function.args.posonlyargs, *function.args.args]
    rest = function.args.kwonlyargs
    bare = [None] * (len(plain) - len(function.args.defaults))
    defaults = [*bare, *function.args.defaults, *function.args.kw_defaults]
    found = {}
    for argument, default in zip([*plain, *rest], defaults, strict=True):
        name = argument.arg
        if name not in (names or (name,)):
            continue
        if isinstance(default, ast.Name):  # a constant of the same file
            default = _named(default.id, scopes[0]).value
        value = REQUIRED if default is None else ast.literal_eval(default)
        hint = str if argument.annotation is None else _evaluated(argument.annotation)
        found[name] = Argument(name, hint, value, texts.get(name, ""))
    return found


def _written_fields(cls: ast.ClassDef, texts: dict[str, str]) -> dict[str, Argument]:
    """The fields of a dataclass, read off its source."""
    fields = [
        (x.target.id, x)
        for x in cls.body
        if isinstance(x, ast.AnnAssign) and isinstance(x.target, ast.Name)
    ]
    return {
        name: Argument(
            name,
            _evaluated(x.annotation),
            REQUIRED if x.value is None else ast.literal_eval(x.value),
            texts.get(name, ""),
        )
        for name, x in fields
    }


def _named(name: str, scope: Any) -> Any:
    """The function, class or assignment of that name: the last, which holds."""
    for node in reversed(scope.body):
        targets = getattr(node, "targets", ())
        if name in (
            getattr(node, "name", None),
            *(getattr(x, "id", "") for x in targets),
        ):
            return node
    raise LookupError(f"{name} is not defined in its source")


class _Names(dict):
    """Types by name; one that is not known is Any."""

    def __missing__(self, name: str) -> Any:
        return Any


def _evaluated(annotation: ast.expr) -> Any:
    names = _Names({**vars(builtins), **vars(typing), **vars(vocabulary)})
    code = compile(ast.Expression(annotation), "<annotation>", "eval")
    return eval(code, {}, names)


def described(docstring: str) -> dict[str, str]:
    """What a docstring says of each argument or attribute, as one line.

    >>> described("Adds.\\n\\nArgs:\\n    a, b: numbers, of\\n        any size.\\n")
    {'a': 'numbers, of any size', 'b': 'numbers, of any size'}
    """
    found: dict[str, str] = {}
    for section in _sections(docstring):
        for entry in re.split(r"\n(?! )", section):
            names, colon, text = entry.partition(":")
            if colon:
                text = " ".join(text.split()).removesuffix(".")
                found |= dict.fromkeys(re.split(r", *", names.strip()), text)
    return found


def _sections(docstring: str) -> Iterable[str]:
    """The insides of `Args:` and `Attributes:`."""
    for found in re.finditer(
        r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE
    ):
        yield textwrap.dedent(found[1]).strip()
