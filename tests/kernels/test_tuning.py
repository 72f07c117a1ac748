"""The form that takes the least time is taken, measured once, and remembered."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from massivetext_keras.kernels.tuning import (
    Tuner,
    cache_folder,
    process_tuner,
    set_tuning,
)


class Stopwatch:
    """A clock that only the forms of a test move on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def form(self, *seconds: float):
        """A function of tensors that takes so long, the last time ever after."""
        left = list(seconds)

        def run() -> float:
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return self.now

        return lambda x: tf.py_function(run, [], tf.float32)


def measured(*seconds: float) -> str:
    watch = Stopwatch()
    forms = {f"form {i}": watch.form(s) for i, s in enumerate(seconds)}
    return Tuner(clock=watch).fastest("sum", forms, lambda: [tf.zeros([1])])


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        ((1.0, 2.0, 3.0), "form 0"),
        ((1.0, 0.85), "form 0"),  # not clearly less
        ((1.0, 0.75), "form 1"),
        ((3.0, 2.0, 1.0), "form 2"),
        ((1.0,), "form 0"),
    ],
)
def test_the_first_unless_another_takes_clearly_less(seconds, taken):
    assert measured(*seconds) == taken


def test_one_slow_run_changes_nothing():
    watch = Stopwatch()
    forms = {"first": watch.form(2.0), "other": watch.form(1.0, 1.0, 90.0, 1.0)}
    assert Tuner(clock=watch).fastest("sum", forms, lambda: [tf.zeros([1])]) == "other"


def test_what_was_measured_is_kept(tmp_path):
    path = tmp_path / "cache" / "processor.json"
    watch = Stopwatch()
    forms = {"first": watch.form(2.0), "other": watch.form(1.0)}
    first = Tuner(path, watch)
    assert first.fastest("sum", forms, lambda: [tf.zeros([1])]) == "other"
    assert json.loads(path.read_text()) == {"sum": {"first": 2.0, "other": 1.0}}

    def never():
        raise AssertionError("it is measured again")

    assert first.fastest("sum", forms, never) == "other"
    assert Tuner(path).fastest("sum", forms, never) == "other"


def test_a_new_form_is_measured(tmp_path):
    watch = Stopwatch()
    forms = {"first": watch.form(2.0)}
    tuner = Tuner(tmp_path / "processor.json", watch)
    tuner.fastest("sum", forms, lambda: [tf.zeros([1])])
    forms["new"] = watch.form(0.5)
    assert tuner.fastest("sum", forms, lambda: [tf.zeros([1])]) == "new"


def test_a_damaged_file_is_measured_anew(tmp_path, caplog):
    path = tmp_path / "processor.json"
    path.write_text("{")
    assert Tuner(path).seconds == {}
    assert "processor.json is measured anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    tuner = Tuner(tmp_path / "file" / "processor.json")
    for what in ("sum", "product"):
        tuner.fastest(what, {"first": tf.identity}, lambda: [tf.zeros([1])])
    assert caplog.text.count("what was measured is not kept") == 1


def test_it_measures_while_a_graph_is_made():
    tuner = Tuner()

    @tf.function
    def graph(x):
        form = tuner.fastest("sum", {"first": tf.identity}, lambda: [tf.zeros([1])])
        assert form == "first"
        return x + 1.0

    assert float(graph(tf.constant(1.0))) == 2.0
    assert tuner.seconds["sum"]["first"] > 0.0


@pytest.fixture
def off_again():
    yield
    set_tuning(False)  # as in all tests


def test_it_can_be_switched_on_and_off(off_again):
    assert process_tuner() is None
    set_tuning(True)
    path = process_tuner().path
    assert path.parent == cache_folder()
    assert f"tensorflow-{tf.__version__}" in path.name
    set_tuning(mine := Tuner())
    assert process_tuner() is mine
