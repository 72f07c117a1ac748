"""A run that is told to stop. A process that is: see `test_survival.py`."""

from __future__ import annotations

import signal
import threading

import pytest
import tensorflow as tf

from massivetext_keras.training import Checkpoint, StopOnSignal
from tests.training.callbacks.test_checkpoint import assert_equal, built, names


@pytest.fixture
def run(tmp_path) -> StopOnSignal:
    """Of a model after three updates, as `fit` would set it up."""
    stop = StopOnSignal(Checkpoint(tmp_path, every=100))
    model = built()
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(3)
    for callback in (stop.checkpoint, stop):
        callback.set_model(model)
    return stop


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_the_step_is_finished_and_saved(run, tmp_path, caplog, number, code):
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    with run:
        run.on_train_batch_end(0)
        signal.raise_signal(number)
        run.model.optimizer.iterations.assign(4)  # the step goes on
        assert not (tmp_path / "checkpoints").exists()
        with pytest.raises(SystemExit) as stop:
            run.on_train_batch_end(1)
    assert stop.value.code == code
    assert names(tmp_path) == ["step_00000004"]
    assert caplog.messages[-1] == "stopped after step 4; the same command goes on"
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == handlers
    resumed = built(seed=9)
    assert Checkpoint(tmp_path).restore(resumed) == 4
    assert_equal(resumed, run.model)


def test_an_evaluation_is_broken_off(run, tmp_path):
    with run:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit):
            run.on_test_batch_end(0)
    assert names(tmp_path) == ["step_00000003"]


def test_an_evaluation_of_averages_is_waited_for(run, tmp_path):
    # Until it ends the model's weights are not those in training.
    run.model.optimizer.use_ema = True
    with run:
        signal.raise_signal(signal.SIGTERM)
        run.on_test_batch_end(0)
        with pytest.raises(SystemExit):
            run.on_test_end({"loss": 1.0})
    assert names(tmp_path) == ["step_00000003"]


def test_what_could_not_be_saved_is_an_error(run, tmp_path):
    (tmp_path / "checkpoints").write_text("no folder")
    with run:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(OSError, match="^step 3 is not saved: "):
            run.on_train_batch_end(0)


class Reader(Checkpoint):
    """Of a worker that leaves the writing to another one."""

    _writes = False


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_worker_may_leave_first_once_the_step_is_saved(tmp_path, caplog, is_saved):
    chief, calls = Checkpoint(tmp_path), []

    def agree(strategy, value):
        calls.append(value)
        if len(calls) == 1:
            return 1  # the chief was told
        if is_saved:
            chief.finish()
        raise tf.errors.UnavailableError(None, None, "connection reset by peer")

    stop, model = StopOnSignal(Reader(tmp_path), agree), built()
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(3)
    for callback in (chief, stop.checkpoint, stop):
        callback.set_model(model)
    expected = SystemExit if is_saved else tf.errors.UnavailableError
    with pytest.raises(expected) as end:
        stop.on_train_batch_end(0)
    assert calls == [0, 0]
    if is_saved:
        assert end.value.code == 143
        assert names(tmp_path) == ["step_00000003"]
        assert caplog.messages == [
            "another worker left first; step 3 is saved",
            "stopped after step 3; the same command goes on",
        ]
    else:
        assert end.value.message == "connection reset by peer"
        assert not caplog.messages


def test_a_worker_that_is_lost_before_the_save_is_an_error(tmp_path):
    def agree(strategy, value):
        raise tf.errors.AbortedError(None, None, "gone")

    stop, model = StopOnSignal(Checkpoint(tmp_path), agree), built()
    for callback in (stop.checkpoint, stop):
        callback.set_model(model)
    with pytest.raises(tf.errors.AbortedError, match="gone"):
        stop.on_train_batch_end(0)
    assert not (tmp_path / "checkpoints").exists()


@pytest.fixture
def default_handler():
    """A shell may start its background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_second_signal_does_what_it_did_before(default_handler, run):
    with run:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_thread_trains_without_it(tmp_path, caplog):
    def enter():
        with StopOnSignal(Checkpoint(tmp_path)):
            pass

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert "SIGTERM will not save first" in caplog.text
