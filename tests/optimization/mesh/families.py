"""Trains tiny models of a family on meshes and on one device; prints how far the
weights, and all that the optimizer keeps, are apart."""

from __future__ import annotations

import json
import math
import sys

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.tasks import CausalLM, MaskedLM, Seq2SeqLM
from massivetext_keras.training import adamw, make_mesh, set_logical_cpus
from tests.optimization.mesh.splits import parsed
from tests.processes import use_grappler
from tests.tasks.tiny import ENCODER, TINY

SMALL = TINY.replace(vocabulary_size=48, dropout=0.1, num_layers=1)
# Family -> its task and shape.
FAMILIES = {
    "grouped heads, gated units": (
        CausalLM,
        SMALL.replace(
            num_layers=2,
            num_key_value_heads=2,
            activation="silu",
            gated=True,
            norm="rms_norm",
            position="rotary",
            qkv_bias=False,
            output_bias=False,
            feed_forward_bias=False,
        ),
    ),
    "packed documents, a window": (CausalLM, SMALL.replace(window=4)),
    "experts": (
        CausalLM,
        SMALL.replace(num_layers=2, num_experts=4, experts_per_token=2),
    ),
    "encoder": (
        MaskedLM,
        ENCODER.replace(vocabulary_size=48, dropout=0.1, num_layers=2),
    ),
    "distances, an output layer": (
        CausalLM,
        SMALL.replace(
            num_layers=2, position="relative", tied_embeddings=False, logit_bias=True
        ),
    ),
    "encoder-decoder": (
        Seq2SeqLM,
        SMALL.replace(stack="encoder_decoder"),
    ),
}
UPDATES, ROWS, LENGTH = 10, 8, 10


def batches(task, packed: bool = False) -> tf.data.Dataset:
    """Rows of noise, of lengths that differ, so that replicas have unequal tokens."""
    random = np.random.default_rng(0)
    count = UPDATES * ROWS
    ids = random.integers(1, 48, [count, LENGTH + 1]).astype("int32")
    lengths = random.integers(2, LENGTH + 1, [count, 1])
    mask = (np.arange(LENGTH) < lengths).astype("int32")
    features = {"token_ids": ids[:, :-1], "padding_mask": mask}
    if packed:
        features["segment_ids"] = random.integers(0, 2, mask.shape).cumsum(axis=1)
    weights = mask.astype("float32")
    if isinstance(task, MaskedLM):
        weights *= random.random(weights.shape) < 0.5
    if isinstance(task, Seq2SeqLM):
        features = {
            "encoder_token_ids": ids[::-1, :-1].copy(),
            "encoder_padding_mask": mask[::-1].copy(),
            "decoder_token_ids": ids[:, :-1],
            "decoder_padding_mask": mask,
        }
    rows = tf.data.Dataset.from_tensor_slices((features, ids[:, 1:], weights))
    return rows.batch(ROWS)


def made(family: str):
    cls, config = FAMILIES[family]
    keras.utils.set_random_seed(1)
    return cls(config)


def trained(task, packed: bool = False, **options) -> dict[str, list[np.ndarray]]:
    """What is left of ten updates."""
    optimizer = adamw(1e-3, 2, 20, clip_norm=0.5, weight_decay=0.1, ema=0.9)
    task.compile(optimizer, **options)
    before = task.evaluate(batches(task, packed), verbose=0)
    history = task.fit(batches(task, packed), verbose=0)
    return {
        "weights": [v.numpy() for v in task.trainable_variables],
        "state": [np.float64(v.numpy()) for v in optimizer.variables],
        "loss": [np.float64(history.history["loss"])],
        "evaluation": [
            np.float64(before),
            np.float64(task.evaluate(batches(task, packed), verbose=0)),
        ],
    }


def distances(family: str, splits: list[str]) -> dict[str, dict[str, float]]:
    """From one device, of meshes such as "2x1x1:weights" or "1x2x1:none:sequence"."""
    task = made(family)
    first = [v.numpy() for v in task.variables]
    packed = family.startswith("packed")
    right, found = trained(task, packed), {}
    for split in splits:
        axes, options = parsed(split)
        with make_mesh(**axes).scope():
            task = made(family)
        for variable, value in zip(task.variables, first, strict=True):
            variable.assign(value)
        result = trained(task, packed, **options)
        found[split] = {
            name: max(
                float(np.abs(a - b).max()) for a, b in zip(x, right[name], strict=True)
            )
            for name, x in result.items()
        }
    return found


def main() -> None:
    use_grappler(False)
    family, *splits = sys.argv[1:]
    devices = (math.prod(parsed(split)[0].values()) for split in splits)
    set_logical_cpus(max(devices))
    print(json.dumps(distances(family, splits)))


if __name__ == "__main__":
    main()
