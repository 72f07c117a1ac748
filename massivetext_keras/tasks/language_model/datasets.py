"""What a `CausalLM` learns from: texts, shards of them, or conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

from massivetext_keras import data
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.tasks.datasets import TextData
from massivetext_keras.tasks.inputs import are_files, rows_of, texts_of
from massivetext_keras.tasks.language_model.examples import Conversations
from massivetext_keras.tasks.language_model.texts import NextTokenTexts
from massivetext_keras.text.examples import Conversation


class LanguageModelData(Conversations):
    """Conversations; and where there are none, `texts`."""

    batch_sizes = TextData.batch_sizes
    objective = "causal"
    encodes_strings = True

    @property
    def texts(self) -> NextTokenTexts:
        return NextTokenTexts(self.task)

    @property
    def own_objective(self) -> str:
        return self.texts.own_objective

    def datasets(
        self,
        train: Any,
        validation: Any,
        share: float | None,
        how: Batching,
        reading: Mapping[str, Any],
    ) -> tuple:
        """As `TextData.datasets`; also of folders of shards, with weights or without,
        as `data.open_shards` takes them. Of several, the loss of each is logged."""
        weighted = isinstance(train, Mapping) and all(
            isinstance(weight, Number) for weight in train.values()
        )
        shards = None
        if weighted or isinstance(train, data.Shards) or are_files(train):
            shards = data.open_shards(train)
        names = shards.names if shards and len(shards.names) > 1 else []
        self.task.name_corpora(names)
        if shards is None:
            return super().datasets(train, validation, share, how, reading)
        config = self.task.config
        if config.stack == "prefix":
            raise ValueError("a prefix language model takes text, not shards")
        if how.objective is not None and how.objective.name != "causal":
            raise ValueError(f"objective {how.objective.name!r} takes text, not shards")
        if validation is not None:
            raise ValueError("shards have validation rows of their own: leave them")
        sizes = config.vocabulary_size, config.max_length, how.length
        shards.check(self.task.tokenizer, *sizes)
        batches = shards.training(how.rows, how.seed, how.start).epochs()
        return batches, None if share == 0.0 else shards.validation(how.rows)

    def read(self, data: Any, **reading) -> list:
        """Texts; or conversations, where dicts have them or a format is named."""
        if reading.get("format") is not None:
            return super().read(data, **reading)
        if are_files(data):
            return self.texts.read(data, **reading)
        rows = list(rows_of(data))
        first = rows[0] if rows else ""
        talks = isinstance(first, Mapping) and "text" not in first
        if talks or isinstance(first, list | tuple):
            return super().read(rows)
        return texts_of(rows)

    def share_of(self, items: Sequence[Any]) -> float:
        return 0.0 if _talk(items) else self.texts.share_of(items)

    def split(self, items: Sequence[Any], share: float) -> tuple[list, list]:
        if _talk(items):
            return super().split(items, share)
        return self.texts.split(items, share)

    def training(self, items: Sequence[Any], how: Batching):
        if _talk(items):
            return super().training(items, how)
        return self.texts.training(items, how)

    def validation(self, items: Sequence[Any], how: Batching):
        if _talk(items):
            return super().validation(items, how)
        return self.texts.validation(items, how)

    def encode(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        return self.texts.encode(x, y, sample_weight)


def _talk(items: Sequence[Any]) -> bool:
    """Whether they are conversations, and not texts."""
    return isinstance(items[0], Conversation)
