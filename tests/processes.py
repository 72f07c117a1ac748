"""Python in a process of its own, for devices that a process can set up once."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# All are forks of one that has imported TensorFlow, which takes longer than most do.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "massivetext_keras", "tensorflow", "keras"])


def use_grappler(is_used: bool) -> None:
    """Whether TensorFlow rewrites graphs, which takes longer here than it saves."""
    import tensorflow as tf

    options = {"disable_meta_optimizer": not is_used}
    tf.config.optimizer.set_experimental_options(options)


class Python:
    """`python` with these arguments, of which the first is -m or -c, in ROOT.

    It is asked and ended as a `subprocess.Popen` is.

    Args:
        output: the file that has what it prints.
        errors: the file that has what it says besides; may be the same.
        environment: all of its variables; ours if it is left out.
    """

    def __init__(
        self,
        *arguments: str,
        output: Path,
        errors: Path,
        environment: Mapping[str, str] | None = None,
    ):
        environment = dict(os.environ if environment is None else environment)
        self.errors = errors
        given = arguments, output, errors, environment
        self.process = FORKS.Process(target=_run, args=given)
        self.process.start()

    def poll(self) -> int | None:
        return self.process.exitcode

    returncode = property(poll)

    def kill(self) -> None:
        self.process.kill()

    def wait(self, timeout: float | None = None) -> int | None:
        self.process.join(timeout)
        return self.returncode


def _run(arguments, output: Path, errors: Path, environment: dict[str, str]) -> None:
    for number, path in ((1, output), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    kind, program, *sys.argv[1:] = arguments
    atexit._clear()
    try:
        if kind == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()  # as Python does, but not a fork of multiprocessing


def last_line_of(*arguments: str):
    """What the last line says, as JSON, that Python prints with these arguments."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, name) for name in ("output", "errors")}
        code = Python(*arguments, **files).wait()
        assert code == 0, files["errors"].read_text()[-3000:]
        return json.loads(files["output"].read_text().splitlines()[-1])
