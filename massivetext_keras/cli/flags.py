"""The flags of a verb, derived from its signature and from what it fills.

    @verb("tokenizer train")
    def tokenizer_train(
        *, input: Data, output: str, how: Given = given(TokenizerConfig, "kind")
    ) -> Result:
        '''Learn a vocabulary from text.

        The tokenizers run inside the TensorFlow graph.

        Args:
            output: folder for the tokenizer.
        '''

A parameter of the function is a flag: `--input`, `--output`. One whose default is
`given(...)` stands for flags that are arguments of another function or fields of a
config, with their types, ranges, defaults and descriptions; it gets a dict of those
that were on the command line, for that function or config to take. Parameters before
the `*` may be given as words without dashes, too. A verb that says that it gives a
`Result` has the flag `--json`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import textwrap
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from massivetext_keras.cli.signatures import REQUIRED, Argument, arguments, described
from massivetext_keras.support.arguments import Known, Size
from massivetext_keras.support.values import Range

# What a parameter that stands for `given(...)` gets: argument or field -> value.
Given = dict[str, Any]
VERBS: dict[str, Verb] = {}
"""The verbs by name, in the order of `--help`."""


class UsageError(Exception):
    """The command line is wrong; the program exits with 2."""


class Flag(NamedTuple):
    """A flag of a verb.

    Attributes:
        name: without dashes.
        kind: str, int, float, bool, list (may be repeated) or a tuple of choices.
        default: its value; REQUIRED if it must be given.
        text: what it means.
        range: which numbers it takes.
        place: the parameter of the verb's function that takes it; behind that, for
            what stands for several, the keys under which it is in the dict.
    """

    name: str
    kind: Any
    default: Any
    text: str
    range: Range
    place: tuple[str, ...]

    def fill(self, arguments: dict[str, Any], value: Any, given: bool) -> None:
        """Puts a value among the arguments of the verb's function.

        >>> arguments = {}
        >>> flag = Flag("steps", int, 9, "", Range(), ("fields", "train.steps"))
        >>> flag.fill(arguments, 9, given=False)
        >>> arguments
        {'fields': {}}
        >>> flag.fill(arguments, 3, given=True)
        >>> arguments
        {'fields': {'train.steps': 3}}
        """
        *dicts, name = self.place
        for key in dicts:
            arguments = arguments.setdefault(key, {})
        if given or not dicts:
            arguments[name] = value

    def complaint(self, value: float | None) -> str:
        """What is wrong with a number; "" if nothing is.

        >>> share = Flag("top_p", float, 1.0, "", Range(above=0, most=1), ("top_p",))
        >>> share.complaint(1.5)
        'must be above 0 and at most 1'
        """
        if value is None or value in self.range:
            return ""
        return f"must be {self.bounds}"

    @property
    def bounds(self) -> str:
        """The range in words; "" if there is none."""
        least, most, above, below = self.range
        ends = {"above": above, "at least": least, "at most": most, "below": below}
        known = ((k, v) for k, v in ends.items() if v not in (None, math.inf))
        return " and ".join(f"{word} {bound:g}" for word, bound in known)

    @property
    def help(self) -> str:
        """What the flag means, which values it takes, and its default.

        >>> Flag("rank", int, 8, "of adapters", Range(least=1), ("rank",)).help
        'of adapters; int, at least 1 (default: 8)'
        """
        text = self.text.replace("(None: ", "(default: ")
        if isinstance(self.kind, tuple):
            text += f"; one of {', '.join(self.kind)}"
        elif self.kind in (int, float):
            text += f"; {', '.join(filter(None, (self.kind.__name__, self.bounds)))}"
        elif self.kind is list and "may repeat" not in text:
            text += "; may repeat"
        if self.default is REQUIRED:
            return f"{text} (required)"
        if self.default in (None, "") or self.kind is list:
            return text
        return f"{text} (default: {self.default})"


JSON = Flag(
    "json", bool, False, "print a line of JSON for each result", Range(), ("json",)
)


@dataclasses.dataclass(frozen=True)
class Verb:
    """A subcommand.

    Attributes:
        name: one word or two.
        function: does the work; gives a `Result`, yields several, or prints by itself.
    """

    name: str
    function: Callable[..., Any]

    @property
    def _doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """One line."""
        line = self._doc.partition("\n")[0].rstrip(".")
        return line[0].lower() + line[1:]

    @property
    def details(self) -> str:
        """What else `--help` says, as one paragraph."""
        rest = self._doc.partition("\n")[2]
        text = re.split(r"^(?:Args|Examples):", rest, maxsplit=1, flags=re.MULTILINE)[0]
        return " ".join(text.split())

    @property
    def examples(self) -> tuple[str, ...]:
        """Commands that `--help` shows, from the docstring; a line that is indented
        goes on with the one before."""
        text = self._doc.partition("\nExamples:\n")[2]
        commands = re.split(r"\n(?! )", textwrap.dedent(text).strip())
        return tuple(" ".join(command.split()) for command in commands if command)

    @functools.cached_property
    def flags(self) -> tuple[Flag, ...]:
        """In the order of the function's parameters; the last one is `--json`."""
        found = tuple(_flags_of(self.function))
        return found + (JSON,) * self.has_results

    @property
    def has_results(self) -> bool:
        """Whether it gives results, which `--json` prints for programs."""
        return "Result" in str(inspect.signature(self.function).return_annotation)

    @property
    def words(self) -> tuple[str, ...]:
        """The flags that first words without dashes stand for."""
        return tuple(
            name
            for name, parameter in inspect.signature(self.function).parameters.items()
            if parameter.kind is not parameter.KEYWORD_ONLY
        )


