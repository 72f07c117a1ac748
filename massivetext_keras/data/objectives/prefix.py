"""The next token behind a prefix that is read in both directions."""

from __future__ import annotations

import dataclasses

from massivetext_keras.data.objectives.base import objective
from massivetext_keras.data.objectives.causal import Causal


@objective("prefix")
@dataclasses.dataclass(frozen=True)
class Prefix(Causal):
    """As `Causal`, but a prefix of each window, of a length drawn anew, is read in both
    directions and has no loss (Dong et al., 2019); evaluation has no prefix."""

    _has_prefix = True

    def check(self, task):
        if task.config.stack != "prefix":
            raise ValueError(
                f"objective 'prefix' needs stack='prefix', not {task.config.stack!r}"
            )
