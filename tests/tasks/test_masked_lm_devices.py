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
import sys
from massivetext_keras.tasks import MaskedLM
from tests.tasks.replicas import ALL, report
from tests.tasks.tiny import encoder_task

report(
    lambda: encoder_task(
        MaskedLM, scale=0.2, num_layers=1, pooler=True, sentences="order"
    ),
    # Whole words: rows, and so replicas, have unequal numbers of hidden tokens.
    lambda x: x.datasets(
        sys.argv[1],
        batch_size=4,
        sequence_length=16,
        validation_fraction=0.2,
        progress=False,
        whole_words=True,
    ),
    steps=5,
    ways=(*ALL[:2], ("none", 4)),
)
"""


@pytest.fixture
def text(tmp_path) -> str:
    (tmp_path / "text.txt").write_text(TEXT * 40)
    return str(tmp_path / "text.txt")


def test_replicas_and_micro_batches_learn_what_one_device_does(text):
    (one, *others), apart = last_line_of("-c", REPLICAS, text)
    assert others == [pytest.approx(one, rel=1e-5)] * 2 and "val_loss" in one
    assert max(apart) < 1e-5


@pytest.mark.parametrize("cls", [MaskedLM, ReplacedTokenDetector])
def test_a_whole_step_compiles(cls, text):
    losses = []
    for compiled in (False, True):
        keras.utils.set_random_seed(0)
        task = encoder_task(cls, scale=0.2, num_layers=1)
        task.compile(keras.optimizers.SGD(0.1), jit_compile=compiled)
        train, _ = task.datasets(
            text,
            batch_size=4,
            sequence_length=16,
            validation_fraction=0.0,
            progress=False,
        )
        losses.append(task.fit(train, steps_per_epoch=3, verbose=0).history["loss"][0])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
