"""Readings of weights and of the process are those of the weights and the process."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.training.watching.meter import memory


def test_memory_is_what_the_process_holds():
    before = memory()
    block = np.ones(1 << 26)  # half a GiB
    held = memory()
    assert held["now"] - before["now"] == pytest.approx(0.5, abs=0.1)
    assert held["peak"] >= held["now"] - 0.01
    del block
    assert memory()["now"] - before["now"] < 0.1
    assert memory()["peak"] >= held["peak"]
