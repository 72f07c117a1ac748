"""What every test and doctest shares."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# before anything imports TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tests compile much and run it little.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import pytest
from hypothesis import settings

collect_ignore_glob = ["tests/fixtures/*"]  # scripts, of which some need torch

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported is not searched for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 10)


@pytest.fixture(scope="module", autouse=True)
def tidy():
    """Graphs, which hold themselves, end with the module that made them."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data that MASSIVETEXT_DATA names; skips without one."""
    folder = os.environ.get("MASSIVETEXT_DATA")
    if not folder:
        pytest.skip("MASSIVETEXT_DATA is not set: it names the folder of real data")
    if not Path(folder).is_dir():
        pytest.fail(f"MASSIVETEXT_DATA names no folder: {folder}")
    return Path(folder)
