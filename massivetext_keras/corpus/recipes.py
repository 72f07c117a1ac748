"""Recipes: which steps a document passes, in which order, with which thresholds."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from massivetext_keras.corpus.contents import content_hash
from massivetext_keras.corpus.rules import RULES
from massivetext_keras.support.arguments import checked, defaults, files_of
from massivetext_keras.support.files import read_json
from massivetext_keras.support.values import Config, choose, nearest

# What comes before and after the rules: name of a function -> module
STAGES = {
    "read": "reading.read",
    "minhash_bands": "corpus.duplicates.minhash",
    "find_duplicates": "corpus.duplicates.deduplication",
    "find_repeats": "corpus.duplicates.repeats",
}


class Step(NamedTuple):
    """A step of a recipe: `function(batch)` gives its checks.

    Attributes:
        name: of the step.
        function: with the recipe's arguments bound.
        arguments: all of them, those that the recipe leaves at their defaults too.
    """

    name: str
    function: Callable
    arguments: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Recipe(Config):
    """What is done to raw documents, as a value that is printed and kept as JSON.

    Attributes:
        name: for people.
        steps: name of a rule -> those of its arguments that are not the defaults, in
            the order in which the steps are done. `RULES` names them all; a rule of
            another package may also be given as "package.module:function".
        read: arguments of the readers, as for a step.
        minhash_bands: arguments of the signatures by which documents that are nearly
            equal find each other.
        find_duplicates: arguments of that search; of `ngram` it has that of the
            signatures.
        find_repeats: arguments of the search for paragraphs, lines and runs of words
            that other documents have; by default none is done.

    Raises:
        ValueError: a step or an argument is unknown, or its value not what the step's
            annotations want; names the nearest right one.

    >>> recipe = Recipe("short", {"gopher_quality": {"min_words": 5}})
    >>> recipe.override("gopher_quality.min_words=7").steps
    {'gopher_quality': {'min_words': 7}}
    >>> recipe.override("gopher_quality.min_word=7")
    Traceback (most recent call last):
    massivetext_keras.support.values.UnknownName: unknown argument of
    gopher_quality 'min_word': did you mean 'min_words'?
    """

    name: str = ""
    steps: dict = dataclasses.field(default_factory=dict)
    read: dict = dataclasses.field(default_factory=dict)
    minhash_bands: dict = dataclasses.field(default_factory=dict)
    find_duplicates: dict = dataclasses.field(default_factory=dict)
    find_repeats: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        steps = {
            name: _checked(name, choose("step", name, RULES), arguments)
            for name, arguments in self.steps.items()
        }
        names = self.names()
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the step {min(twice)!r} is there twice")
        object.__setattr__(self, "steps", steps)
        for name, module in STAGES.items():
            function, given = _function(module, name), getattr(self, name)
            object.__setattr__(self, name, _checked(name, function, given))
        ngram = self.stage("minhash_bands")["ngram"]
        if self.find_duplicates.pop("ngram", ngram) != ngram:
            raise ValueError("find_duplicates.ngram: set minhash_bands.ngram")

    def bound(self) -> list[Step]:
        """The steps in order, ready to be called.

        >>> [step] = Recipe(steps={"gopher_quality": {}}).bound()
        >>> step.arguments["min_words"]
        50
        """
        steps = []
        for name, given in self.steps.items():
            function = RULES[name]
            arguments = {**defaults(function), **given}
            bound = functools.partial(function, **arguments)
            steps.append(Step(RULES.name_of(name), bound, arguments))
        return steps

    def names(self) -> list[str]:
        """The short names of the steps in order, with which reasons begin."""
        return [RULES.name_of(name) for name in self.steps]

    def stage(self, name: str) -> dict[str, Any]:
        """All arguments of a stage, those at their defaults too.

        >>> Recipe(minhash_bands={"ngram": 5}).stage("find_duplicates")["ngram"]
        5
        """
        arguments = defaults(_function(STAGES[name], name)) | getattr(self, name)
        if name == "find_duplicates":
            arguments["ngram"] = self.stage("minhash_bands")["ngram"]
        return arguments

    def spelled_out(self) -> dict[str, Any]:
        """The recipe with every argument, for a manifest."""
        steps = {
            name: step.arguments
            for name, step in zip(self.steps, self.bound(), strict=True)
        }
        stages = {name: self.stage(name) for name in STAGES}
        return {"name": self.name, "steps": steps, **stages}

    def files(self) -> dict[str, str]:
        """Path or URL -> SHA-256 of the files that arguments of steps name.

        Rules of other packages are among them: "module" -> SHA-256 of its source.

        Raises:
            FileNotFoundError: a name or pattern that nothing matches.
        """
        found = {}
        for name, arguments in self.steps.items():  # no default names a file
            function = RULES[name]
            for path in _named(name, files_of, function, arguments):
                found[path] = content_hash(path)
            if RULES.is_outside(name) and (source := inspect.getsourcefile(function)):
                found[function.__module__] = content_hash(source)
        return found

    def override(self, *assignments: str) -> Recipe:
        """A copy changed by `"step.argument=value"`, the value read as JSON if it is.

        `"step=null"` leaves a step out, `"step={}"` adds one at the end.
        """
        steps = {name: dict(arguments) for name, arguments in self.steps.items()}
        stages: dict[str, Any] = {name: dict(getattr(self, name)) for name in STAGES}
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise ValueError(
                    f"{assignment!r} is not of the form step.argument=value"
                )
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                value = text
            name, argument = _name_and_argument(path.strip())
            if name not in STAGES:
                choose("step", name, {**RULES, **STAGES} if ":" not in name else RULES)
                name = _as_given(name, steps)
            table = stages if name in stages else steps
            if argument:
                if name not in table:
                    raise ValueError(
                        f"{assignment}: the recipe has no step {name}; add {name}={{}}"
                    )
                table[name][argument] = value
            elif value is None:
                table.pop(name, None)
            else:
                table[name] = value
        return dataclasses.replace(self, steps=steps, **stages)


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by its name, or from a JSON file that `Recipe.to_dict` describes.

    Raises:
        ValueError: no such name, and no file.

    >>> list(load_recipe("massivetext").steps)[:3]
    ['extract', 'normalize', 'identify']
    """
    if str(name) in RECIPES:
        return RECIPES[str(name)]
    if Path(name).is_file():
        values = read_json(name)
        try:
            return Recipe.from_dict(values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None
    raise ValueError(
        f"neither a recipe nor a file: {str(name)!r}; {nearest(str(name), RECIPES)}"
    )


def _function(module: str, name: str) -> Callable:
    return getattr(importlib.import_module(f"massivetext_keras.{module}"), name)


def _name_and_argument(path: str) -> tuple[str, str]:
    """The parts of "step.argument", also where the step is "package.module:function".

    >>> _name_and_argument("a.b:c.d"), _name_and_argument("c")
    (('a.b:c', 'd'), ('c', ''))
    """
    module, colon, rest = path.rpartition(":")
    name, _, argument = rest.partition(".")
    return module + colon + name, argument


def _as_given(name: str, steps: Mapping[str, Any]) -> str:
    """The name by which a recipe has a rule, whichever it is asked for by."""
    short = RULES.name_of(name)
    return next((one for one in steps if RULES.name_of(one) == short), name)


def _checked(name: str, function: Callable, arguments: Any) -> dict[str, Any]:
    """The arguments of a step, if they are what it takes."""
    if not isinstance(arguments, dict):
        raise TypeError(f"{name}: its arguments must be an object, got {arguments!r}")
    known = defaults(function)
    for argument in arguments:
        choose(f"argument of {name}", argument, known)
    return _named(name, checked, function, arguments)


def _named(step: str, function: Callable, *arguments: Any) -> Any:
    """What a function gives; its errors begin with the name of a step."""
    try:
        found = function(*arguments)
        return list(found) if isinstance(found, Iterator) else found
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{step}.{error}") from None


_READ: dict[str, dict] = {"extract": {}, "normalize": {}, "identify": {}}
_LAST: dict[str, dict] = {"contamination": {}, "personal_data": {}, "statistics": {}}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "massivetext",
            {**_READ, "gopher_quality": {}, "gopher_repetition": {}, **_LAST},
        ),
        Recipe(
            "c4",
            {**_READ, "c4_lines": {}, "c4_pages": {}, "mc4_pages": {}, **_LAST},
        ),
        Recipe(
            "fineweb",
            {
                **_READ,
                "gopher_repetition": {},
                "gopher_quality": {},
                # but for the rule that lines end in punctuation
                "c4_lines": {"terminal_punctuation": False},
                "c4_pages": {},
                "fineweb_quality": {},
                **_LAST,
            },
            minhash_bands={"ngram": 5, "bands": 14, "rows": 8},
        ),
        # for texts that somebody chose, such as books and documentation: no document
        # is dropped for how it is written
        Recipe(
            "curated",
            {
                **_READ,
                **_LAST,
                "identify": {"min_score": 0.0},
                "personal_data": {"max_spans": 1000},
            },
        ),
    )
}
"""Recipes by name: Rae et al. (2021), "Scaling language models", appendix A; Raffel et
al. (2020), "Exploring the limits of transfer learning", section 2.2; Penedo et al.
(2024), "The FineWeb datasets"."""
