"""What a trained task tells of the texts that it was trained on."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.optimization.private import DPSGD
from massivetext_keras.privacy.accounting import epsilon, noise_for, updates_within
from massivetext_keras.privacy.budget import PrivacyBudget
from massivetext_keras.privacy.sampling import poisson_batches

__all__ = [
    "DPSGD",
    "PrivacyBudget",
    "epsilon",
    "noise_for",
    "poisson_batches",
    "updates_within",
]
