"""A classifier of noise in which every token matters."""

from __future__ import annotations

from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import encoder_task


def labelled(**changes) -> TextClassifier:
    """Its weights are large enough for words to have scores of some hundredths."""
    changes = {"head": "mean", "scale": 0.8, **changes}
    return encoder_task(TextClassifier, labels=["ham", "spam"], **changes)
