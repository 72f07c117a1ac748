"""Recurrent encoder-decoders: cached, padded, and beside layers of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentSeq2SeqConfig
from massivetext_keras.kernels.random import keys_from
from massivetext_keras.models import RecurrentSeq2Seq
from tests.tasks.tiny import randomize

TINY = RecurrentSeq2SeqConfig(
    vocabulary_size=50, hidden_size=8, embedding_size=6, max_length=32
)
VARIANTS = {
    "fed": {"num_decoder_layers": 2},
    "plain": {"input_feeding": False, "cell": "lstm", "attention": "multiplicative"},
    "before": {"query": "before", "readout": "maxout", "tied_embeddings": False},
    "before, plain": {"query": "before", "input_feeding": False, "num_layers": 2},
    "copied": {"bridge": "copy", "cell": "lstm", "num_layers": 2},
    "backward": {"bidirectional": False, "attention": "multiplicative", "cell": "rnn"},
}


def built(dtype: str = "float32", seed: int = 0, scale: float = 0.4, **changes):
    model = RecurrentSeq2Seq(TINY.replace(**changes), dtype=dtype)
    return randomize(model, seed, scale)


@pytest.fixture(scope="module", params=VARIANTS)
def model(request) -> RecurrentSeq2Seq:
    return built(**VARIANTS[request.param])


def features(rows: int, keys: int, length: int, seed: int = 0) -> dict:
    random = np.random.default_rng(seed)
    sizes = {"encoder_token_ids": keys, "decoder_token_ids": length}
    return {
        name: random.integers(0, 50, [rows, size]).astype("int32")
        for name, size in sizes.items()
    }


def assert_close(found, expected, atol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("chunks", [[1] * 5, [2, 3]], ids=str)
def test_cached_is_uncached(model, chunks):
    both = features(2, 4, 5)
    expected, start = model(both).numpy(), 0
    memory = model.encode(both["encoder_token_ids"])
    cache = model.empty_cache(tf.zeros([2], tf.int32), 9, memory)
    for size in chunks:
        part = both["decoder_token_ids"][:, start : start + size]
        hidden, cache = model({"token_ids": part}, cache=cache)
        assert_close(hidden, expected[:, start : start + size])
        start += size
    assert (int(cache.start), int(cache.places)) == (5, 9)


def test_a_future_token_changes_nothing_before_it(model):
    both = features(1, 4, 6)
    expected = model(both).numpy()
    both["decoder_token_ids"][0, 3] += 1
    found = model(both).numpy()
    assert_close(found[:, :3], expected[:, :3], 1e-6)
    assert (np.abs(found - expected)[0, 3:].max(axis=1) > 1e-4).all()


def test_padding_changes_nothing(model):
    long, short = features(1, 6, 3), features(1, 2, 3, seed=1)
    expected = model(short).numpy()
    padded = {
        "encoder_token_ids": np.zeros([2, 6], "int32"),
        "encoder_padding_mask": np.array([[1] * 6, [1] * 2 + [0] * 4], "int32"),
        "decoder_token_ids": np.full([2, 5], 7, "int32"),
        "decoder_padding_mask": np.array([[1] * 3 + [0] * 2] * 2, "int32"),
    }
    for row, texts in enumerate((long, short)):
        for name, ids in texts.items():
            padded[name][row, : ids.shape[1]] = ids[0]
    padded["encoder_token_ids"][1, 2:] = 9
    assert_close(model(padded)[1:, :3], expected)
    assert_close(model(padded)[:1, :3], model(long))
    weights = model.alignments(padded).numpy()
    assert_close(weights.sum(axis=2), np.ones([2, 5]))
    assert not weights[1, :, 2:].any()
    # Gradients of what is real do not know of it either.
    slopes = []
    for texts, row in ((short, 0), (padded, 1)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(texts, training=True)[row, :3] ** 2)
        slopes.append(tape.gradient(loss, model.decoder.trainable_variables))
    for x, y in zip(*slopes, strict=True):
        assert_close(x, y, 1e-5)


def test_one_token_is_enough(model):
    assert model(features(1, 1, 1)).shape == (1, 1, model.config.width_of_output)
    weights = model.alignments(features(1, 1, 2)).numpy()
    assert weights.tolist() == [[[1.0], [1.0]]]


def keras_encoder(model: RecurrentSeq2Seq):
    """Keras's layers with the weights of the encoder."""
    layers = []
    reader = model.encoder.blocks[0]
    for layer in (reader.forwards, reader.backwards):
        other = keras.layers.GRU(8, return_sequences=True)
        other.build((None, None, 6))
        kernel, bias = (x.numpy() for x in layer.projection.weights)
        biases = np.stack([bias, np.zeros_like(bias)])
        other.set_weights([kernel, layer.recurrent_kernel.numpy(), biases])
        layers.append(other)
    return layers


