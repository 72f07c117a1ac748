"""What tests of training share."""

from __future__ import annotations

import keras
import pytest

from massivetext_keras.tasks import training_step


@pytest.fixture(scope="module")
def without_xla():
    """Spares XLA's compilation of the update, and gives the policy back."""
    policy = keras.config.dtype_policy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "island", lambda f: f)
        yield
    keras.config.set_dtype_policy(policy)
