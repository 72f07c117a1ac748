"""What this machine has: processor, memory, Java."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import psutil

LEAST_JAVA = 17  # that Spark runs on
_CPU_INFO = Path("/proc/cpuinfo")
# that matter to the products of matrices, from old to new
_FOR_PRODUCTS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def free_bytes() -> int:
    """What processes can still take."""
    return psutil.virtual_memory().available


def all_bytes() -> int:
    """The memory that there is."""
    return psutil.virtual_memory().total


def processor() -> str:
    """The name of the processor."""
    return _processor_line("model name") or platform.processor() or platform.machine()


def instructions() -> frozenset[str]:
    """What the processor can do, as Linux names it, such as "avx2"; else nothing."""
    return frozenset(_processor_line("flags").split())


def product_instructions() -> list[str]:
    """Those of `instructions` that products of matrices use, from old to new."""
    there = instructions()
    return [name for name in _FOR_PRODUCTS if name in there]


def processor_multiplies_bfloat16() -> bool:
    """Whether the CPU says that it has AVX-512 or AMX products of bfloat16 (Linux)."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(instructions())


def _processor_line(name: str) -> str:
    if not _CPU_INFO.exists():
        return ""
    text = _CPU_INFO.read_text(errors="replace")
    found = re.search(rf"^{name}\s*:(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


class Java(NamedTuple):
    """A Java that was found.

    Attributes:
        path: of the program.
        version: as it says it, such as "17.0.9"; "" where it says something else.
    """

    path: str
    version: str

    @property
    def runs_spark(self) -> bool:
        """Whether it is new enough."""
        major = re.match(r"\d+", self.version)
        return major is not None and int(major[0]) >= LEAST_JAVA


def java() -> Java | None:
    """The Java of JAVA_HOME, else of PATH."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=f"{home}/bin" if home else None)
    if path is None:
        return None
    said = subprocess.run([path, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "([^"]+)', said)
    return Java(path, version[1] if version else "")
