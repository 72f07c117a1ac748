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
def tensorboard(log_dir: str | Path, runs: int) -> Iterator[str]:
    """The address of a TensorBoard, once it has read that many runs."""
    command = [sys.executable, "-m", "tensorboard.main", "--port=0"]
    command += [f"--logdir={log_dir}", "--host=127.0.0.1", "--load_fast=false"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
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
