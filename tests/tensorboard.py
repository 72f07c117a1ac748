"""A TensorBoard of a process of its own."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.browser import ask, until


@contextlib.contextmanager
def tensorboard(log_dir: Path, runs: int) -> Iterator[str]:
    """The address of a TensorBoard, once it has read that many runs."""
    command = [sys.executable, "-m", "tensorboard.main", "--port=0"]
    command += [f"--logdir={log_dir.name}", "--host=127.0.0.1", "--load_fast=false"]
    how = {"cwd": log_dir.parent, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **how) as served:  # its page shows the folder's name
        try:
            found = None
            for line in served.stderr:
                if found := re.search(r"http://[\w.:]+", line):
                    break
            assert found, "TensorBoard did not start"
            address = found[0].rstrip("/")
            until(lambda: ask(f"{address}/data/runs"), lambda read: len(read) == runs)
            yield address
        finally:
            served.terminate()
