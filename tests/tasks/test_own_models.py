"""Backbones and optimizers in models of a user's own, on two replicas and on one."""

from __future__ import annotations

import pytest

from tests.processes import last_line_of

PROGRAM = """
import json

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.models import BERT, GPT
from massivetext_keras.training import adamw, make_optimizer, set_logical_cpus
from tests.processes import use_grappler
from tests.tasks.tiny import ENCODER, TINY, byte_lm

use_grappler(False)
set_logical_cpus(2)
SHORT = TINY.replace(num_layers=1)

TWO = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.default_rng(0)
IDS = random.integers(0, 50, [16, 7]).astype("int32")
DATA = {"token_ids": IDS, "padding_mask": np.ones_like(IDS)}, random.integers(0, 3, 16)


class Own(keras.Model):
    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, keras.layers.Dense(3)

    def call(self, inputs, training=None):
        hidden = self.backbone(inputs, training=training)
        return self.head(keras.ops.mean(hidden, axis=1))


def given_to_a_task():
    optimizer = keras.optimizers.Adam(0.01)
    byte_lm().compile(optimizer)
    assert type(optimizer) is keras.optimizers.Adam
    return optimizer


def fitted(strategy, cls, config, optimizer):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = Own(cls(config))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer(), loss, jit_compile=False)
    model.fit(*DATA, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return [
        [copy.numpy() for copy in strategy.experimental_local_results(v.value)]
        for v in model.trainable_variables
    ]


def apart(*case):
    one = fitted(tf.distribute.get_strategy(), *case)
    two = fitted(TWO, *case)
    copies = max(np.abs(a - b).max() for a, b in two)
    pairs = zip(one, two, strict=True)
    return [float(copies), float(max(np.abs(a - b).max() for (a,), (b, _) in pairs))]


relative = ENCODER.replace(position="relative", num_layers=1)
found = {
    "adam": apart(BERT, relative, lambda: keras.optimizers.Adam(0.01)),
    "clipped": apart(
        GPT, SHORT, lambda: make_optimizer("sgd", 0.1, momentum=0.0, clip_norm=0.05)
    ),
    "adamw": apart(GPT, SHORT, lambda: adamw(0.01)),
    "given": apart(GPT, SHORT, given_to_a_task),
}
keras.config.set_dtype_policy("mixed_float16")
copies = [a - b for a, b in fitted(TWO, GPT, SHORT, lambda: adamw(0.01))]
found["float16"] = [float(max(np.abs(x).max() for x in copies)), 0.0]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_replicas_stay_equal_and_learn_what_one_device_does():
    found = last_line_of("-c", PROGRAM)
    assert set(found) == {"adam", "clipped", "adamw", "given", "float16"}
    for name, (copies, one_device) in found.items():
        assert copies == 0.0, name
        assert one_device < 2e-5, name
