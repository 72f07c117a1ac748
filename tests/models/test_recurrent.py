"""Recurrent models: what a token sees, alone, packed, padded and cached."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentConfig
from massivetext_keras.kernels.random import keys_from
from massivetext_keras.models import Recurrent
from tests.tasks.tiny import randomize

TINY = RecurrentConfig(
    vocabulary_size=50, num_layers=2, hidden_size=16, embedding_size=12, max_length=32
)
VARIANTS = {
    "lstm": {},
    "gru": {"cell": "gru", "recurrent_bias": True},
    "rnn": {"cell": "rnn", "tied_embeddings": False},
}


def recurrent(dtype: str = "float32", seed: int = 0, scale: float = 0.4, **changes):
    return randomize(Recurrent(TINY.replace(**changes), dtype=dtype), seed, scale)


@pytest.fixture(scope="module", params=VARIANTS)
def model(request) -> Recurrent:
    return recurrent(**VARIANTS[request.param])


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 50, [rows, length]).astype("int32")


def assert_close(found, expected, atol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


def test_a_future_token_changes_nothing_before_it(model):
    tokens = ids(1, 8)
    changed = tokens.copy()
    changed[0, 5] = (changed[0, 5] + 1) % 50
    before, after = model(tokens).numpy(), model(changed).numpy()
    assert np.array_equal(before[:, :5], after[:, :5])
    assert (np.abs(before - after)[0, 5:].max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("chunks", [[1] * 7, [2, 1, 4]], ids=str)
def test_cached_is_uncached(model, chunks):
    tokens = ids(2, 7)
    expected = model(tokens).numpy()
    cache, start = model.empty_cache(tf.zeros([2], tf.int32), 10), 0
    for size in chunks:
        part = {"token_ids": tokens[:, start : start + size]}
        hidden, cache = model(part, cache=cache)
        assert_close(hidden, expected[:, start : start + size])
        start += size
    assert int(cache.start) == 7


@pytest.mark.parametrize("split", [1, 4])
def test_left_padded_rows_are_the_rows_alone(model, split):
    """Reads prompts of 6, 3 and 1 tokens in two cached calls."""
    rows = [ids(1, n, seed=n)[0] for n in (6, 3, 1)]
    tokens = np.stack([np.pad(row, (6 - len(row), 0)) for row in rows])
    cache = model.empty_cache(tf.constant([0, 3, 5]), 9)
    parts = []
    for part in (tokens[:, :split], tokens[:, split:]):
        hidden, cache = model({"token_ids": part}, cache=cache)
        parts.append(hidden)
    hidden = np.concatenate(parts, axis=1)
    for i, row in enumerate(rows):
        assert_close(hidden[i, 6 - len(row) :], model(row[None])[0])
    hidden, _ = model({"token_ids": np.array([[7], [8], [9]])}, cache=cache)
    for i, row in enumerate(rows):
        assert_close(hidden[i, 0], model(np.append(row, 7 + i)[None])[0, -1])


def test_packed_documents_are_the_documents_alone(model):
    first, second, third = ids(1, 4, 1), ids(1, 3, 2), ids(1, 1, 3)
    packed = model(
        {
            "token_ids": np.concatenate([first, second, third], axis=1),
            "segment_ids": np.array([[1] * 4 + [2] * 3 + [3]]),
        }
    )
    for document, start in ((first, 0), (second, 4), (third, 7)):
        alone = model(document)
        assert_close(packed[:, start : start + document.shape[1]], alone)


@pytest.mark.parametrize("training", [False, True])
def test_padded_rows_are_the_rows_alone(model, training):
    tokens = ids(4, 7)
    mask = (np.arange(7) < np.array([[7], [4], [1], [0]])).astype("int32")
    mask[3, 4:] = 1  # at the left
    hidden = model({"token_ids": tokens, "padding_mask": mask}, training=training)
    for i, length in enumerate((7, 4, 1)):
        alone = model(tokens[i : i + 1, :length], training=training)
        assert_close(hidden[i, :length], alone[0])
    assert_close(hidden[3, 4:], model(tokens[3:, 4:], training=training)[0])


def test_training_without_dropout_is_inference(model):
    tokens = ids(2, 6)
    assert_close(model(tokens, training=True), model(tokens))


def test_the_config_builds_the_same_model(model):
    again = Recurrent.from_config(model.get_config())
    assert again.config == model.config
    again.set_weights(model.get_weights())
    assert np.array_equal(again(ids(1, 5)), model(ids(1, 5)))


def test_tied_output_is_the_token_embedding(model):
    hidden = model(ids(1, 3))
    named = {weight.path.split("/", 1)[1]: weight.numpy() for weight in model.weights}
    tied = model.config.tied_embeddings
    matrix = named["tokens/embeddings" if tied else "output/embeddings"]
    assert_close(model.logits(hidden), hidden.numpy() @ matrix.T + named["logit_bias"])


def dropped(model, key: int = 1, tokens=None):
    with keys_from(tf.constant(key, tf.uint32)):
        return model(ids(1, 9) if tokens is None else tokens, training=True).numpy()


def test_variational_dropout_leaves_out_the_same_features_at_every_step():
    rates = {"input_dropout": 0.0, "hidden_dropout": 0.0, "dropout": 0.5}
    for variational, same in ((True, True), (False, False)):
        hidden = dropped(recurrent(**rates, variational=variational))[0]
        zeros = hidden == 0
        assert 0.2 < zeros.mean() < 0.8
        assert (zeros == zeros[:1]).all() == same


def test_embedding_dropout_leaves_out_words():
    model = recurrent(embedding_dropout=0.5, num_layers=1, cell="rnn")
    model.stack.block_0.recurrent_kernel.assign(np.zeros([12, 12]))
    tokens = np.tile(ids(1, 5), 4)  # each word four times
    hidden = dropped(model, tokens=tokens)[0].reshape(4, 5, 12)
    np.testing.assert_allclose(hidden, np.repeat(hidden[:1], 4, axis=0), atol=1e-6)
    bias = np.tanh(model.stack.block_0.projection.bias.numpy())
    without = np.abs(hidden[0] - bias).max(axis=1) < 1e-6
    assert 0 < without.sum() < 5


def test_mixed_precision_is_close_to_float32():
    wide, narrow = recurrent(scale=0.2), recurrent("mixed_bfloat16", scale=0.2)
    tokens = ids(2, 12)
    expected, found = wide.logits(wide(tokens)), narrow.logits(narrow(tokens))
    assert found.dtype == tf.float32
    error = np.abs(found - expected.numpy()).max() / np.abs(expected).max()
    assert 0 < error < 0.05
    assert all(weight.dtype == "float32" for weight in narrow.weights)


def test_a_graph_of_any_length(model):
    run = tf.function(model, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    assert_close(run(ids(2, 5)), model(ids(2, 5)))
    assert_close(run(ids(3, 1)), model(ids(3, 1)))


def test_a_config_of_another_stack_is_refused():
    from tests.tasks.tiny import TINY as GPT_CONFIG

    with pytest.raises(ValueError, match="Recurrent has stack 'recurrent', the config"):
        Recurrent(GPT_CONFIG)


def test_it_is_saved_as_a_keras_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(ids(2, 5)), model(ids(2, 5)))
