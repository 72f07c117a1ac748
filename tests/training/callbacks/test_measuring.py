"""Measures after each epoch say what is wrong with their examples once."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import tensorflow as tf

from massivetext_keras.training import Measure

logger = logging.getLogger("massivetext_keras.data.objectives.pairs")


class Model:
    """Warns of its examples as often as it is asked."""

    def __init__(self):
        self.optimizer = SimpleNamespace(
            iterations=tf.Variable(1), use_ema=False, built=True
        )
        self.distribute_strategy = tf.distribute.get_strategy()
        self.f1 = 0.0

    def predictions(self, examples):
        logger.warning("%d sources are too long", len(examples))
        return ["a"] * len(examples)

    def measure(self, examples, predictions):
        logger.warning("%d pairs left out", len(examples))
        self.f1 += 0.25
        if self.f1 > 0.5:
            logger.warning("f1 %.2f is a word of its own", self.f1)
        return {"f1": self.f1}


def test_what_was_said_after_an_epoch_is_not_said_again(caplog):
    measure = Measure(["x"] * 3)
    measure.set_model(Model())
    for epoch in range(3):
        measure.on_epoch_end(epoch, {})
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert said == [
        "3 sources are too long",
        "3 pairs left out",
        "f1 0.75 is a word of its own",
    ]
    logger.warning("3 pairs left out")  # outside, nothing is left out
    assert caplog.records[-1].getMessage() == "3 pairs left out"
