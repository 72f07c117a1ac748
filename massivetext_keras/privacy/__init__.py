"""What a trained task tells of the texts that it was trained on."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.privacy.accounting import epsilon, noise_for, updates_within
from massivetext_keras.privacy.budget import PrivacyBudget
from massivetext_keras.privacy.federated import (
    FederatedClient,
    federated_shares,
    set_weights,
    weights_of,
)
from massivetext_keras.privacy.memory import (
    Extraction,
    Passage,
    exposure,
    extraction,
    membership,
    random_digits,
    with_canaries,
)
from massivetext_keras.privacy.sampling import poisson_batches

__all__ = [
    "DPSGD",
    "Extraction",
    "FederatedClient",
    "Passage",
    "PrivacyBudget",
    "epsilon",
    "exposure",
    "extraction",
    "federated_shares",
    "membership",
    "noise_for",
    "poisson_batches",
    "random_digits",
    "set_weights",
    "updates_within",
    "weights_of",
    "with_canaries",
]
