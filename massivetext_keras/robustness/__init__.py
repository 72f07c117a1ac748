"""What small changes of a text do to an answer: typing errors, lost words, names."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.robustness.attacks import ATTACKS, under_attack
from massivetext_keras.robustness.counterfactuals import (
    Flips,
    by_group,
    filled,
    flips,
)

__all__ = ["ATTACKS", "Flips", "by_group", "filled", "flips", "under_attack"]
