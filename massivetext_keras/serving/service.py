"""What the answers of a server are made from, as one value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.measuring import Measuring
from massivetext_keras.serving.models.model import Model, load_export, load_preset
from massivetext_keras.serving.models.registry import Place, Registry
from massivetext_keras.serving.moderation.moderator import Moderator
from massivetext_keras.serving.requests import GenerationEngine


@dataclasses.dataclass(frozen=True)
class Service:
    """The models of a server, and what holds for all of them.

    Attributes:
        models: by name.
        limits: of requests.
        moderator: of what comes in and goes out.
        measuring: what is counted.
    """

    models: Registry
    limits: Limits
    moderator: Moderator
    measuring: Measuring

    def moderator_of(self, model: Model, written: bool) -> Moderator:
        """What judges the texts of a model: the server's, and the model's own.

        Args:
            model: whose preset may have a `Moderation`.
            written: by the model, or else asked of it.
        """
        own = getattr(model.task, "moderation", None)
        if own is None or not (own.after if written else own.before):
            return self.moderator
        return self.moderator.and_by(own.reasons)


def make_engine(task: Any, limits: Limits) -> GenerationEngine | None:
    """What writes the texts of a task's requests; None of a task that writes none."""
    from massivetext_keras.tasks import CausalLM

    if not isinstance(task, CausalLM):
        return None
    from massivetext_keras.serving.engine import SlotEngine

    return SlotEngine(task, limits.slots, limits.max_waiting)


def make_service(
    places: Sequence[Place],
    limits: Limits | None = None,
    moderator: Moderator | None = None,
    engine_of: Any = make_engine,
) -> Service:
    """A service that has yet to load its models.

    Args:
        places: where the models are from.
        limits: of requests (None: as `Limits` has them).
        moderator: of texts (None: all may pass).
        engine_of: of a task and the limits, gives what writes, or None.
    """
    limits, measuring = limits or Limits(), Measuring()

    def load(name: str, version: int, path: str) -> Model:
        seen = measuring.batches.labels(name).observe
        if any(place.name == name and place.is_preset for place in places):
            return load_preset(name, path, limits, engine_of, seen)
        return load_export(name, version, path, limits, seen)

    models = Registry(places, load)
    measuring.watch(models)
    return Service(models, limits, moderator or Moderator(), measuring)
