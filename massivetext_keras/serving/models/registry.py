"""The models that are served, by name: newest versions are loaded, old ones drained."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from massivetext_keras.serving.models.model import GRAPH, Model
from massivetext_keras.serving.refusals import Refusal
from massivetext_keras.support.values import closest

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Load = Callable[[str, int, str], Model]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a model is from.

    Attributes:
        name: what clients call it.
        path: of an export, or of a folder with one in each of the folders 1, 2, …; or
            what `from_preset` takes.
        is_preset: which of the two.
    """

    name: str
    path: str
    is_preset: bool = False

    @classmethod
    def read(cls, text: str, is_preset: bool = False) -> Place:
        """From `name=path`, or a path whose last folder that is no number names it.

        Raises:
            ValueError: the name cannot be part of an address.

        >>> Place.read("served/spam/3"), Place.read("a=served/spam")
        (Place(name='spam', path='served/spam/3', is_preset=False),
         Place(name='a', path='served/spam', is_preset=False))
        """
        name, equals, path = text.partition("=")
        if not equals:
            words = [x for x in re.split(r"[/:]", text) if x and not x.isdigit()]
            name, path = words[-1] if words else "model", text
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} names no model: letters, digits, '.', '_' and '-', as in "
                f"--model=NAME={path}"
            )
        return cls(name, path, is_preset)

    def versions(self) -> dict[int, str]:
        """The folders of its versions.

        Raises:
            FileNotFoundError: there is none.

        >>> Place("m", "gpt_mini", is_preset=True).versions()
        {1: 'gpt_mini'}
        """
        if self.is_preset:
            return {1: self.path}
        folder = Path(self.path)
        if (folder / GRAPH).is_file():
            return {int(folder.name) if folder.name.isdigit() else 1: self.path}
        found = {
            int(file.parent.name): str(file.parent)
            for file in folder.glob(f"*/{GRAPH}")
            if file.parent.name.isdigit()
        }
        if not found:
            raise FileNotFoundError(
                f"{self.path} has no {GRAPH}, nor a folder 1, 2, … that has one: "
                "`massivetext export` writes it"
            )
        return found


class Registry:
    """Models by name. A version is closed when its last request has been answered.

    Args:
        places: where they are from.
        load: name, version and path to a model.

    Raises:
        ValueError: two have one name.
    """

    def __init__(self, places: Sequence[Place], load: Load):
        self._places, self._load = list(places), load
        names = [place.name for place in places]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two models are called {min(twice)!r}: use NAME=PATH")
        self._models: dict[str, Model] = {}
        self._users: dict[int, int] = {}  # id of a model -> requests
        self.failures: dict[str, str] = {}  # name of a model that is not warm -> why
        # By name, the file of a version that could not be loaded, and why.
        self._passed_over: dict[str, tuple[tuple, str]] = {}
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def load(self) -> None:
        """Loads the newest version of each model.

        Raises:
            OSError: one cannot be read.
        """
        for place in self._places:
            version, path = max(place.versions().items())
            self._models[place.name] = self._load(place.name, version, path)

    def watch(
        self, seconds: float, failed: Callable[[str], None] = lambda why: None
    ) -> None:
        """Warms the models up, then looks for newer versions at such intervals.

        Args:
            seconds: between two looks.
            failed: told why a model cannot be warmed up.
        """
        self._watcher = threading.Thread(
            target=self._watch, args=[seconds, failed], daemon=True, name="versions"
        )
        self._watcher.start()

    def _watch(self, seconds: float, failed: Callable[[str], None]) -> None:
        for model in self.models():
            try:
                model.warm_up(self._ended.is_set)
            except Exception as error:  # the others can be used all the same
                why = f"{type(error).__name__}: {error}"
                logger.exception("%s cannot be warmed up", model.name)
                self.failures[model.name] = why
                failed(f"{model.name} cannot be warmed up: {why}")
        while not self._ended.wait(seconds):
            self.refresh()

    def refresh(self) -> None:
        """Loads what is newer than what is served; the old version is drained then."""
        for place in self._places:
            old = self._models[place.name]
            new = self._newer(place, old)
            if new is None:
                continue
            with self._changed:
                self._models[place.name] = new
                self.failures.pop(place.name, None)
                while self._users.get(id(old)):
                    self._changed.wait()
            old.close()
            versions = new.version, old.version
            logger.info("%s: version %s in place of %s", place.name, *versions)

    def _newer(self, place: Place, old: Model) -> Model | None:
        """A model's newest version, warmed up; None if it is the old one, or cannot be
        loaded, which is said once as long as its file is the same."""
        seen: tuple = ()
        before, why = self._passed_over.get(place.name, ((), ""))
        try:
            version, path = max(place.versions().items())
            if version == old.version:
                return None
            seen = path, Path(path, GRAPH).stat().st_mtime_ns
            if seen == before:
                return None
            new = self._load(place.name, version, path)
            new.warm_up(self._ended.is_set)
        except Exception as error:  # the old one goes on being served
            if (seen, str(error)) != (before, why):
                logger.warning("%s: %s", place.path, error)
            self._passed_over[place.name] = seen, str(error)
            return None
        return new

    @contextlib.contextmanager
    def lease(self, name: str, version: int | None = None) -> Iterator[Model]:
        """A model, which is not closed meanwhile.

        Raises:
            Refusal: there is no such model or version.
        """
        with self._changed:
            model = self.find(name, version)
            self._users[id(model)] = self._users.get(id(model), 0) + 1
        try:
            yield model
        finally:
            with self._changed:
                self._users[id(model)] -= 1
                if not self._users[id(model)]:
                    del self._users[id(model)]
                self._changed.notify_all()

    def find(self, name: str, version: int | None = None) -> Model:
        """A model.

        Raises:
            Refusal: there is no such model or version.
        """
        model = self._models.get(name)
        if model is not None and version in (None, model.version):
            return model
        asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        if model is not None:
            hint = f"version {model.version} is served"
        elif near := closest(name, self._models):
            hint = f"did you mean {near}?"
        else:
            hint = f"models: {', '.join(sorted(self._models))}"
        why = f"Servable not found for request: {asked}: {hint}"
        raise Refusal(404, why, "model", "model_not_found")

    def models(self) -> list[Model]:
        """All that are served."""
        return list(self._models.values())

    @property
    def ready(self) -> bool:
        """Whether all are warmed up."""
        return all(model.ready for model in self.models())

    def close(self) -> None:
        """Ends the watcher, and closes the models."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
        for model in self.models():
            model.close()
