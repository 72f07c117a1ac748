"""Models that tasks are tested with."""

from __future__ import annotations

import functools

import pytest
import tensorflow as tf

from massivetext_keras.generation import beam, decoding
from massivetext_keras.tasks import CausalLM
from tests.tasks.tiny import byte_lm


@pytest.fixture(scope="module")
def lm() -> CausalLM:
    """Writes noise, byte by byte."""
    return byte_lm()


@pytest.fixture
def stories(data_dir) -> CausalLM:
    return CausalLM.from_preset(f"hf:{data_dir}/weights/stories260K")


@pytest.fixture
def plain_loop(request, monkeypatch):
    """Spares XLA's compilation where it is not what is tested."""
    if request.node.name != "test_real_stories":
        for module in (beam, decoding):
            plain = functools.partial(tf.function, autograph=False)
            monkeypatch.setattr(module, "island", plain)
