"""A task on a mesh answers with the weights that it has now, and is saved as others
are."""

from __future__ import annotations

import pytest

from tests.processes import last_line_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("answers")
    return last_line_of("-m", "tests.optimization.mesh.answers", str(folder))


def test_texts_are_those_of_the_weights_of_the_moment(found):
    training = found["training"]
    assert training["same"] == [True] * 5  # before, and after each of four updates
    assert training["texts"] > 1  # so that an old answer would be seen


def test_answers_are_those_of_one_device(found):
    after = found["after"]
    assert max(after[x] for x in ("call", "predict", "predict again")) < 1e-5
    assert after["averages differ"] and after["averages"]
    assert after["weights are back"] and after["parameters"] == 0


def test_files_hold_what_those_of_one_device_do(found):
    disk = found["disk"]
    assert disk["preset"] < 1e-5 and disk["keras"] < 1e-5
    assert disk["keras state"] and disk["export"]
    assert disk["best weights"] and disk["weights"]
