"""Roles and depths of weights, against the rules by names that they replaced."""

from __future__ import annotations

import re

import keras
import pytest

from massivetext_keras.architecture.roles import decays, role_of
from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.architecture.weights import (
    ROLES,
    depth_of,
    head_weights,
    weights,
)
from massivetext_keras.models import GPT
from massivetext_keras.optimization.rates import is_decayed, is_for_muon
from tests.tasks.tiny import TINY

HEADS = ("masked_lm", "pretraining", "discriminator", "dense_classification")


def shape_of(weight) -> tuple[int, ...]:
    *rows, columns = weight.sizes or ((),)
    return (*rows, sum(columns)) if weight.sizes else ()


def decayed_by_name(path: str, shape: tuple) -> bool:
    return len(shape) >= 2 and not re.search(r"(^|[/_])(position|relative)", path)


def muon_by_name(path: str, shape: tuple) -> bool:
    excluded = re.search(r"(^|/)(relative|\w*head)/", path)
    return len(shape) == 2 and "embedding" not in path and not excluded


class Variable:
    def __init__(self, path: str, shape: tuple):
        self.path = self.name = path
        self.shape = shape


@pytest.mark.parametrize("name", PRESETS)
def test_of_every_shape_the_same_weights_decay_as_ever(name):
    config = PRESETS[name]
    table = weights(config)
    for head in HEADS if config.stack == "encoder" else ():
        table |= head_weights(config, head)
    for path, weight in table.items():
        path, shape = f"model/{path}", shape_of(weight)
        assert weight.role in ROLES
        assert role_of(path, shape) == weight.role, path
        assert decays(path, shape) == decayed_by_name(path, shape), path
        variable = Variable(path, shape)
        assert is_decayed(variable) == decayed_by_name(path, shape)
        assert is_for_muon(variable) == muon_by_name(path, shape), path
        assert depth_of(path) == weight.depth


def test_roles_of_one_shape():
    table = weights(TINY.replace(position="relative", rezero=True, num_experts=2))
    roles = {path.removeprefix("stack/"): weight.role for path, weight in table.items()}
    assert roles["tokens/embeddings"] == "embedding"
    assert roles["relative/table"] == "position"
    assert roles["block_1/attention/qkv/kernel"] == "matrix"
    assert roles["block_1/attention/qkv/bias"] == "bias"
    assert roles["block_1/attention_norm/gain"] == "norm"
    assert roles["block_1/attention_gate"] == "gate"
    assert roles["block_1/feed_forward/up/kernel"] == "expert"
    depths = {path: weight.depth for path, weight in table.items()}
    assert depths["tokens/embeddings"] == 0
    assert depths["stack/block_1/attention_gate"] == 2
    assert depths["stack/final_norm/gain"] is None


def test_a_layer_of_the_users_is_known_by_what_it_is_and_not_by_its_name():
    class Placed(GPT):
        def __init__(self, config):
            super().__init__(config)
            self.position_head = keras.layers.Dense(3, name="position_head")
            self.places = keras.layers.Embedding(4, 16, name="position_embedding")
            self.relative = keras.layers.Dense(3, name="relative_score")
            for layer in (self.position_head, self.relative):
                layer.build((None, 16))
            self.places.build((None, None))

    found = {w.path: is_decayed(w) for w in Placed(TINY).weights}
    own = {k: v for k, v in found.items() if k.startswith(("position_", "relative_"))}
    assert own == {
        "position_head/kernel": True,
        "position_head/bias": False,
        "position_embedding/embeddings": False,
        "relative_score/kernel": True,
        "relative_score/bias": False,
    }
    # A model's own name says nothing either.
    assert decays("position_model/stack/block_0/attention/qkv/kernel", (4, 12))
