"""The fastest of several forms of the same mathematics, found by running each.

What a form of a product gains on one processor it loses on another, so each size is
measured once on the machine that trains. What was found is kept in a file for each
processor and version of TensorFlow, and is not measured again: a run that goes on
computes as it began. `MASSIVETEXT_TUNING=0` takes the first form of each without
looking.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from massivetext_keras.kernels.split import is_split
from massivetext_keras.support.files import read_json, write_json
from massivetext_keras.support.machine import cores, processor

logger = logging.getLogger(__name__)

# A form other than the first has to take less than this share of its time.
CLEARLY_LESS = 0.8
_ROUNDS = 5
_OFF = ("0", "false", "off")

Form = Callable[..., object]


class Tuner:
    """Measures forms, and remembers which was the fastest.

    Args:
        path: JSON file of what was measured (None: nothing is kept).
        clock: gives seconds.

    Attributes:
        seconds: what was measured -> form -> seconds of its fastest run.

    >>> tuner = Tuner()
    >>> tuner.seconds["sum of 3"] = {"loop": 2.0, "whole": 1.0}
    >>> tuner.fastest("sum of 3", {"loop": sum, "whole": sum}, list)
    'whole'
    """

    def __init__(
        self, path: Path | None = None, clock: Callable[[], float] = time.perf_counter
    ):
        self.path, self.clock = path, clock
        self.seconds: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()  # replicas are traced in threads of their own
        if path is not None and path.exists():
            try:
                self.seconds = read_json(path)
            except ValueError as error:
                logger.warning("%s is measured anew: %s", path, error)

    def fastest(
        self,
        what: str,
        forms: Mapping[str, Form],
        arguments: Callable[[], Sequence[tf.Tensor]],
    ) -> str:
        """Name of the form that takes the least time; the first, unless another takes
        clearly less.

        Args:
            what: the mathematics and its size, the key of what is remembered.
            forms: name -> function of tensors; each gives the same.
            arguments: makes the tensors to measure with.
        """
        with self._lock:
            known = self.seconds.get(what, {})
            if not forms.keys() <= known.keys():
                known = self._measure(forms, arguments)
                self.seconds[what] = known
                self._write()
        return _taken({name: known[name] for name in forms})

    def _measure(self, forms, arguments) -> dict[str, float]:
        """Seconds of each form's fastest run; they take turns, so that what else the
        machine does falls on all of them."""
        with tf.init_scope():  # eagerly, though a graph is being made
            tensors = arguments()
            graphs = {k: tf.function(f, autograph=False) for k, f in forms.items()}
            for graph in graphs.values():
                graph(*tensors)  # made and compiled
            seconds = dict.fromkeys(forms, float("inf"))
            for _ in range(_ROUNDS):
                for name, graph in graphs.items():
                    begun = self.clock()
                    graph(*tensors)
                    seconds[name] = min(seconds[name], self.clock() - begun)
        return seconds

    def _write(self) -> None:
        if self.path is None:
            return
        try:
            write_json(self.path, dict(sorted(self.seconds.items())))
        except OSError as error:  # a home that is read alone
            logger.warning("what was measured is not kept: %s", error)
            self.path = None

    def table(self) -> Iterator[str]:
        """Lines for people: milliseconds of each form, a star at the one that is taken.

        >>> tuner = Tuner()
        >>> tuner.seconds["sum of 3"] = {"loop": 0.002, "whole": 0.001}
        >>> list(tuner.table())
        ['sum of 3  loop 2.00; *whole 1.00']
        """
        width = max(map(len, self.seconds), default=0)
        for what, known in sorted(self.seconds.items()):
            taken = _taken(known)
            forms = [
                f"{'*' * (name == taken)}{name} {seconds * 1e3:.2f}"
                for name, seconds in known.items()
            ]
            yield f"{what:{width}}  {'; '.join(forms)}"


def _taken(seconds: Mapping[str, float]) -> str:
    """The first form, unless another takes clearly less time."""
    first = next(iter(seconds))
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] < CLEARLY_LESS * seconds[first] else first


def cache_folder() -> Path:
    """Where what was measured is kept: of XDG_CACHE_HOME, or of the home."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "massivetext_keras" / "tuning"


def _file_name() -> str:
    """Another one where the same forms may take other times."""
    libraries = {
        name: os.environ.get(name, "")
        for name in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "XLA_FLAGS")
    }
    parts = [processor(), f"{cores()} cores", f"TensorFlow {tf.__version__}"]
    parts += [f"{name} {value}" for name, value in libraries.items() if value]
    return re.sub(r"[^\w.]+", "-", " ".join(parts)).strip("-").lower() + ".json"


class _Process:
    """Of this process: its tuner, once somebody asked for it."""

    tuner: Tuner | None = None
    off = os.environ.get("MASSIVETEXT_TUNING", "").lower() in _OFF


def set_tuning(how: bool | Tuner) -> None:
    """Whether the forms of products are chosen by measuring, in graphs made from now
    on.

    They round differently: without it a run gives the same numbers on all machines
    whose TensorFlow computes alike.

    Args:
        how: whether, or what measures in place of the processor's own file.
    """
    _Process.off = how is False
    _Process.tuner = how if isinstance(how, Tuner) else None


def process_tuner() -> Tuner | None:
    """The tuner of this process; None where it is switched off, or others compute: the
    devices of a mesh, a GPU, a TPU."""
    if _Process.off or is_split() or tf.config.list_physical_devices("GPU"):
        return None
    if tf.config.list_logical_devices("TPU"):
        return None
    if _Process.tuner is None:
        _Process.tuner = Tuner(cache_folder() / _file_name())
    return _Process.tuner
