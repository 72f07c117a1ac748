"""Models that tasks are tested with."""

from __future__ import annotations

import functools

import pytest

from massivetext_keras.generation import Decoder
from massivetext_keras.tasks import CausalLM, causal_lm
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
        plain = functools.partial(Decoder, compiled=False)
        monkeypatch.setattr(causal_lm, "Decoder", plain)
