"""A run that is told to stop. A process that is: see `test_survival.py`."""

from __future__ import annotations

import signal
import threading

import pytest

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
