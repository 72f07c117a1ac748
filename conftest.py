"""What every test and doctest shares."""

from __future__ import annotations

import collections
import functools
import gc
import os
import sys
from pathlib import Path

# before anything imports TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MASSIVETEXT_TUNING", "0")  # what is measured changes rounding
# Tests compile much and run it little.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
)

import pytest
from hypothesis import settings

from tests.processes import use_grappler

collect_ignore_glob = ["tests/fixtures/*"]  # scripts, of which some need torch

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests come first, so that none of several workers ends with one."""
    slow = collections.defaultdict(list)
    for item in items:
        slow[item.path].append(item.get_closest_marker("slow") is not None)
    share = {path: sum(marks) / len(marks) for path, marks in slow.items()}
    items.sort(key=lambda item: -share[item.path])


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported is not searched for garbage again and again; TensorFlow, if it
    was, gets its threads before a test makes a tensor, and no Grappler."""
    if "tensorflow" in sys.modules:
        from massivetext_keras.kernels.threads import overlap_operations

        overlap_operations()
        use_grappler(False)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 10)


@pytest.fixture(scope="module")
def grappler():
    """Graphs are rewritten as they are for users."""
    use_grappler(True)
    yield
    use_grappler(False)


@pytest.fixture(scope="module", autouse=True)
def tidy():
    """Graphs, which hold themselves, end with the module that made them; what outlives
    it is not searched again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def without_xla():
    """Spares XLA's compilation of an update that is one program of all variables, and
    gives the policy back."""
    import keras

    from massivetext_keras.optimization import step as training_step

    policy = keras.config.dtype_policy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "island", lambda f: f)
        yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def plain_loop(request, monkeypatch):
    """Spares XLA's compilation of what writes texts where it is not what is tested."""
    import tensorflow as tf

    from massivetext_keras.generation import beam, decoding

    if request.node.name != "test_real_stories":
        for module in (beam, decoding):
            plain = functools.partial(tf.function, autograph=False)
            monkeypatch.setattr(module, "island", plain)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data that MASSIVETEXT_DATA names; skips without one."""
    folder = os.environ.get("MASSIVETEXT_DATA")
    if not folder:
        pytest.skip("MASSIVETEXT_DATA is not set: it names the folder of real data")
    if not Path(folder).is_dir():
        pytest.fail(f"MASSIVETEXT_DATA names no folder: {folder}")
    return Path(folder)
