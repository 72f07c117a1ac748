"""Batches: who is together, what waits, and what one request does to another."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from massivetext_keras.serving.models.batching import Batcher, Work
from massivetext_keras.serving.requests import QueueFull


def work(values, key="k", run=lambda x: {"y": x["x"] * 2}, **how):
    return Work(key, run, {"x": np.array(values)}, {}, len(values), **how)


class Held:
    """A graph that is busy until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, inputs):
        self.begun.set()
        assert self.go.wait(10)
        return {"y": inputs["x"]}


def test_rows_gather_while_the_graph_is_busy():
    held, seen = Held(), []
    with Batcher(max_batch=4, delay=0.0, seen=seen.append) as batcher:
        first = batcher.submit(work([0], run=held, key=None))
        assert held.begun.wait(10)
        others = [batcher.submit(work([i, i])) for i in range(5)]
        apart = batcher.submit(work([9], key="other"))
        alone = batcher.submit(work([7], key=None))
        assert batcher.waiting == 12
        held.go.set()
        assert first.result()["y"].tolist() == [0]
        assert [x.result()["y"].tolist() for x in others] == [
            [2 * i, 2 * i] for i in range(5)
        ]
        assert apart.result()["y"].tolist() == [18]
        assert alone.result()["y"].tolist() == [14]
    assert seen == [1, 4, 4, 2, 1, 1]  # of the same key at most four rows


def test_a_batch_waits_for_others_no_longer_than_told():
    seen = []
    with Batcher(max_batch=2, delay=30.0, seen=seen.append) as batcher:
        found = [batcher.submit(work([i])) for i in (1, 2)]
        assert [x.result(5)["y"].tolist() for x in found] == [[2], [4]]
    assert seen == [2]


def test_the_queue_is_bounded():
    held = Held()
    with Batcher(max_batch=1, max_waiting=3, delay=0.0) as batcher:
        batcher.submit(work([0], run=held))
        assert held.begun.wait(10)
        batcher.submit(work([1, 1]))
        with pytest.raises(QueueFull, match="2 rows"):
            batcher.submit(work([1, 1]))
        last = batcher.submit(work([1]))
        held.go.set()
        assert last.result()["y"].tolist() == [2]
    with pytest.raises(QueueFull):
        batcher.submit(work([1]))


def test_a_wrong_row_spoils_no_other():
    def run(inputs):
        if 13 in inputs["x"]:
            raise ValueError("13")
        return {"y": inputs["x"]}

    with Batcher(max_batch=3, delay=30.0) as batcher:
        found = [batcher.submit(work([i], run=run)) for i in (1, 13, 2)]
        assert found[0].result(5)["y"].tolist() == [1]
        assert found[2].result(5)["y"].tolist() == [2]
        with pytest.raises(ValueError, match="13"):
            found[1].result(5)


def test_who_went_away_is_not_asked():
    held, asked = Held(), []

    def run(inputs):
        asked.append(inputs["x"].tolist())
        return {"y": inputs["x"]}

    with Batcher(delay=0.0) as batcher:
        batcher.submit(work([0], run=held, key=None))
        assert held.begun.wait(10)
        gone = batcher.submit(work([1], run=run))
        stays = batcher.submit(work([2], run=run))
        assert gone.cancel()
        held.go.set()
        assert stays.result(5)["y"].tolist() == [2]
    assert asked == [[2]]


def test_what_is_compiled_gets_few_shapes():
    shapes = []

    def run(inputs):
        shapes.append(inputs["x"].tolist())
        return {"y": inputs["x"]}

    with Batcher(max_batch=8, delay=0.0) as batcher:
        found = batcher.submit(work([1, 2, 3], run=run, padded=True)).result(5)
    assert found["y"].tolist() == [1, 2, 3] and shapes == [[1, 2, 3, 3]]
