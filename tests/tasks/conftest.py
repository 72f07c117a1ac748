"""Models that tasks are tested with."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import CausalLM
from tests.tasks.tiny import byte_lm


@pytest.fixture(scope="module")
def lm() -> CausalLM:
    """Writes noise, byte by byte."""
    return byte_lm()


@pytest.fixture
def stories(data_dir) -> CausalLM:
    return CausalLM.from_preset(f"hf:{data_dir}/weights/stories260K")
