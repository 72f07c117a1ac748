"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 40
# In this order the width is for a moment no multiple of the preset's five heads.
TINY = (
    "--set=model.num_layers=1",
    "--set=model.hidden_size=16",
    "--set=model.num_heads=2",
    "--set=model.intermediate_size=32",
    "--set=model.max_length=32",
)
# The same in an order that gives a valid shape after each.
ORDERED = (TINY[0], TINY[2], TINY[1], *TINY[3:])
SMALL = (
    *ORDERED,
    "--batch_size=2",
    "--sequence_length=16",
    "--set=train.precision=float32",
    "--set=train.sample_every=0",
    "--set=optimizer.warmup_steps=1",
)
STEPS = ("--steps=4", "--checkpoint_every=2")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
