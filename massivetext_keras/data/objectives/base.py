"""What an objective is: how items become batches; and the table of all of them.

One more is a class in a file of its own, anywhere: decorated with `@objective`, and
named by an entry point of the group `massivetext_keras.objectives`, or as
"package.module:Class" where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.support.registry import Registry
from massivetext_keras.support.values import Config, choose


class Learner(Protocol):
    """What an objective asks of a task. Some ask for more: see each."""

    config: ModelConfig

    def need_tokenizer(self) -> Any:
        """The tokenizer, or an error that there is none."""

    def token_row(
        self, texts: Sequence[str], progress: bool, add_bos: bool | None = None
    ) -> np.ndarray:
        """Texts as one row of ids, int32 [tokens]."""


class Objective(Config):
    """How items become batches: a frozen value, whose fields are its options.

    Attributes:
        name: in the table; the decorator sets it.
        reads: "texts", or "examples" as the task reads them.
        batches: what kind of batches it makes: a task learns from all objectives that
            make those of its own.
        share_held_out: of the items, where nobody says another.
    """

    name = ""
    reads = "texts"
    batches = ""
    share_held_out = 0.05

    def extra_tokens(self, tokenizer) -> int:
        """Tokens that a model embeds behind those of the tokenizer."""
        return 0

    def check(self, task: Learner) -> None:
        """Refuses a task that cannot learn from this.

        Raises:
            ValueError: says why.
        """

    def training(
        self, task: Learner, items: Sequence[Any], how: Batching
    ) -> TrainingBatches:
        """Batches to learn from; batch k is a function of the seed and k."""
        raise NotImplementedError

    def validation(
        self, task: Learner, items: Sequence[Any], how: Batching
    ) -> tf.data.Dataset:
        """Batches of every item, once and in order."""
        raise NotImplementedError


OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective", "massivetext_keras.data.objectives", "massivetext_keras.objectives"
)
"""How text becomes features, labels and loss weights, by name."""


def objective(name: str) -> Callable[[type[Objective]], type[Objective]]:
    """A decorator that puts a class into the table under a name."""

    def register(cls: type[Objective]) -> type[Objective]:
        cls.name = name
        OBJECTIVES.add(cls, name, cls)
        return cls

    return register


def make_objective(name: str, options: Mapping[str, Any] | None = None) -> Objective:
    """An objective by its name, or "package.module:Class", with its options.

    Raises:
        ValueError: the name or an option is unknown, or an option is out of range.
        TypeError: an option is of another type.

    >>> make_objective("spans", {"mean_length": 5})
    Spans(density=0.15, mean_length=5.0, sentinel_id=None)
    """
    return choose("objective", name, OBJECTIVES).from_dict(options or {})
