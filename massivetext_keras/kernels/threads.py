"""How many operations TensorFlow runs at once."""

from __future__ import annotations

import logging
import os

import tensorflow as tf

logger = logging.getLogger(__name__)


def overlap_operations() -> None:
    """Lets twice as many operations run at once as there are cores, unless the user
    chose a number.

    An XLA program holds its thread while it waits for its own workers, so that others
    would wait with it. TensorFlow takes the number before its first operation alone:
    a strategy, a precision, a tokenizer and a model each ask for it when they are made.
    """
    if tf.config.threading.get_inter_op_parallelism_threads() != 0:
        return
    try:
        tf.config.threading.set_inter_op_parallelism_threads(2 * (os.cpu_count() or 1))
    except RuntimeError as error:
        logger.debug("TensorFlow runs already, its threads stay: %s", error)
