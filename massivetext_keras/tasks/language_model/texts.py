"""Texts of which the next token is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.tasks.datasets import TextData


class NextTokenTexts(TextData):
    """Documents, cut where a row ends, or each in a row of its own."""

    encodes_strings = True

    @property
    def own_objective(self) -> str:
        return "prefix" if self.task.config.stack == "prefix" else "causal"

    def encode(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        """Texts to be learnt themselves, each in a row of its own."""
        if y is not None:
            raise ValueError("of texts a CausalLM learns the next token: give no y")
        if isinstance(x, Mapping):
            x = x["text"]
        ids, mask = self.features_of.documents(x)
        features, labels, weights = data.text_example(ids, mask)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        return features, labels, weights
