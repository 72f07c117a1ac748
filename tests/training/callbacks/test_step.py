"""Steps are counted and timed as they are made."""

from __future__ import annotations

from massivetext_keras.training.callbacks.step import Clock, StepCallback


def test_steps_are_counted_when_several_run_at_once():
    counter = StepCallback()
    counter.step = 100
    counter.on_epoch_begin(0)
    due = []
    for end in (3, 7, 9):
        counter.on_train_batch_end(end)
        due.append((counter.step, counter.is_due(6), counter.is_due(0)))
    assert due == [(104, True, False), (108, True, False), (110, False, False)]


def test_a_clock_gives_the_median_update_without_the_first():
    ends = iter([90.0, 91.0, 92.5, 99.0, 100.0])
    clock = Clock(now=lambda: next(ends))
    clock.on_train_begin()
    for i in range(5):
        clock.on_train_batch_end(i)
    assert clock.seconds_per_step == 1.25
