"""Every task trains where TensorFlow was told to be deterministic."""

from __future__ import annotations

import pytest

from tests.processes import last_line_of

PROGRAM = """
import json
import keras
import tensorflow as tf
from massivetext_keras.optimization import step as training_step
from massivetext_keras.training import adamw
from tests.processes import use_grappler
from tests.tasks.every import TASKS, one_batch

tf.config.experimental.enable_op_determinism()
use_grappler(False)
training_step.island = lambda f: f  # without XLA, which takes long to compile
found = {}
for name, make in TASKS.items():
    found[name] = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        task = make(dropout=0.1, num_layers=1)
        task.compile(adamw(0.01))
        data = tf.data.Dataset.from_tensors(one_batch(name)).repeat(2)
        logs = task.fit(data, validation_data=data, verbose=0).history
        found[name].append([logs["loss"], logs["val_loss"]])
print(json.dumps(found))
"""


@pytest.mark.slow
def test_every_fit_is_allowed_and_repeats():
    found = last_line_of("-c", PROGRAM)
    assert len(found) == 8
    for name, (first, second) in found.items():
        assert first == second, name
