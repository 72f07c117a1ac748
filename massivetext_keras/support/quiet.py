"""Commands without what TensorFlow says about itself."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from massivetext_keras.support.importing import Execute, around_import

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_PACKAGES = ("tensorflow", "tensorflow_text")  # each has the same to say
# Notes, of SentencePiece too; what a processor cannot do; that there is no GPU
_NOTE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|I\d{4} \d\d:"
    rb"|\w+\.cc\(\d+\) LOG\(INFO\)"
    rb"|E\d{4} .*oneDNN supports \w+ only on platforms with"
)
_NO_GPU = re.compile(rb"E\d{4} .*failed call to cuInit")
_DRIVER = Path("/dev/nvidiactl")
_RETRACING = "triggered tf.function retracing"


def quiet_tensorflow() -> None:
    """Leaves out what TensorFlow says of itself, from when it is imported.

    Its log begins at errors then, unless TF_CPP_MIN_LOG_LEVEL says otherwise. What it
    writes before it looks at that (which instructions it was built for, that there is
    no GPU) is taken out of the standard error while it is imported; all the rest is
    passed on, and with TF_CPP_MIN_LOG_LEVEL=0 everything.
    """
    os.environ.setdefault(_LEVEL, "2")
    for name in ("tensorflow", "absl"):  # the latter tells the devices of a mesh
        logger = logging.getLogger(name)
        logger.removeFilter(_tells_something)
        logger.addFilter(_tells_something)
    if hasattr(os, "fork") and os.environ[_LEVEL] != "0":
        around_import(_PACKAGES, _execute_quietly)


def quiet_program() -> None:
    """`quiet_tensorflow` for a whole program: notes are left out until it ends.

    Called first of all, before a module is imported that has threads. What Python
    writes to the standard error goes there as before, and a terminal stays one.
    """
    quiet_tensorflow()
    if not hasattr(os, "fork") or os.environ[_LEVEL] == "0" or sys.stderr is None:
        return
    context = contextlib.ExitStack()
    terminal = os.dup(2)
    context.enter_context(without_notes())
    sys.stderr = os.fdopen(terminal, "w", buffering=1)
    atexit.register(context.close)


def _tells_something(record: logging.LogRecord) -> bool:
    """Notes are none of a command's business; nor that a new model is traced anew."""
    return record.levelno > logging.INFO and _RETRACING not in record.getMessage()


def _execute_quietly(execute: Execute, module: ModuleType) -> None:
    with without_notes():
        execute(module)
        if module.__name__ == "tensorflow":
            module.config.list_physical_devices()  # says that there is no GPU


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Takes lines out of the standard error, those of C++ too.

    A process of its own passes the others on, so that they come even if this one dies.
    """
    try:
        error = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        _pass_on(reading)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(error, 2)
        os.close(error)
        os.waitpid(child, 0)


def _pass_on(reading: int) -> None:
    """Writes lines that are not to be left out, and ends the process."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the lines ends it
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                if not is_note(line):
                    os.write(2, line)
    finally:
        os._exit(0)


def is_note(line: bytes) -> bool:
    """Whether a line is none of the business of who runs a command.

    >>> is_note(b"I0000 00:00:1 7 cudart_stub.cc:31] Could not find cuda drivers")
    True
    >>> is_note(b"F0000 00:00:1 7 cpu_feature_guard.cc:5] needs AVX instructions")
    False
    """
    if _NO_GPU.match(line):
        return not _DRIVER.exists()
    return _NOTE.match(line) is not None
