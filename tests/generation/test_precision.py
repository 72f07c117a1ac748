"""Float32 for a while."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from massivetext_keras.generation import in_float32
from tests.tasks.tiny import gpt


def policies(model: keras.Model) -> list[str]:
    return [layer.dtype_policy.name for layer in model._flatten_layers()]


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_every_layer_computes_in_float32_within_the_block(dtype):
    model, exact = gpt(dtype, position="relative"), gpt(position="relative")
    ids = [[1, 2, 3, 4]]
    rounded = model(ids).numpy()
    with in_float32(model):
        inside = model(ids)
    np.testing.assert_allclose(inside, exact(ids), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(ids).numpy(), rounded, rtol=1e-2, atol=1e-2)
    assert rounded.dtype.name == dtype.removeprefix("mixed_")


def test_each_layer_gets_its_own_policy_back_after_an_error_too():
    model = gpt("mixed_bfloat16")
    model.stack.final_norm.dtype_policy = "float32"
    before = policies(model)
    with pytest.raises(KeyError), in_float32(model), in_float32(model):
        assert set(policies(model)) == {"float32"}
        raise KeyError
    assert policies(model) == before
    assert len(set(before)) == 2
