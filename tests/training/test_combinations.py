"""Every strategy, precision, compilation and number of steps at once trains alike."""

from __future__ import annotations

import pytest

from tests.processes import last_line_of
from tests.training.combinations import COMBINATIONS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results() -> dict:
    return last_line_of("-m", "tests.training.combinations")


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_it_trains_as_the_plainest_does(results, combination):
    plainest = results["none-float32-False-1"][0]
    loss, count, distance = results["-".join(map(str, combination))]
    assert count == 4
    exact = combination[1] == "float32"
    assert loss == pytest.approx(plainest, rel=1e-6 if exact else 5e-3)
    assert distance < (1e-5 if exact else 0.03)
