"""What a person reads while a model trains."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.training import Progress, TimeLimit, adamw
from massivetext_keras.training.watching import meter, progress
from tests.training.tiny import Clock, TinyLM, batch, batches

SECONDS = 120.0  # that a word may take on a busy machine


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Losses(keras.callbacks.Callback):
    """The losses of batches, from the mean since the epoch began that Keras logs."""

    def on_train_begin(self, logs=None):
        self.own = []

    def on_epoch_begin(self, epoch, logs=None):
        self.summed = self.count = 0.0

    def on_train_batch_end(self, index, logs=None):
        weight = batch(len(self.own))[2].sum()
        self.count += weight
        summed = float(logs["loss"]) * self.count
        self.own.append((summed - self.summed) / weight)
        self.summed = summed


pytestmark = pytest.mark.usefixtures("without_xla")


@pytest.fixture(scope="module")
def model() -> TinyLM:
    keras.utils.set_random_seed(3)
    model = TinyLM()
    model.compile(adamw(0.05))
    return model


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(meter.time, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def threads() -> Callable[[], set[threading.Thread]]:
    """Those that watch a first step, begun since the test began."""

    def watching() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name == "first step"}

    before = watching()
    return lambda: watching() - before


def test_a_line_tells_step_loss_speed_and_time_left(model, clock, capsys, threads):
    first, losses = int(model.optimizer.iterations.numpy()), Losses()
    model.fit(
        batches(0, 6),
        steps_per_epoch=3,
        epochs=2,
        validation_data=batches(50, 52),
        callbacks=[
            clock,
            losses,
            Progress(total=first + 10, every=2, patience=None),
        ],
        verbose=0,
    )
    out, err = capsys.readouterr()
    assert out == "" and threads() == set()
    lines = err.splitlines()
    heads = [line.split(" loss ")[0] for line in lines]
    steps = [f"step {first + n} of {first + 10}," for n in (2, 4, 6)]
    evaluations = [f"step {first + n}, evaluation:" for n in (3, 6)]
    one, two, three = steps
    assert heads == [one, evaluations[0], two, three, evaluations[1]]
    weights = [batch(i)[2].sum() for i in range(6)]
    for line, part in zip(
        [lines[0], *lines[2:4]], ((0, 1), (2, 3), (4, 5)), strict=True
    ):
        part = list(part)
        loss = np.average(np.take(losses.own, part), weights=np.take(weights, part))
        bits = loss / (3 * np.log(2))  # every label has three bytes
        found = re.search(r" loss ([\d.]+), ([\d.]+) bits per byte", line)
        assert float(found[1]) == pytest.approx(loss, abs=0.001)
        assert float(found[2]) == pytest.approx(bits, abs=0.001)
    assert "tokens/s" not in lines[0]  # it holds the compilation
    # Two batches of four rows of five, two seconds for each, whatever else is done.
    assert lines[2].endswith(", 10 tokens/s, 12 s left")
    assert lines[3].endswith(", 10 tokens/s, 8 s left")


def test_by_the_clock_the_time_left_is_that_of_the_clock(model, clock):
    file, limit = io.StringIO(), TimeLimit(minutes=1, now=lambda: clock.now)
    shown = Progress(every=2, file=file, patience=None, limit=limit)
    model.fit(batches(0, 4), callbacks=[clock, limit, shown], verbose=0)
    first, second = file.getvalue().splitlines()
    assert " of " not in first
    # Four batches of two seconds, of which the first was not counted
    assert second.endswith(", 54 s left")


def test_without_an_end_there_is_no_time_left(model, clock):
    file = io.StringIO()
    callbacks = [clock, Progress(every=2, file=file, patience=None)]
    model.fit(batches(0, 4).filter(lambda *_: True), callbacks=callbacks, verbose=0)
    first, second = file.getvalue().splitlines()
    assert first.startswith("step ") and " of " not in first
    assert second.endswith(" tokens/s")


def test_a_terminal_has_one_line_that_is_written_anew(model, monkeypatch):
    monkeypatch.setattr(progress, "_BETWEEN", 0.0)
    first, file = int(model.optimizer.iterations.numpy()), Terminal()
    callback = Progress(file=file, patience=None)
    model.fit(
        batches(0, 4),
        steps_per_epoch=4,
        validation_data=batches(50, 52),
        callbacks=[callback],
        verbose=0,
    )
    states = file.getvalue().split("\r")
    for n in (1, 2, 3, 4):
        assert any(f"step {first + n} of {first + 4}, loss " in s for s in states)
    assert "0 s left" in states[-1] and states[-1].endswith("\n")
    (line,) = [s for s in states if "evaluation" in s]
    assert line.startswith(f"step {first + 4}, evaluation: loss ")


def test_every_is_positive():
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        Progress(every=0)


def test_a_slow_first_step_says_what_it_waits_for(threads):
    building = "building the graph of the first step: "
    running = "compiling and running the first step, with its first batch: "
    file = io.StringIO()

    def wait_for(words: str) -> None:
        end = time.monotonic() + SECONDS
        while words not in file.getvalue() and time.monotonic() < end:
            time.sleep(0.01)

    class Slow(TinyLM):
        def train_step(self, data):
            wait_for(building)  # while the graph is built
            return super().train_step(data)

    def wait(x):
        wait_for(running)
        return x

    def slowly(i, example):
        waited = tf.numpy_function(wait, [i], tf.int64)
        with tf.control_dependencies([waited]):
            return tf.nest.map_structure(tf.identity, example)

    model = Slow()
    model.compile(adamw(0.05))
    data = batches(0, 3).enumerate().map(slowly)
    callback = Progress(every=9, file=file, patience=0.05)
    model.fit(data, callbacks=[callback], verbose=0)
    *said, last = file.getvalue().splitlines()
    assert threads() == set()
    assert all(line.startswith((building, running)) for line in said)
    assert any(map(str.startswith, said, [building] * len(said)))
    assert any(map(str.startswith, said, [running] * len(said)))
    assert all(line.endswith(" s so far") for line in said)
    assert last.startswith("step 3")


def test_the_word_about_the_first_step_ends_with_an_error_too(model, threads):
    class Fails(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(
            batches(0, 1), callbacks=[Progress(patience=0.05), Fails()], verbose=0
        )
    end = time.monotonic() + SECONDS
    while threads() and time.monotonic() < end:
        time.sleep(0.05)
    assert threads() == set()
