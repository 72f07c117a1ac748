"""What a `TextEmbedder` learns from: pairs of texts that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from massivetext_keras.data.records import Problems, read_records
from massivetext_keras.tasks.datasets import TextData
from massivetext_keras.tasks.inputs import are_files, rows_of
from massivetext_keras.tasks.preprocessor import Preprocessor

Pair = tuple[str, str]


class PositivePairs(TextData):
    """Pairs of texts, each the only right partner of the other in its batch."""

    batch_sizes = {"batch_size": 32}
    objective = "contrast"

    def read(self, data: Any, **reading) -> list[Pair]:
        """Pairs from columns `text` and `second` of files, or from memory."""
        if are_files(data):
            problems, names = Problems(), ("text", "second")
            records = read_records(data, names, problems=problems, **reading)
            first, second = names
            pairs: list[Any] = [
                (x.fields.get(first), x.fields.get(second)) for x in records
            ]
            problems.log()
            return pairs
        rows = rows_of(data)
        return [tuple(x.values()) if isinstance(x, Mapping) else x for x in rows]

    def split(self, items: Sequence[Pair], share: float) -> tuple[list, list]:
        """A share of the pairs held out, at random."""
        order = np.random.default_rng(0).permutation(len(items))
        count = int(len(items) * share)
        sides = order[count:], order[:count]
        first, second = ([items[i] for i in sorted(side)] for side in sides)
        return first, second

    def preprocessor(
        self, sequence_length: int | None = None, **settings: Any
    ) -> Preprocessor:
        lowercase = self.task.lowercase
        return super().preprocessor(sequence_length, lowercase=lowercase, **settings)
