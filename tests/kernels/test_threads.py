"""Importing sets nothing of TensorFlow's; what begins a run does."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
import tensorflow as tf
import massivetext_keras as mtk
from massivetext_keras.kernels.threads import overlap_operations
number = tf.config.threading.get_inter_op_parallelism_threads
mtk.tasks, mtk.training, mtk.models, mtk.layers
assert number() == 0, number()
mtk.training.make_strategy("none")
assert number() == 2 * os.cpu_count(), number()
tf.config.threading.set_inter_op_parallelism_threads(3)
overlap_operations()
assert number() == 3, "what the user chose stays"
tf.zeros([])
overlap_operations()  # nor is it an error once TensorFlow runs
"""


def test_who_sets_the_number_of_threads():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
