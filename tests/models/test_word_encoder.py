"""Encoders of words: against NumPy, alone and padded, and what a byte sees."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.architecture.roles import role_of
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.architecture.weights import weights
from massivetext_keras.configs import ModelConfig, WordEncoderConfig
from massivetext_keras.kernels.random import keys_from
from massivetext_keras.models import WordEncoder
from tests.tasks.tiny import randomize

TINY = WordEncoderConfig(vocabulary_size=290, hidden_size=8, max_length=64)
SPELLED = {"character_size": 4, "character_maps": 3}
VARIANTS = {
    "vectors": {},
    "lstm": {"num_layers": 2, "embedding_size": 6},
    "gru": {"num_layers": 1, "cell": "gru", "bidirectional": False},
    "spelled": SPELLED,
    "spelled lstm": {"num_layers": 1, **SPELLED},
}
WORDS = [[260, 70, 80, 90], [1, 75], [259], [288, 60, 61, 62, 63]]


def encoder(seed: int = 0, **changes) -> WordEncoder:
    return randomize(WordEncoder(TINY.replace(**changes)), seed)


@pytest.fixture(scope="module", params=VARIANTS)
def model(request) -> WordEncoder:
    return encoder(**VARIANTS[request.param])


def row_of(words) -> np.ndarray:
    return np.concatenate([WORDS[i] for i in words]).astype("int32")


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_rows_are_the_rows_alone(model, side):
    rows = [row_of(words) for words in ([0, 1, 2, 3], [3], [2, 0], [1])]
    width = max(map(len, rows))
    ids, mask = np.full([len(rows), width], 77, "int32"), np.zeros([4, width], "int32")
    for i, row in enumerate(rows):
        places = slice(len(row)) if side == "right" else slice(width - len(row), None)
        ids[i, places], mask[i, places] = row, 1
    found = tf.function(model)({"token_ids": ids, "padding_mask": mask}).numpy()
    for i, row in enumerate(rows):
        alone = model(row[None])[0]
        np.testing.assert_allclose(found[i][mask[i] > 0], alone, rtol=1e-4, atol=1e-5)


def test_a_row_without_a_word_and_one_token():
    for variant in VARIANTS.values():
        model = encoder(**variant)
        ids = np.array([[0, 0], [259, 0]], "int32")
        mask = np.array([[0, 0], [1, 0]], "int32")
        found = model({"token_ids": ids, "padding_mask": mask}).numpy()
        assert found.shape == (2, 2, 8) and np.isfinite(found).all()


def test_features_of_bytes_are_those_of_a_convolution_over_each_word():
    model = encoder(**SPELLED)
    table = model.tokens.embeddings.numpy().astype("float64")
    layer = model.character_embeddings
    small = layer.bytes.embeddings.numpy().astype("float64")
    kernel, bias = (w.numpy().astype("float64") for w in layer.product.weights)
    found = model(row_of([0, 1, 2, 3])[None])[0].numpy()
    place = 0
    for word in WORDS:
        x = small[np.array(word[1:], int) - 2]
        padded = np.concatenate([np.zeros([1, 4]), x, np.zeros([1, 4])])
        values = [padded[i : i + 3].ravel() @ kernel + bias for i in range(len(x))]
        features = np.max(values, axis=0, initial=0.0) if values else np.zeros(3)
        expected = np.concatenate([table[word[0]], features])
        for _ in word:  # a byte has the state of its word
            np.testing.assert_allclose(found[place], expected, rtol=1e-5, atol=1e-6)
            place += 1


def test_unknown_words_differ_by_their_bytes_alone():
    model = encoder(**SPELLED)
    one, other = model(np.array([[1, 75, 1, 76]]))[0].numpy()[[0, 2]]
    assert np.array_equal(one[:5], other[:5]) and (one[5:] != other[5:]).any()


def test_directions():
    tokens = row_of([2, 2, 2, 2, 2])[None]
    changed = tokens.copy()
    changed[0, 2] = 280
    model = encoder(num_layers=1)
    moved = (model(tokens).numpy() != model(changed).numpy())[0]
    assert not moved[:2, :4].any() and moved[2:, :4].any(axis=1).all()
    assert moved[:3, 4:].any(axis=1).all() and not moved[3:, 4:].any()
    ahead = encoder(num_layers=1, bidirectional=False)
    moved = (ahead(tokens).numpy() != ahead(changed).numpy())[0]
    assert not moved[:2].any() and moved[2:].any(axis=1).all()


def test_words_are_left_out_whole():
    model = encoder(dropout=0.0, word_dropout=0.5)
    tokens = np.random.default_rng(0).integers(258, 290, [20, 50])
    with keys_from(tf.constant(3, tf.uint32)):
        found = model(tokens, training=True).numpy()
    whole = model(tokens).numpy()
    kept = (found != 0).any(axis=-1)
    assert 0.4 < kept.mean() < 0.6
    np.testing.assert_allclose(found[kept], whole[kept], rtol=1e-6)


def test_the_features_of_words_that_are_left_out_stay():
    """Without vectors two words of one spelling are alike, and others are not."""
    options = {"character_size": 4, "character_maps": 3, "embedding_size": 5}
    model = encoder(
        num_layers=1, hidden_size=6, dropout=0.0, word_dropout=0.999999, **options
    )
    spelled = [[260, 10, 11, 12], [261, 10, 11, 12], [260, 10, 13, 12]]
    one, same, other = model(np.array(spelled), training=True).numpy()
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    one, same, _ = model(np.array(spelled)).numpy()
    assert np.abs(one - same).max() > 1e-3


# Rows of words, of 256 bytes, and kernels and biases of layers, counted by hand.
COUNTS = {
    "cnn_rand": 18767 * 300,
    "mean_rand": 18767 * 300,
    "bilstm_rand": 18767 * 300 + 2 * (300 + 150 + 1) * 600,
    "bigru_rand": 18767 * 300 + 2 * (300 + 150 + 1) * 450,
    "bilstm_crf": 20000 * 100 + 2 * (100 + 100 + 1) * 400,
    "bilstm_cnn_crf": 20000 * 100
    + 256 * 30
    + (90 + 1) * 30
    + 2 * (130 + 200 + 1) * 800,
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_shapes(name):
    config = preset(name)
    assert config.parameter_count() == COUNTS[name]
    rows = config.vocabulary_size * config.width_of_embedding
    rows += 256 * config.character_size
    assert flops_per_token(config, 10) == 6 * (COUNTS[name] - rows)


def test_names_and_roles_are_those_of_the_table(model):
    config = model.config
    built = {w.path.partition("/")[2]: tuple(w.shape) for w in model.trainable_weights}
    table = {
        path: tuple(sum(x) if isinstance(x, tuple) else x for x in sizes)
        for path, sizes in ((p, w.sizes) for p, w in weights(config).items())
    }
    assert built == table
    for path, weight in weights(config).items():
        assert role_of(f"word_encoder/{path}", built[path]) == weight.role


def test_configs_come_back_and_wrong_ones_are_named():
    config = preset("bilstm_cnn_crf")
    assert ModelConfig.from_dict(config.to_dict()) == config
    again = WordEncoder.from_config(encoder(num_layers=1).get_config())
    assert again.config == TINY.replace(num_layers=1)
    wrong = [
        ({"embedding_size": 4}, "words are 4 wide, which is no hidden_size of 8"),
        ({"num_layers": 1, "hidden_size": 7}, "hidden_size 7 has no half for each"),
        ({"character_size": 2}, "no room for words beside character_maps 30"),
        ({"cell": "ltsm"}, "did you mean 'lstm'"),
        ({"num_layers": -1}, "num_layers must be at least 0"),
    ]
    for changes, message in wrong:
        with pytest.raises(ValueError, match=message):
            TINY.replace(**changes)
