"""The next token, of windows over all texts or of each text in a row of its own."""

from __future__ import annotations

import dataclasses

from massivetext_keras.data.batching.texts import text_rows
from massivetext_keras.data.batching.windows import training_batches, validation_batches
from massivetext_keras.data.objectives.base import Objective, objective


@objective("causal")
@dataclasses.dataclass(frozen=True)
class Causal(Objective):
    """Every token is predicted from those before it (Radford et al., 2019).

    Texts follow one another in one row of tokens, of which batches have windows; with
    `batch_tokens` each text has a row of its own, beside others of like length.
    """

    batches = "next tokens"
    _has_prefix = False

    def training(self, task, items, how):
        if how.batch_tokens is not None:
            rows = _text_rows(task, items, how)
            rows.rows.log("texts")
            return rows.training(how.seed, how.start)
        return training_batches(
            task.token_row(items, how.progress),
            how.rows,
            how.length or task.config.max_length,
            how.seed,
            how.start,
            self._has_prefix,
        )

    def validation(self, task, items, how):
        if how.batch_tokens is not None:
            return _text_rows(task, items, how).in_order()
        length = how.length or task.config.max_length
        return validation_batches(task.token_row(items, False), how.rows, length)


def _text_rows(task, texts, how):
    length = how.length or task.config.max_length
    return text_rows(task.need_tokenizer(), texts, length, how.batch_tokens)
