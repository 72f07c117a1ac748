"""Which weights are split among the devices of a tensor axis, and which are whole."""

from __future__ import annotations

import contextlib
import math

import pytest

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.architecture.weights import layout, weights
from massivetext_keras.distribution.layouts import (
    check_tensor_axis,
    numbers_kept,
    placements,
    tensor_axis,
)
from massivetext_keras.distribution.placement import Placement
from tests.models.families import TRANSFORMERS
from tests.tasks.tiny import TINY


def split(config, tensor: int = 2) -> bool:
    with contextlib.suppress(ValueError):
        check_tensor_axis(config, tensor)
        return True
    return False


def test_most_shapes_can_be_split_in_two():
    assert sum(split(PRESETS[x]) for x in TRANSFORMERS) > 0.8 * len(TRANSFORMERS)


def test_a_recurrent_model_is_not_split():
    with pytest.raises(ValueError, match="a mesh divides Transformers, not the model"):
        check_tensor_axis(PRESETS["lstm_small"], 1)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_every_weight_of_a_shape_has_a_place_and_equal_parts(name):
    config = PRESETS[name]
    if not split(config):
        pytest.skip("its heads cannot be split in two")
    found = placements(config, 2)
    assert found.keys() == weights(config).keys()
    for path, sizes in layout(config).items():
        parts = sizes[-1] if isinstance(sizes[-1], tuple) else (sizes[-1],)
        shape = (*sizes[:-1], sum(parts))
        axes = found[path].axes
        assert len(axes) == len(shape) and axes.count("tensor") <= 1
        for size, axis in zip(shape, axes, strict=True):
            assert axis is None or size % 2 == 0
        if found[path].blocks > 1:  # each device has a share of every part
            assert all(part % 2 == 0 for part in parts)


def test_the_axes_are_those_of_the_paper():
    of_experts = weights(TINY.replace(num_experts=4, gated=True))
    table = weights(TINY.replace(gated=True, logit_bias=True))
    block = "stack/block_0"
    axes = {path: tensor_axis(weight) for path, weight in table.items()}
    assert axes["tokens/embeddings"] == 0
    assert axes["embeddings/positions/embeddings"] is None
    assert axes[f"{block}/attention/qkv/kernel"] == 1
    assert axes[f"{block}/attention/qkv/bias"] == 0
    assert axes[f"{block}/attention/output/kernel"] == 0
    assert axes[f"{block}/attention/output/bias"] is None
    assert axes[f"{block}/attention_norm/gain"] is None
    assert axes[f"{block}/feed_forward/up/kernel"] == 1
    assert axes[f"{block}/feed_forward/down/kernel"] == 0
    assert axes["logit_bias"] == 0
    experts = [weight for weight in of_experts.values() if weight.role == "expert"]
    assert experts and {tensor_axis(weight) for weight in experts} == {0}


def test_a_bias_of_distances_goes_with_its_heads():
    found = placements(TINY.replace(position="relative"), 2)
    assert found["stack/relative/table"] == Placement((None, "tensor"))


def test_a_table_of_tokens_that_cannot_be_split_is_whole():
    odd = placements(TINY.replace(vocabulary_size=51, logit_bias=True), 2)
    assert odd["tokens/embeddings"] == Placement((None, None))
    assert odd["logit_bias"].axes == (None,)
    even = placements(TINY.replace(vocabulary_size=50), 2)
    assert even["tokens/embeddings"] == Placement(("tensor", None))


def test_what_does_not_divide_is_named_with_what_would():
    with pytest.raises(ValueError, match="num_heads=4 .*: 1, 2 or 4 would"):
        check_tensor_axis(TINY.replace(intermediate_size=24), 3)


def test_devices_keep_their_shares():
    whole = TINY.parameter_count()
    assert numbers_kept(TINY, 1) == whole
    # Whole on both: positions, norms and what is added behind each second product.
    small = sum(
        math.prod(sum(x) if isinstance(x, tuple) else x for x in weight.sizes)
        for weight in weights(TINY).values()
        if tensor_axis(weight) is None
    )
    assert numbers_kept(TINY, 2) == small + (whole - small) // 2
    assert numbers_kept(TINY, 1, 2) == whole // 2  # every first axis is even here