def test_it_is_what_layers_of_keras_make():
    """Without input feeding: GRU and keras.layers.AdditiveAttention."""
    model = built(input_feeding=False)
    both, decoder = features(3, 5, 4), model.decoder
    source = model.tokens(both["encoder_token_ids"])
    forward, backward = keras_encoder(model)
    behind = tf.reverse(backward(tf.reverse(source, [1])), [1])
    memory = tf.concat([forward(source), behind], axis=2)
    begin = tf.tanh(decoder.bridge(behind[:, 0]))
    cell, layer = keras.layers.GRU(8, return_sequences=True), decoder.blocks[0]
    cell.build((None, None, 6))
    kernel, bias = (x.numpy() for x in layer.projection.weights)
    biases = np.stack([bias, np.zeros_like(bias)])
    cell.set_weights([kernel, layer.recurrent_kernel.numpy(), biases])
    states = cell(model.tokens(both["decoder_token_ids"]), initial_state=begin)
    look, attention = keras.layers.AdditiveAttention(), decoder.attention
    parts = [attention.query(states), memory, attention.keys(memory)]
    look.build([x.shape for x in parts])
    look.scale.assign(attention.vector)
    contexts, weights = look(parts, return_attention_scores=True)
    expected = tf.tanh(decoder.readout(tf.concat([contexts, states], axis=2)))
    assert_close(model(both), expected)
    assert_close(model.alignments(both), weights)


def test_with_input_feeding_gradients_are_numerical():
    model, both = built(num_decoder_layers=2, cell="lstm"), features(2, 3, 4)

    @tf.function
    def loss():
        return tf.reduce_sum(model(both, training=True) ** 2)

    random = np.random.default_rng(0)
    with tf.GradientTape() as tape:
        value = loss()
    variables = model.trainable_variables
    slopes = tape.gradient(value, variables)
    names = {"decoder/block_0/projection/kernel", "decoder/readout/kernel"}
    names |= {"decoder/bridge/kernel", "encoder/block_0/backwards/recurrent_kernel"}
    names |= {"decoder/attention/vector", "decoder/attention/keys/kernel"}
    for variable, slope in zip(variables, slopes, strict=True):
        if variable.path.split("/", 1)[1] not in names:
            continue
        before, step = variable.numpy(), random.normal(size=variable.shape)
        step = (1e-2 * step / np.linalg.norm(step)).astype("float32")
        values = []
        for sign in (1, -1):
            variable.assign(before + sign * step)
            values.append(float(loss()))
        variable.assign(before)
        expected = float(tf.reduce_sum(slope * step))
        assert (values[0] - values[1]) / 2 == pytest.approx(expected, abs=2e-4), (
            variable.path
        )
        names.discard(variable.path.split("/", 1)[1])
    assert not names


def test_dropout_is_of_training_alone_and_is_what_its_fields_say():
    rates = {"dropout": 0.5, "input_dropout": 0.0, "hidden_dropout": 0.0}
    both, model = features(2, 3, 4), built(**rates)
    plain = model(both).numpy()
    with keys_from(tf.constant(1, tf.uint32)):
        dropped = model(both, training=True).numpy()
    kept = dropped != 0
    assert 0.2 < kept.mean() < 0.8
    assert_close(dropped[kept], 2 * plain[kept])
    other = built(**{**rates, "dropout": 0.0, "hidden_dropout": 0.5})
    assert np.abs(other(both, training=True) - plain).max() > 1e-3


def test_mixed_precision_is_close_to_float32(model):
    narrow = RecurrentSeq2Seq(model.config, dtype="mixed_bfloat16")
    for x, y in zip(narrow.weights, model.weights, strict=True):
        x.assign(y)
    both = features(2, 5, 6)
    expected, found = (m.logits(m(both)) for m in (model, narrow))
    assert found.dtype == tf.float32
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < error < 0.08
    assert all(weight.dtype == "float32" for weight in narrow.weights)


def test_it_is_saved_as_a_keras_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    both = features(2, 3, 4)
    assert np.array_equal(again(both), model(both))
