"""Runs that are killed, or told to stop, end where undisturbed ones do."""

from __future__ import annotations

import pytest

from tests.processes import last_line_of

pytestmark = pytest.mark.slow


def scenario(tmp_path, words: str) -> dict:
    """What `survivor.py` says, whose attempts are processes of their own."""
    return last_line_of("-m", "tests.training.survivor", str(tmp_path), words)


# More of them by hand, as "mirrored 20 170". The first falls on a save, by the seed.
@pytest.mark.parametrize(
    ("devices", "kills"), [("none", 10), ("mirrored", 5), ("mesh", 5)]
)
def test_killed_again_and_again_it_ends_bit_for_bit(tmp_path, devices, kills):
    steps = 8 * kills + 10
    result = scenario(tmp_path, f"{devices} {kills} {steps}")
    assert result["straight"] == 0
    assert result["codes"] == [-9] * kills + [0]
    assert result["reached"][-1] == steps
    assert len(set(result["reached"])) > 2  # it came on between the kills
    assert result["torn"] > 0  # some kills hit a save
    assert result["equal"] == [True, True]


def test_the_same_command_goes_on(tmp_path):
    result = scenario(tmp_path, "command")
    # Undisturbed; killed, told to stop, gone on with, begun anew.
    assert result["codes"] == [0, -9, 143, 0, 0]
    assert result["equal"]
    killed, told = (int(name.removeprefix("step_")) for name in result["reached"])
    assert result["stopped"] == [f"stopped after step {told}; the same command goes on"]
    assert killed % 3 == 0 and result["resumed"] == [str(killed), str(told)]
    assert result["anew"] == ["step_00000001"]
    assert "resumed" not in result["said_anew"]
