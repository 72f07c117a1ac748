"""What small changes of a text do to an answer, and training that makes them less."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.optimization.gradients.adversarial import AdversarialTraining
from massivetext_keras.robustness.attacks import ATTACKS, under_attack
from massivetext_keras.robustness.back_translation import BackTranslation
from massivetext_keras.robustness.counterfactuals import (
    Flips,
    by_group,
    filled,
    flips,
)

__all__ = [
    "ATTACKS",
    "AdversarialTraining",
    "BackTranslation",
    "Flips",
    "by_group",
    "filled",
    "flips",
    "under_attack",
]
