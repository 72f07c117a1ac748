"""Properties of all families: what a token sees, alone, padded and cached."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.weights import layout
from tests.models.families import (
    DECODERS,
    ENCODER_DECODERS,
    ENCODERS,
    FAMILIES,
    backbone,
    shared,
)


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 50, [rows, length]).astype("int32")


def assert_close(found, expected, atol=2e-5):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


def inputs(name: str, rows: int = 2, length: int = 6) -> dict:
    if name not in ENCODER_DECODERS:
        return {"token_ids": ids(rows, length)}
    return {
        "encoder_token_ids": ids(rows, length, 1),
        "decoder_token_ids": ids(rows, length - 1, 2),
    }


def assert_as_laid_out(model) -> None:
    """Every weight is in the table of its config, with its shape."""
    built = {w.path.split("/", 1)[1]: tuple(w.shape) for w in model.weights}
    sizes = layout(model.config).items()
    assert built == {k: (*x[:-1], sum(x[-1])) if x else () for k, x in sizes}
    assert model.count_params() == model.config.parameter_count()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("changes", [{}, {"rezero": True}], ids=str)
def test_the_weights_are_those_of_the_table(name, changes):
    assert_as_laid_out(backbone(name, **changes) if changes else shared(name))


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_decoders_may_have_another_depth(name, depth):
    model = backbone(name, num_decoder_layers=depth)
    assert (len(model.encoder.blocks), len(model.decoder.blocks)) == (2, depth)
    assert_as_laid_out(model)
    pairs, hidden = inputs(name), model(inputs(name))
    changed = {**pairs, "encoder_token_ids": pairs["encoder_token_ids"][:, ::-1]}
    assert np.abs(model(changed) - hidden).max(axis=(1, 2)).min() > 1e-4
    pairs["decoder_token_ids"] = pairs["decoder_token_ids"][:, :3]
    assert_close(model(pairs), hidden[:, :3])


@pytest.mark.parametrize("name", FAMILIES)
def test_training_without_dropout_is_inference(name):
    model = shared(name)
    assert_close(model(inputs(name), training=True), model(inputs(name)), 5e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_bfloat16_is_float32_rounded(name, training):
    exact = shared(name)(inputs(name)).numpy()
    rounded = shared(name, "mixed_bfloat16")(inputs(name), training=training)
    assert rounded.dtype == tf.bfloat16
    difference = np.abs(tf.cast(rounded, tf.float32) - exact)
    # A router may choose another expert for a token near the edge: that is no rounding.
    size = np.median(difference) if "mixtral" in name else difference.max()
    assert size < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_config_builds_the_same_model(name):
    model = shared(name)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert again.config == model.config
    assert np.array_equal(again(inputs(name)), model(inputs(name)))


@pytest.mark.parametrize("name", ENCODERS)
def test_every_token_sees_every_other(name):
    model, tokens = shared(name), ids(1, 6)
    for place in (0, 5):
        changed = tokens.copy()
        changed[0, place] = (changed[0, place] + 1) % 50
        moved = np.abs(model(tokens).numpy() - model(changed).numpy()).max(axis=(0, 2))
        assert (moved > 1e-4).all()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ENCODERS + DECODERS)
def test_padded_rows_are_the_rows_alone(name, training):
    model, tokens = shared(name), ids(3, 7)
    mask = (np.arange(7) < np.array([[7], [4], [1]])).astype("int32")
    hidden = model({"token_ids": tokens, "padding_mask": mask}, training=training)
    for i, length in enumerate((7, 4, 1)):
        alone = model(tokens[i : i + 1, :length], training=training)
        assert_close(hidden[i, :length], alone[0], 5e-5)


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_padded_pairs_are_the_pairs_alone(name):
    model, sources, targets = shared(name), ids(3, 7, 1), ids(3, 5, 2)
    read, wrote = np.array([[7], [4], [1]]), np.array([[2], [5], [3]])
    hidden = model(
        {
            "encoder_token_ids": sources,
            "encoder_padding_mask": (np.arange(7) < read).astype("int32"),
            "decoder_token_ids": targets,
            "decoder_padding_mask": (np.arange(5) < wrote).astype("int32"),
        }
    )
    for i, (m, n) in enumerate(zip(read[:, 0], wrote[:, 0], strict=True)):
        alone = model(
            {
                "encoder_token_ids": sources[i : i + 1, :m],
                "decoder_token_ids": targets[i : i + 1, :n],
            }
        )
        assert_close(hidden[i, :n], alone[0])


@pytest.mark.parametrize("chunks", [[1] * 5, [2, 3]], ids=str)
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_cached_is_uncached(name, chunks):
    model, sources, targets = shared(name), ids(2, 7, 1), ids(2, 5, 2)
    mask = np.array([[1] * 7, [1] * 4 + [0] * 3])
    expected = model(
        {
            "encoder_token_ids": sources,
            "encoder_padding_mask": mask,
            "decoder_token_ids": targets,
        }
    )
    memory = model.encode(sources, mask)
    cache, start = model.empty_cache(tf.zeros([2], tf.int32), 8, memory, mask), 0
    for size in chunks:
        part = {"token_ids": targets[:, start : start + size]}
        hidden, cache = model(part, cache=cache)
        assert_close(hidden, expected[:, start : start + size])
        start += size


@pytest.mark.parametrize("chunks", [[6], [3, 1, 2]], ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_cached_decoders_are_uncached(name, chunks):
    """What is read first is the prefix of a prefix model."""
    model, tokens = shared(name), ids(2, 6)
    prefix = np.broadcast_to(np.arange(6) < chunks[0], [2, 6]).astype("int32")
    features = {"token_ids": tokens}
    if model.config.stack == "prefix":
        features["prefix_mask"] = prefix
    expected = model(features)
    cache, start = model.empty_cache(tf.zeros([2], tf.int32), 9), 0
    for size in chunks:
        part = {"token_ids": tokens[:, start : start + size]}
        hidden, cache = model(part, cache=cache)
        assert_close(hidden, expected[:, start : start + size])
        start += size


def test_a_prefix_is_seen_by_all_and_the_rest_by_what_follows():
    model, tokens = shared("unilm_base"), ids(1, 6)
    prefix = np.array([[1, 1, 1, 0, 0, 0]])
    seen = []
    for place in range(6):
        changed = tokens.copy()
        changed[0, place] = (changed[0, place] + 1) % 50
        pair = [
            model({"token_ids": x, "prefix_mask": prefix}).numpy()
            for x in (tokens, changed)
        ]
        moved = np.abs(pair[0] - pair[1]).max(axis=(0, 2))
        seen.append("".join("01"[int(x > 1e-6)] for x in moved))
    assert seen == ["111111"] * 3 + ["000111", "000011", "000001"]


def test_rezero_begins_as_the_identity():
    model = backbone("llama2_70b", rezero=True)
    for block in model.stack.blocks:
        for gate in (block.attention_gate, block.feed_forward_gate):
            gate.assign(0.0)
    tokens = ids(1, 5)
    expected = model.stack.final_norm(model.tokens(tokens))
    assert_close(model(tokens), expected)


def test_parallel_parts_read_the_same():
    model = backbone("pythia_70m", num_layers=1)
    block = model.stack.blocks[0]
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 4, 16)), tf.float32)
    expected = x + block.attention(block.attention_norm(x))
    expected += block.feed_forward(block.feed_forward_norm(x))
    assert_close(block(x), expected)


def test_shared_layers_are_one():
    model = backbone("albert_base", num_layers=3)
    assert len({id(block) for block in model.stack.blocks}) == 1
    once = backbone("albert_base", num_layers=1)
    x = once.embeddings(once.tokens(ids(1, 4)), tf.range(4)[None])
    for _ in range(3):
        x = once.stack.blocks[0](x)
    model.set_weights(once.get_weights())
    assert_close(model(ids(1, 4)), x)
