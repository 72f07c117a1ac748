"""Masked language models learn the same in any split of a batch, and inside XLA."""

from __future__ import annotations

import keras
import pytest

from massivetext_keras.tasks import MaskedLM, ReplacedTokenDetector
from tests.processes import last_line_of
from tests.tasks.tiny import encoder_task

pytestmark = pytest.mark.slow

TEXT = "the cat sat on the mat , the unbelievable dog sat on cats "
REPLICAS = """
import json, sys
import keras, numpy as np, tensorflow as tf
from massivetext_keras.tasks import MaskedLM
from massivetext_keras.training import make_strategy
from tests.tasks.tiny import encoder_task

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
results = []
for name, micro_batches in (("none", 1), ("mirrored", 1), ("none", 4)):
    keras.utils.set_random_seed(0)
    with make_strategy(name).scope():
        lm = encoder_task(
            MaskedLM, scale=0.2, num_layers=1, pooler=True, sentences="order"
        )
        lm.compile(keras.optimizers.SGD(0.1), micro_batches=micro_batches)
    # Whole words: rows, and so replicas, have unequal numbers of hidden tokens.
    options = {"progress": False, "whole_words": True}
    train, valid = lm.datasets(sys.argv[1], 4, 16, 0.2, **options)
    fitted = lm.fit(train, validation_data=valid, steps_per_epoch=5, verbose=0).history
    weights = np.concatenate([w.numpy().ravel() for w in lm.trainable_variables])
    results.append((fitted["loss"][0], fitted["val_loss"][0], weights))
one, *others = results
apart = [float(abs(one[2] - other[2]).max()) for other in others]
print(json.dumps([one[:2], [other[:2] for other in others], apart]))
"""


@pytest.fixture
def text(tmp_path) -> str:
    (tmp_path / "text.txt").write_text(TEXT * 40)
    return str(tmp_path / "text.txt")


def test_replicas_and_micro_batches_learn_what_one_device_does(text):
    one, others, apart = last_line_of("-c", REPLICAS, text)
    for other in others:
        assert other == pytest.approx(one, rel=1e-5)
    assert len(apart) == 2 and max(apart) < 1e-5


@pytest.mark.parametrize("cls", [MaskedLM, ReplacedTokenDetector])
def test_a_whole_step_compiles(cls, text):
    losses = []
    for compiled in (False, True):
        keras.utils.set_random_seed(0)
        task = encoder_task(cls, scale=0.2, num_layers=1)
        task.compile(keras.optimizers.SGD(0.1), jit_compile=compiled)
        train, _ = task.datasets(text, 4, 16, 0.0, progress=False)
        losses.append(task.fit(train, steps_per_epoch=3, verbose=0).history["loss"][0])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
