"""The step of every family is one XLA program of static shapes, as a TPU needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.tasks import ReplacedTokenDetector, task_class
from massivetext_keras.training import adamw
from tests.models.families import TRANSFORMERS, shrunk

ROWS, LENGTH = 2, 8
HOST_OPS = re.compile(
    r"PyFunc|Py_?Func|Unique|^Where$|Lookup|String|Regex|Unicode|Print|Decode|"
    r"HashTable|Iterator|Dataset|Save|Restore"
)


def tiny(name: str):
    """The preset with all of its traits, one layer and dropout."""
    return shrunk(name, num_layers=1, num_decoder_layers=None, dropout=0.1)


def traits(name: str) -> set[tuple]:
    """Each field beside the stack; how large a number is changes no operation."""
    config = tiny(name)
    fields = config.to_dict().items()
    kinds = ((k, x is not None if type(x) in (float, dict) else x) for k, x in fields)
    return {(config.stack, *kind) for kind in kinds}


def telling() -> Iterator[str]:
    """Presets with a trait that none before them has."""
    seen = set()
    different = {tiny(name): name for name in reversed(TRANSFORMERS)}
    for name in different.values():
        if not traits(name) <= seen:
            seen |= traits(name)
            yield name


DISTINCT = [*telling()]


def built(name: str):
    config = tiny(name)
    cls = ReplacedTokenDetector if "discriminator" in name else task_class(config)
    task = cls(config)
    task.compile(adamw(clip_norm=1.0))
    task.optimizer.build(task.trainable_variables)
    return task


def batch(name: str) -> tuple[dict, tf.Tensor, tf.Tensor]:
    random = np.random.default_rng(0)

    def ids(length: int = LENGTH) -> tf.Tensor:
        return tf.constant(random.integers(3, 50, [ROWS, length]), tf.int32)

    ones, kind = tf.ones([ROWS, LENGTH], tf.int32), PRESETS[name].stack
    if kind == "encoder":
        features = {"token_ids": ids(), "padding_mask": ones}
        features["masked_positions"] = tf.constant([[1, 2], [3, 5]])
        return features, ids(2), tf.ones([ROWS, 2])
    if kind == "encoder_decoder":
        features = {"encoder_token_ids": ids(), "encoder_padding_mask": ones}
        features |= {"decoder_token_ids": ids(), "decoder_padding_mask": ones}
    elif kind == "prefix":
        features = {"token_ids": ids(), "prefix_mask": ones}
    else:
        places = tf.range(LENGTH)[None] * ones
        features = {"token_ids": ids(), "segment_ids": ones, "positions": places}
    return features, ids(), tf.ones([ROWS, LENGTH])


def operations(graph: tf.Graph) -> dict[str, set[int]]:
    """Name of an operation -> the types in its attributes, in functions too."""
    definition = graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += function.node_def
    found: dict[str, set[int]] = {}
    for node in nodes:
        types = {value.type for value in node.attr.values()}
        found.setdefault(node.op, set()).update(types)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_the_step_is_one_program_without_the_host(name):
    task, data = built(name), batch(name)
    step = tf.function(task.train_step, jit_compile=True, autograph=False)
    found = operations(step.get_concrete_function(data).graph)
    assert not [op for op in found if HOST_OPS.search(op)]
    assert not [
        op for op, types in found.items() if tf.string.as_datatype_enum in types
    ]
    program = step.experimental_get_compiler_ir(data)(stage="hlo")
    assert "ENTRY" in program
    assert "[<=" not in program  # a dimension that is known when it runs


def test_no_feature_is_a_string_or_a_bool():
    for name in DISTINCT:
        features, labels, weights = batch(name)
        types = {x.dtype for x in [*features.values(), labels, weights]}
        assert types == {tf.int32, tf.float32}


def test_a_host_operation_is_found():
    def step(x):
        return tf.numpy_function(lambda y: y, [tf.unique(x).y], tf.int32)

    graph = tf.function(step).get_concrete_function(tf.constant([1])).graph
    assert {"Unique", "PyFunc"} <= operations(graph).keys()
    assert sum(bool(HOST_OPS.search(op)) for op in operations(graph)) == 2
