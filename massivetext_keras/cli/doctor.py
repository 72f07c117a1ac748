"""What this installation can do, and what it cannot and why."""

from __future__ import annotations

import logging
import platform
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from massivetext_keras import __version__
from massivetext_keras.cli.flags import verb
from massivetext_keras.cli.shell.results import Result
from massivetext_keras.support import backend

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NAME = "massivetext-keras"
_WRONG = ": not installed", ": needed is ", ": would not work: "  # of a line


@verb("doctor")
def doctor(*, devices: bool = False, speed: bool = False) -> Result:
    """Say what is installed and what would not work here.

    Args:
        devices: ask TensorFlow for its devices, and what training would use.
        speed: measure how fast this machine multiplies matrices, and which form of
            each product training takes; some seconds, once.

    Examples:
        massivetext doctor
        massivetext doctor --devices --speed
    """
    lines = [*report(devices)]
    wrong = [line for line in lines if any(sign in line for sign in _WRONG)]
    if speed:
        lines += speed_report()
    record = {"version": __version__, "python": platform.python_version()}
    return Result("\n".join(lines), {**record, "lines": lines, "problems": wrong})


def report(devices: bool = False, installed: Any = None) -> Iterator[str]:
    """Lines about the machine, the packages of every extra, and Java.

    Args:
        devices: also ask TensorFlow, which takes some seconds to import, for devices,
            precision and strategies.
        installed: tells what packages need and which there are, as
            `importlib.metadata` does, which it is if None.

    >>> next(report()).split()[0]
    'python'
    """
    yield f"python {platform.python_version()} on {platform.platform()}"
    yield from _machine()
    yield f"{NAME} {__version__}"
    yield from _packages(installed or _metadata())
    problem = backend.problem()
    yield problem or f"keras backend {backend.WANTED}"
    yield _java()
    if devices and not problem:
        yield from _devices()
        yield from _strategies()
    elif not problem:
        yield "devices and strategies: massivetext doctor --devices asks TensorFlow"


def _machine() -> Iterator[str]:
    from massivetext_keras.support import machine

    known = machine.product_instructions()
    can = f": {', '.join(known)}" if known else ""
    yield f"processor {machine.processor()}, {machine.cores()} cores{can}"
    sizes = (size / 2**30 for size in (machine.all_bytes(), machine.free_bytes()))
    yield "memory {:.1f} GiB, {:.1f} GiB of it free".format(*sizes)


def _packages(installed: Any) -> Iterator[str]:
    """What the package needs, a line each, and what each extra needs, in one line."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(line) for line in installed.requires(NAME) or ()]
    except ModuleNotFoundError:
        yield f"{NAME} is not installed, only imported: pip install tells what it needs"
        return
    extras = defaultdict(list)
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _state(requirement, installed)
            continue
        for extra in installed.metadata(NAME).get_all("Provides-Extra"):
            if requirement.marker.evaluate({"extra": extra}):
                extras[extra].append(requirement)
    for extra, requirements in extras.items():
        states = [_state(each, installed) for each in requirements if each.name != NAME]
        if not states:  # other extras alone
            continue
        wrong = any(": " in state for state in states)
        hint = f"; pip install '{NAME}[{extra}]'" if wrong else ""
        yield f"extra {extra}: {', '.join(states)}{hint}"


def _metadata():
    from importlib import metadata  # not before it is needed: it takes its time

    return metadata


def _state(requirement: Requirement, installed: Any) -> str:
    """A package's name and version, and what is wrong with it.

    >>> from packaging.requirements import Requirement
    >>> _state(Requirement("no-such-package>=2"), _metadata())
    'no-such-package: not installed'
    >>> _state(Requirement("packaging<1"), _metadata()).partition(": ")[2]
    'needed is <1'
    """
    try:
        version = installed.version(requirement.name)
    except ModuleNotFoundError:
        return f"{requirement.name}: not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} {version}"
    return f"{requirement.name} {version}: needed is {requirement.specifier}"


def _java() -> str:
    from massivetext_keras.support import machine

    found = machine.java()
    wanted = f"Spark needs {machine.LEAST_JAVA} or later"
    if found is None:
        return f"java: not found in JAVA_HOME or on PATH; {wanted}"
    state = f"java {found.version or found.path}"
    return state if found.runs_spark else f"{state}: {wanted}"


def _devices() -> Iterator[str]:
    import tensorflow as tf

    from massivetext_keras.optimization.precision import device_multiplies_bfloat16

    for device in tf.config.list_physical_devices():
        yield f"device {device.name}"
    if device_multiplies_bfloat16():
        yield "precision auto is mixed_bfloat16: the device multiplies bfloat16"
    else:
        yield "precision auto is float32: the device does not multiply bfloat16"


def speed_report(tuner: Any = None, rows: int = 1024) -> Iterator[str]:
    """Lines about products of matrices: the most there is to be had of each precision,
    and milliseconds of every form of the products of a small Transformer.

    Args:
        tuner: measures forms (None: that of this process, whose file keeps them).
        rows: tokens of a batch.
    """
    import tensorflow as tf

    from massivetext_keras.distribution.devices import measured_peak
    from massivetext_keras.kernels.product import measure_block
    from massivetext_keras.kernels.threads import overlap_operations
    from massivetext_keras.kernels.tuning import process_tuner
    from massivetext_keras.support.machine import processor_multiplies_bfloat16

    overlap_operations()
    types = [tf.float32, tf.bfloat16][: 1 + processor_multiplies_bfloat16()]
    for dtype in types:
        yield f"{dtype.name}: {measured_peak(dtype.name) / 1e9:,.0f} GFLOP/s"
    tuner = tuner or process_tuner()
    if tuner is None:
        yield "forms are not measured: MASSIVETEXT_TUNING=0, or a GPU trains"
        return
    for dtype in types:
        measure_block(tuner, rows, size=256, dtype=dtype)
    yield "milliseconds of each form; training takes the one with a star"
    yield from tuner.table()
    yield f"kept in {tuner.path}; without the file all is measured again"


def _strategies() -> Iterator[str]:
    from massivetext_keras.training import describe, make_strategy

    logging.disable(logging.INFO)  # which strategy it is, the lines say
    try:
        for name in ("auto", "mirrored", "multi_worker", "tpu", "parameter_server"):
            try:
                yield f"strategy {name}: {describe(make_strategy(name))}"
            except ValueError as error:
                yield f"strategy {name}: would not work: {error}"
    finally:
        logging.disable(logging.NOTSET)
