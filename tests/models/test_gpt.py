"""GPT: what a token sees, alone, packed, padded and cached."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.models.gpt import GPT
from massivetext_keras.tasks.language_model.task import CausalLM
from tests.tasks.tiny import TINY, gpt, randomize

VARIANTS = {
    "learned": {},
    "sinusoidal": {"position": "sinusoidal", "norm_position": "post"},
    "rotary": {"position": "rotary", "norm": "rms_norm", "gated": True},
    "relative": {"position": "relative", "relative_max_distance": 12},
    "none": {"position": "none", "tied_embeddings": False},
    "grouped": {"position": "rotary", "num_key_value_heads": 2, "head_size": 6},
    "window": {"window": 3, "num_key_value_heads": 1},
}


@pytest.fixture(scope="module", params=VARIANTS)
def model(request) -> GPT:
    return gpt(**VARIANTS[request.param])


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 50, [rows, length]).astype("int32")


def assert_close(found, expected, atol=2e-5):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


def test_a_future_token_changes_nothing_before_it(model):
    tokens = ids(1, 8)
    changed = tokens.copy()
    changed[0, 5] = (changed[0, 5] + 1) % 50
    before, after = model(tokens).numpy(), model(changed).numpy()
    assert np.array_equal(before[:, :5], after[:, :5])
    assert np.abs(before[:, 5] - after[:, 5]).max() > 0.01


def test_how_far_a_token_is_seen(model):
    tokens = ids(1, 8)
    changed = tokens.copy()
    changed[0, 1] = (changed[0, 1] + 1) % 50
    moved = np.abs(model(tokens).numpy() - model(changed).numpy()).max(axis=(0, 2))
    # Two layers with a window of 3 tokens, itself among them, reach 4 tokens back.
    last = 5 if model.config.window == 3 else 7
    assert (moved > 0).tolist() == [1 <= i <= last for i in range(8)]


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
    # One more token for each row.
    hidden, _ = model({"token_ids": np.array([[7], [8], [9]])}, cache=cache)
    for i, row in enumerate(rows):
        assert_close(hidden[i, 0], model(np.append(row, 7 + i)[None])[0, -1])


def test_packed_documents_are_the_documents_alone(model):
    first, second, third = ids(1, 4, 1), ids(1, 3, 2), ids(1, 1, 3)
    packed = model(
        {
            "token_ids": np.concatenate([first, second, third], axis=1),
            "segment_ids": np.array([[1] * 4 + [2] * 3 + [3]]),
            "positions": np.array([[0, 1, 2, 3, 0, 1, 2, 0]]),
        }
    )
    for document, start in ((first, 0), (second, 4), (third, 7)):
        alone = model(document)
        assert_close(packed[:, start : start + document.shape[1]], alone)


@pytest.mark.parametrize("training", [False, True])
def test_padded_rows_are_the_rows_alone(model, training):
    tokens = ids(3, 7)
    mask = (np.arange(7) < np.array([[7], [4], [1]])).astype("int32")
    hidden = model({"token_ids": tokens, "padding_mask": mask}, training=training)
    for i, length in enumerate((7, 4, 1)):
        alone = model(tokens[i : i + 1, :length], training=training)
        assert_close(hidden[i, :length], alone[0])


def test_padding_at_the_left_with_positions(model):
    tokens = ids(1, 6)
    padded = model(
        {
            "token_ids": np.pad(tokens, [(0, 0), (3, 0)]),
            "padding_mask": np.array([[0] * 3 + [1] * 6]),
            "positions": np.array([[0, 0, 0, 0, 1, 2, 3, 4, 5]]),
        }
    )
    assert_close(padded[:, 3:], model(tokens))


def test_training_without_dropout_is_inference(model):
    tokens = ids(2, 6)
    assert_close(model(tokens, training=True), model(tokens))


def test_dropout_changes_the_states_and_the_seed_repeats_them():
    tokens, states = ids(2, 6), []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        model = gpt(dropout=0.3)
        states.append(model(tokens, training=True).numpy())
        assert np.abs(states[-1] - model(tokens)).max() > 0.01
    assert np.array_equal(states[0], states[1])
    assert np.abs(states[0] - states[2]).max() > 0.01


def test_the_config_builds_the_same_model(model):
    again = GPT.from_config(model.get_config())
    assert again.config == model.config
    again.set_weights(model.get_weights())
    assert np.array_equal(again(ids(1, 5)), model(ids(1, 5)))


def test_tied_output_is_the_token_embedding(model):
    hidden = model(ids(1, 3))
    named = {weight.path.split("/", 1)[1]: weight.numpy() for weight in model.weights}
    tied = model.config.tied_embeddings
    matrix = named["tokens/embeddings" if tied else "output/embeddings"]
    assert ("output/embeddings" in named) != tied
    assert_close(model.logits(hidden), hidden.numpy() @ matrix.T)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_close_to_float32(dtype):
    wide, narrow = gpt(seed=5), gpt(dtype, seed=5)
    for model in (wide, narrow):
        randomize(model, 5, 0.1)
    tokens = ids(2, 12)
    expected, found = wide.logits(wide(tokens)), narrow.logits(narrow(tokens))
    assert found.dtype == tf.float32
    scale = np.abs(expected).max()
    error = np.abs(found - expected.numpy()).max()
    assert 0 < error < 0.05 * scale
    assert all(weight.dtype == "float32" for weight in narrow.weights)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_reads_left_padded_rows(dtype):
    model = gpt(dtype)
    cache = model.empty_cache(tf.constant([2, 0]), 6)
    hidden, _ = model({"token_ids": ids(2, 4)}, cache=cache)
    alone = model(ids(2, 4)[:1, 2:])
    np.testing.assert_allclose(
        tf.cast(hidden[0, 2:], tf.float32), tf.cast(alone[0], tf.float32), atol=0.1
    )


def test_one_batch_overfits():
    keras.utils.set_random_seed(0)
    lm = CausalLM(TINY.replace(position="rotary"))
    lm.compile(optimizer=keras.optimizers.Adam(0.02))
    tokens = ids(4, 13)
    batch = ({"token_ids": tokens[:, :-1]}, tokens[:, 1:], np.ones([4, 12], "float32"))
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    history = lm.fit(dataset, steps_per_epoch=60, epochs=2, verbose=0).history
    assert history["loss"][-1] < 0.1
    predicted = np.argmax(lm({"token_ids": tokens[:, :-1]}), axis=-1)
    # The first tokens of a row may not tell the rows apart.
    assert np.mean(predicted[:, 1:] == tokens[:, 2:]) == 1.0
