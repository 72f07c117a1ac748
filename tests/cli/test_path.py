"""How far it is from a flag to what it sets."""

from __future__ import annotations

import sys

from massivetext_keras import cli
from massivetext_keras.optimization.optimizers import make_optimizer
from tests.cli.tiny import SMALL

PACKAGE = "massivetext_keras."


def test_few_modules_lie_between_a_flag_and_the_optimizer(data, tmp_path):
    """Those of the functions that are under way when the optimizer is made."""
    found = []

    def watch(frame, event, _):
        if event == "call" and frame.f_code is make_optimizer.__code__:
            sys.setprofile(None)
            assert frame.f_locals["learning_rate"] == 0.125
            while frame is not None:
                found.append(frame.f_globals["__name__"])
                frame = frame.f_back

    argv = [f"--data={data}", "--tokenizer=bytes", f"--run_dir={tmp_path / 'run'}"]
    argv += [*SMALL, "--steps=0", "--set=optimizer.learning_rate=0.125"]
    sys.setprofile(watch)
    try:
        assert cli.run(["train", *argv]) == 0
    finally:
        sys.setprofile(None)
    ours = [name for name in dict.fromkeys(found) if name.startswith(PACKAGE)]
    assert len(ours) <= 5, ours
    assert ours[0] == "massivetext_keras.optimization.optimizers"
    assert ours[-1] == "massivetext_keras.cli.program"
