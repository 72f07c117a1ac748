from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from massivetext_keras.training import TensorBoard, adamw, callbacks
from massivetext_keras.training.callbacks import StepCallback
from tests.training.tiny import TinyLM, batch, batches

TAGS = {"loss", "perplexity", "bits_per_byte"}
TRAIN_TAGS = TAGS | {"learning_rate", "gradient_norm", "tokens_per_second"}


def built(label_size=3.0) -> TinyLM:
    keras.utils.set_random_seed(3)
    model = TinyLM(label_size=label_size)
    model.compile(adamw(0.05, warmup_steps=4, total_steps=20))
    return model


def read(folder) -> dict[str, dict[int, np.ndarray]]:
    """Values by step by tag, as TensorBoard reads them."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: {e.step: tf.make_ndarray(e.tensor_proto) for e in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }


class Clock(keras.callbacks.Callback):
    """Two seconds per batch of training, a hundred per batch of evaluation."""

    now = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 2.0

    def on_test_batch_begin(self, batch, logs=None):
        self.now += 100.0


def test_curves_equal_what_was_recorded_step_by_step(tmp_path, monkeypatch):
    twin, losses, norms = built(), [], []
    for i in range(14):
        logs = twin.train_on_batch(*batch(i), return_dict=True)
        losses.append(logs["loss"])
        norms.append(logs["gradient_norm"])
        if i == 6:
            middle = twin.evaluate(batches(50, 53), verbose=0, return_dict=True)
    last = twin.evaluate(batches(50, 53), verbose=0, return_dict=True)
    tokens = np.array([batch(i)[2].sum() for i in range(14)])

    clock = Clock()
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock.now)
    model = built()
    model.tokenizer = object()
    watch = TensorBoard(
        tmp_path, every=4, sample_every=6, prompts=["a", "b"], max_new_tokens=9
    )
    # Two epochs of seven: the second interval holds an evaluation and a reset.
    model.fit(
        batches(0, 14),
        steps_per_epoch=7,
        epochs=2,
        validation_data=batches(50, 53),
        callbacks=[clock, watch],
        verbose=0,
    )

    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    assert set(train) == TRAIN_TAGS | {"sample"}
    assert set(validation) == TAGS
    intervals = {4: slice(0, 4), 8: slice(4, 8), 12: slice(8, 12), 14: slice(12, 14)}
    assert list(train["loss"]) == list(intervals)
    for step, part in intervals.items():
        expected = np.average(losses[part], weights=tokens[part])
        assert train["loss"][step] == pytest.approx(expected, rel=1e-5)
        bits = expected / (3 * math.log(2))  # every label has three bytes
        assert train["bits_per_byte"][step] == pytest.approx(bits, rel=1e-5)
        perplexity = math.exp(expected)
        assert train["perplexity"][step] == pytest.approx(perplexity, rel=1e-4)
        assert train["gradient_norm"][step] == pytest.approx(norms[step - 1], rel=1e-4)
    rate = 0.05 * (0.1 + 0.9 * (0.5 + 0.5 * math.cos(math.pi * 5 / 16)))
    assert train["learning_rate"][8] == pytest.approx(rate, rel=1e-5)

    # The interval with the compilation has no speed; the last has two batches.
    speeds = {8: tokens[4:8].sum() / 8, 12: tokens[8:12].sum() / 8}
    speeds[14] = tokens[12:].sum() / 4
    assert train["tokens_per_second"] == pytest.approx(speeds, rel=1e-5)

    for step, expected in ((7, middle), (14, last)):
        assert validation["loss"][step] == pytest.approx(expected["loss"], rel=1e-5)
        bits = validation["bits_per_byte"][step]
        assert bits == pytest.approx(expected["bits_per_byte"], rel=1e-5)
        perplexity = validation["perplexity"][step]
        assert perplexity == pytest.approx(math.exp(expected["loss"]), rel=1e-4)
    assert list(validation["loss"]) == [7, 14]

    assert list(train["sample"]) == [6, 12]
    assert train["sample"][6].tolist() == [b"    a<9\n    new>", b"    b<9\n    new>"]


def test_no_sample_without_a_tokenizer_and_no_bits_without_bytes(tmp_path):
    model = built(label_size=None)
    watch = TensorBoard(tmp_path, every=2, sample_every=1)
    model.fit(batches(0, 5), callbacks=[watch], verbose=0)
    train = read(tmp_path / "train")
    assert set(train) == TRAIN_TAGS - {"bits_per_byte"}
    assert list(train["loss"]) == [2, 4, 5]
    assert not (tmp_path / "validation").exists()


def test_a_second_fit_goes_on_counting(tmp_path):
    model = built()
    for start in (0, 3):
        watch = TensorBoard(tmp_path / str(start), every=2)
        model.fit(batches(start, start + 3), callbacks=[watch], verbose=0)
    assert list(read(tmp_path / "0/train")["loss"]) == [2, 3]
    assert list(read(tmp_path / "3/train")["loss"]) == [4, 6]


def test_an_evaluation_alone_is_written_too(tmp_path):
    model = built()
    watch = TensorBoard(tmp_path)
    loss = model.evaluate(batches(0, 2), callbacks=[watch], verbose=0)[0]
    written = read(tmp_path / "validation")["loss"]
    assert written == {0: pytest.approx(loss, rel=1e-6)}
    assert not (tmp_path / "train").exists()


def test_steps_are_counted_when_several_run_at_once():
    counter = StepCallback()
    counter.step = 100
    counter.on_epoch_begin(0)
    due = []
    for end in (3, 7, 9):
        counter.on_train_batch_end(end)
        due.append((counter.step, counter.is_due(6), counter.is_due(0)))
    assert due == [(104, True, False), (108, True, False), (110, False, False)]


def test_every_is_positive(tmp_path):
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        TensorBoard(tmp_path, every=0)


def test_a_clock_gives_the_median_update_without_the_first(monkeypatch):
    ends = iter([90.0, 91.0, 92.5, 99.0, 100.0])
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(ends))
    clock = callbacks.Clock()
    clock.on_train_begin()
    for i in range(5):
        clock.on_train_batch_end(i)
    assert clock.seconds_per_step == 1.25