def verb(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a verb of the program; see the head of this file."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        VERBS[name] = Verb(name, function)
        return function

    return register


def given(source: Any, *names: str, **renamed: str) -> Any:
    """The default of a parameter that stands for flags.

    Args:
        source: what they are arguments or fields of; see `signatures.arguments`.
        *names: of flags that are called as the argument, or as the last part of a path
            such as "train.steps"; if there are none, all of them.
        **renamed: flag -> argument.

    `given(…) | given(…)` are flags of several that come in one dict.
    """
    flags = {name.rpartition(".")[2]: name for name in names}
    return _Taken(source, {**flags, **renamed})


@dataclasses.dataclass(frozen=True, eq=False)
class _Taken:
    """Flags that are taken over; `names` is flag -> argument."""

    source: Any
    names: dict[str, str]
    others: tuple[_Taken, ...] = ()

    def __or__(self, other: _Taken) -> _Taken:
        """Both, in one dict."""
        return dataclasses.replace(self, others=(*self.others, other))


def _flags_of(
    source: Any, names: Mapping[str, str] | None = None, place: tuple[str, ...] = ()
) -> Iterator[Flag]:
    """The flags of what a function takes, or a config has.

    Args:
        source: see `signatures.arguments`; if its docstring tells of a flag that is
            taken over, that holds.
        names: flag -> argument, of those that are wanted (None: all).
        place: of the dict in which they will be.
    """
    texts = described(inspect.getdoc(source) or "") if callable(source) else {}
    flags = {argument: name for name, argument in (names or {}).items()}
    for key, argument in arguments(source, flags).items():
        taken = argument.default
        if isinstance(taken, _Taken):
            for part in (taken, *taken.others):
                for flag in _flags_of(part.source, part.names, (*place, key)):
                    yield flag._replace(text=texts.get(flag.name, flag.text))
        else:
            name = flags.get(key, key)
            yield _flag(argument._replace(name=name), (*place, key))


def _flag(argument: Argument, place: tuple[str, ...]) -> Flag:
    hint, marks = _unwrapped(argument.hint)
    text, kind, range_ = argument.text, _kind(hint), argument.range
    default = argument.default
    for mark in marks:
        if isinstance(mark, str):  # the meaning of what several verbs take
            text = text or mark
        elif isinstance(mark, Range):
            range_ = mark
        elif isinstance(mark, Known):
            kind = tuple(mark.names)
    if argument.choices:
        kind = tuple(argument.choices)
    if kind is list:
        default = default if default is REQUIRED else list(default or ())
    return Flag(argument.name, kind, default, text, range_ or Range(), place)


def _unwrapped(hint: Any) -> tuple[Any, list]:
    """An annotation without what `Annotated` adds or "or None", and what it adds.

    >>> _unwrapped(Annotated[int, "rows"] | None)
    (<class 'int'>, ['rows'])
    """
    marks: list = []
    while True:
        options = [x for x in typing.get_args(hint) if x is not type(None)]
        if hint == Size:
            return str, marks
        if typing.get_origin(hint) is Annotated:
            hint, *more = options
            marks += more
        elif _is_union(hint) and len(options) == 1:
            hint = options[0]
        else:
            return hint, marks


def _kind(hint: Any) -> Any:
    """What the command line gives for an annotation.

    >>> _kind(str | Sequence[str]), _kind(float), _kind(typing.Literal["a", "b"])
    (<class 'list'>, <class 'float'>, ('a', 'b'))
    """
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    if _is_union(hint):
        kinds = [_kind(option) for option in typing.get_args(hint)]
        return list if list in kinds else str
    if typing.get_origin(hint) in (list, tuple, Sequence, Collection):
        return list
    return hint if hint in (bool, int, float) else str


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, type(int | str))
