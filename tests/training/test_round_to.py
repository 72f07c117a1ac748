"""Training that bears the rounding of what it trains."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import training
from massivetext_keras.architecture.storage import Storage
from massivetext_keras.data import LabeledText
from massivetext_keras.tasks import CausalLM, TextClassifier
from tests.tasks.tiny import byte_lm, encoder_task

EXAMPLES = [
    LabeledText(text, label)
    for text, label in [("the cat", "no"), ("the mat", "yes"), ("dog sat", "no")] * 4
]
# A language of which the next byte follows from the last two.
PERIOD = b"abcaacbbdacd"


def rows(count: int, length: int, seed: int) -> np.ndarray:
    starts = np.random.default_rng(seed).integers(0, len(PERIOD), count)
    text = np.frombuffer(PERIOD * (length // len(PERIOD) + 2), "uint8").astype("int32")
    return np.stack([text[start : start + length + 1] for start in starts]) + 3


def learn(lm: CausalLM, steps: int, rate: float, seed: int) -> None:
    lm.compile(training.adamw(rate), jit_compile=False)
    for step in range(steps):
        ids = rows(16, 24, 1000 * seed + step)
        lm.train_on_batch({"token_ids": ids[:, :-1]}, ids[:, 1:], np.ones([16, 24]))


def loss(lm: CausalLM) -> float:
    ids = rows(64, 24, 999_999)
    logits = lm({"token_ids": ids[:, :-1]})
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, 1:], logits)
    return float(tf.reduce_mean(losses[:, 4:]))


@pytest.mark.slow
@pytest.mark.usefixtures("without_xla")
def test_training_wins_back_half_of_what_four_bits_lost():
    """Twice from the same float weights: rounded as they are, and after more training
    with the rounding; the same training without it does not help."""

    shape = {"num_layers": 1, "hidden_size": 32, "intermediate_size": 64}
    lm = byte_lm(**shape, dropout=0.0)
    for weight in lm.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(0.2 * weight)
    learn(lm, 150, 3e-3, seed=1)
    whole = loss(lm)
    weights = [weight.numpy() for weight in lm.weights]
    lm.quantization.apply("int4", group_size=64)
    lost = loss(lm) - whole
    found = {}
    for name in ("plain", "rounded"):
        again = byte_lm(**shape, dropout=0.0)
        for weight, array in zip(again.weights, weights, strict=True):
            weight.assign(array)
        if name == "rounded":
            again.quantization.round_in_training("int4", group_size=64)
        learn(again, 60, 1e-3, seed=2)
        before = loss(again)
        if name == "rounded":
            again.quantization.store_rounded()
            assert loss(again) == pytest.approx(before, rel=1e-4)
        else:
            again.quantization.apply("int4", group_size=64)
        found[name] = loss(again) - whole
    assert lost > 0.0
    assert found["rounded"] < 0.5 * lost
    assert found["rounded"] < found["plain"]


def test_fine_tuning_ends_with_what_it_measured(tmp_path):
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    options = {"epochs": 1, "batch_size": 4, "jit_compile": False}
    measures = training.fine_tune(
        task, EXAMPLES, EXAMPLES, round_to="int8", run_dir=tmp_path, **options
    )
    storages = task.quantization.storages()
    assert set(storages.values()) == {Storage("int8")}
    again = TextClassifier.from_preset(tmp_path)
    assert again.quantization.storages() == storages
    assert again.measure(EXAMPLES)["accuracy"] == measures["accuracy"]


def test_what_does_not_go_together():
    task = encoder_task(TextClassifier, labels=("no", "yes"))
    with pytest.raises(ValueError, match="round_to"):
        training.fine_tune(task, EXAMPLES, round_to="int3", epochs=1)
    task.quantize("int8")
    with pytest.raises(ValueError, match="stored in int8 already"):
        training.fine_tune(task, EXAMPLES, round_to="int8", epochs=1)
