"""Tensors in parts on devices: what goes where, and the whole of it again."""

from __future__ import annotations

import pytest
import tensorflow as tf

from massivetext_keras.training import make_mesh, set_logical_cpus
from tests.processes import last_line_of


@pytest.fixture(scope="module")
def result() -> dict:
    """Of four devices, which a process can make once."""
    return last_line_of("-m", "tests.distribution.parts")


def test_tensors_come_back_as_they_were_put(result):
    assert result["trips"] >= 20  # fewer than were asked for, where few are different
    assert result["zeros"] == [[2, 1]] * 4


def test_a_variable_is_in_parts_on_devices_and_whole_elsewhere(result):
    found = result["variable"]
    first, second = [0, 1, 4, 6], [2, 3, 5, 7]
    assert found["parts"] == [first, second, first, second]
    assert found["whole"] == list(range(8))
    assert found["bytes"] == 2 * 4 * 4
    assert found["shared"] == [["data", "tensor"], 4 * 4] and found["kept"]


def test_graphs_of_the_host_are_never_behind(result):
    # As it was made; assigned to with one more each; doubled on the mesh.
    assert result["variable"]["sums"] == [120.0, 136.0, 272.0]
    assert result["variable"]["eager"] == 272.0


def test_a_mesh_that_is_too_large_says_how_to_try_it():
    with pytest.raises(ValueError, match=r"needs 640 devices, .*set_logical_cpus\(640"):
        make_mesh(data=20, tensor=32)


def test_the_cpu_is_divided_before_all_else():
    tf.zeros([])  # makes the devices that there are
    with pytest.raises(RuntimeError, match="not 77: call set_logical_cpus before"):
        set_logical_cpus(77)
