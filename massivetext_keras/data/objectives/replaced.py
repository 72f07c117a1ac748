"""Which tokens were replaced: masks everywhere, for a generator to fill."""

from __future__ import annotations

import dataclasses

from massivetext_keras.data.objectives.base import objective
from massivetext_keras.data.objectives.masked import Masked
from massivetext_keras.support.values import setting


@objective("replaced")
@dataclasses.dataclass(frozen=True)
class Replaced(Masked):
    """As `Masked`, but all that is chosen is hidden (ELECTRA; Clark et al., 2020): the
    task fills it with samples, and learns which tokens they are."""

    mask_share: float = setting(1.0, least=0, most=1)
    random_share: float = setting(0.0, least=0, most=1)
