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

use_grappler(False)
tf.config.experimental.enable_op_determinism()
training_step.island = lambda f: f  # without XLA, which takes long to compile
found = {}
for name, make in TASKS.items():
    keras.utils.set_random_seed(0)
    task = make(dropout=0.1, num_layers=1)
    task.compile(adamw(0.01))
    task.build_optimizer()
    variables = [*task.variables, *task.optimizer.variables]
    before = [tf.identity(variable.value) for variable in variables]
    data = tf.data.Dataset.from_tensors(one_batch(name)).repeat(2)
    found[name] = []
    for _ in range(2):  # by the same graphs
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
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
        assert first[0][0] != first[1][0], name  # what is measured was learnt
