"""Python in a process of its own, for devices that a process can set up once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def use_grappler(is_used: bool) -> None:
    """Whether TensorFlow rewrites graphs, which takes longer here than it saves."""
    import tensorflow as tf

    options = {"disable_meta_optimizer": not is_used}
    tf.config.optimizer.set_experimental_options(options)


def last_line_of(*arguments: str):
    """What the last line says, as JSON, that Python prints with these arguments."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
