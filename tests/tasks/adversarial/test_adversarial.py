"""The task as a whole: its phases, what it learns, its folder, and bad input."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.configs import AdversarialConfig, TransformerConfig
from massivetext_keras.tasks import AdversarialTextGenerator, CausalLM
from massivetext_keras.tasks.adversarial.discriminator import Discriminator
from massivetext_keras.tasks.adversarial.oracle import Oracle
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training.watching.curves import read_scalars

TEXTS = ["a cat sat", "a dog ran .", "the cat ran", "The dog sat ."] * 6
SMALL = {
    "length": 6,
    "pretrain_epochs": 2,
    "discriminator_epochs": 1,
    "rounds": 2,
    "discriminator_steps": 2,
    "rollouts": 2,
    "batch_size": 8,
    "windows": (1, 2, 9),
    "filters": (4, 4, 4),
}


def made(**changes):
    keras.utils.set_random_seed(1)
    return AdversarialTextGenerator(**(SMALL | changes))


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def fitted(logs):
    model = made()
    board = keras.callbacks.TensorBoard(logs, write_graph=False)
    history = model.fit(TEXTS, TEXTS[:4], callbacks=[board], verbose=0)
    return model, history


def test_phases_are_told_one_after_another(fitted, logs):
    model, history = fitted
    assert history.epoch == [0, 1, 2, 3]
    counts = {name: len(values) for name, values in history.history.items()}
    assert counts == {
        "generator_loss": 3,
        "discriminator_loss": 2,
        "discriminator_accuracy": 2,
        "reward": 1,
        "val_nll": 4,
    }
    assert history.history["val_nll"][-1] == pytest.approx(model.nll(TEXTS[:4]))
    for name, steps in (("generator_loss", [0, 1, 3]), ("discriminator_loss", [2, 3])):
        assert [*dict(read_scalars(logs / "train", f"epoch_{name}"))] == steps
    assert len(dict(read_scalars(logs / "validation", "epoch_nll"))) == 4


def test_texts_are_rows_with_an_end(fitted):
    model, _ = fitted
    tokenizer = model.tokenizer
    cat, end, pad = (tokenizer.token_to_id(x) for x in ("cat", "[SEP]", "[PAD]"))
    rows = model.adapt(["Cat cat", "cat"])
    assert rows.tolist() == [[cat, cat, end, pad, pad, pad], [cat, end, *[pad] * 4]]
    # nats of all tokens, with their ends, by the verbs of the generator
    costs = -np.sum(model.score(["a cat", "dog"])) / 3
    logits = tf.nn.log_softmax(model.generator(model.marks.inputs(rows)))
    inside = model.marks.inside(rows)
    wanted = -tf.reduce_sum(tf.gather(logits, rows, batch_dims=2) * inside) / 5
    assert model.nll(["Cat cat", "cat"]) == pytest.approx(float(wanted), rel=1e-5)
    assert costs == pytest.approx(-np.sum(model.generator.score(["a cat", "dog"])) / 3)


def test_the_folder_is_that_of_a_causal_lm_too(fitted, tmp_path):
    model, _ = fitted
    folder = tmp_path / "preset"
    model.save_preset(folder)
    same = AdversarialTextGenerator.from_preset(
        str(folder), rounds=1, pretrain_epochs=0
    )
    assert same.how == model.how.replace(rounds=1, pretrain_epochs=0)
    written = model.generate(5, seed=3)
    assert (same.sample(5, seed=2) == model.sample(5, seed=2)).all()
    rows = model.adapt(TEXTS)
    np.testing.assert_array_equal(same.discriminator(rows), model.discriminator(rows))
    words = {"[UNK]", *" ".join(TEXTS).lower().split()}
    assert set(" ".join(written).split()) <= words
    lm = CausalLM.from_preset(str(folder))
    assert lm.generate([""] * 5, seed=3) == written
    with pytest.raises(ValueError, match="hidden_size of .* cannot change"):
        AdversarialTextGenerator.from_preset(str(folder), hidden_size=8)
    lm.save_preset(tmp_path / "lm")
    with pytest.raises(ValueError, match="it is no AdversarialTextGenerator's"):
        AdversarialTextGenerator.from_preset(str(tmp_path / "lm"))


@pytest.mark.slow
def test_an_export_writes_and_scores(fitted, tmp_path):
    model, _ = fitted
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    found = served["score"](text=tf.constant(["a cat"]))["log_probability"]
    assert found.numpy() == pytest.approx([model.score("a cat")], rel=1e-5)
    written = served["serving_default"](prompt=tf.constant([""]))["text"].numpy()
    assert [written[0].decode()] == model.generate(1, temperature=0.0)


def weights_of(model):
    weights = [*model.generator.weights, *model.discriminator.weights]
    return np.concatenate([x.numpy().ravel() for x in weights if x.dtype == "float32"])


def test_a_seed_decides_all(fitted):
    model = made()
    model.fit(TEXTS, verbose=0)
    np.testing.assert_allclose(weights_of(model), weights_of(fitted[0]), atol=1e-6)
    assert (model.sample(9, seed=1) == fitted[0].sample(9, seed=1)).all()
    assert (model.sample(9, seed=1) != model.sample(9, seed=2)).any()


@pytest.mark.slow
def test_so_it_does_of_relaxed_samples():
    found = []
    for seed in (4, 4, 5):
        model = made(method="gumbel_softmax", seed=seed, discriminator_epochs=0)
        history = model.fit(TEXTS, verbose=0).history
        assert {"generator_loss", "discriminator_loss"} <= history.keys()
        found.append(weights_of(model))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_a_discriminator_is_what_the_paper_says():
    how = AdversarialConfig(length=4, windows=(1, 3, 9), filters=(2, 3, 1), seed=1)
    layer = Discriminator(7, how)
    ids = np.array([[1, 2, 3, 4], [6, 6, 0, 5]])
    x, pooled = layer.embeddings.numpy()[ids], []
    assert [w for w, _ in layer.sizes] == [1, 3]
    for (width, n), (kernel, bias) in zip(layer.sizes, layer.kernels, strict=True):
        kernel = kernel.numpy().reshape(width, how.discriminator_size, n)
        places = [
            np.maximum(np.einsum("bwe,wen->bn", x[:, i : i + width], kernel) + bias, 0)
            for i in range(4 - width + 1)
        ]
        pooled.append(np.max(places, axis=0))
    x = np.concatenate(pooled, axis=1)
    (carry, of_carry), (change, of_change) = layer.gate, layer.transform
    gate = 1 / (1 + np.exp(-(x @ carry.numpy() + of_carry)))
    x = gate * np.maximum(x @ change.numpy() + of_change, 0) + (1 - gate) * x
    wanted = (x @ layer.output_kernel.numpy() + layer.output_bias)[:, 0]
    np.testing.assert_allclose(layer(tf.constant(ids)), wanted, rtol=1e-5)
    soft = layer(tf.one_hot(ids, 7))
    np.testing.assert_allclose(soft, wanted, rtol=1e-5)


@pytest.mark.slow
def test_rounds_bring_texts_nearer_to_the_oracle():
    config = preset("seqgan").replace(vocabulary_size=100, hidden_size=16)
    oracle = Oracle(config, length=6, seed=2)
    how = {
        "length": 6,
        "pretrain_epochs": 15,
        "discriminator_epochs": 0,
        "rounds": 0,
        "discriminator_steps": 8,
        "rollouts": 4,
        "windows": (1, 2, 3),
        "filters": (32, 32, 32),
    }
    texts = oracle.sample(600, seed=1)
    keras.utils.set_random_seed(0)
    model = AdversarialTextGenerator(config, **how)
    model.adapt(texts)
    before = oracle.nll(model.sample(2000))
    model.fit(texts, verbose=0)
    learnt = oracle.nll(model.sample(2000))
    assert learnt < before - 1
    rounds = {"pretrain_epochs": 0, "discriminator_epochs": 10, "rounds": 80}
    model.how = model.how.replace(**rounds)
    model.fit(texts, verbose=0)
    assert oracle.nll(model.sample(2000)) < learnt - 0.04


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "there is no text to learn from"),
        (["", "  "], "there is no text to learn from: the texts have no words"),
        (np.zeros((3, 5), np.int32), "rows of 5 ids are not of the length 6: give len"),
        (np.zeros((3, 6)), r"ids must be whole numbers \[texts, 6\], got float64"),
        (np.full((3, 6), 5000), "ids from 5000 to 5000 are not within a vocabulary of"),
        (3, "a text must be a string or a list of them, got 3"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(texts, complaint):
    with pytest.raises(ValueError, match=complaint):
        made().fit(texts, verbose=0)


def test_a_vocabulary_that_loses_every_word_is_refused(fitted):
    with pytest.raises(ValueError, match="min_count=9 leave none of 7 words: the most"):
        made(min_count=9).fit(TEXTS[:8], verbose=0)
    with pytest.raises(
        ValueError, match="none of the words of 2 texts is among the 12"
    ):
        fitted[0].fit(["no one", "knows"], verbose=0)


def test_wrong_names_get_the_nearest_ones(fitted):
    with pytest.raises(ValueError, match="method='policy_gradent': did you mean 'pol"):
        made(method="policy_gradent")
    with pytest.raises(ValueError, match="'rollout': did you mean 'rollouts'"):
        made(rollout=3)
    with pytest.raises(ValueError, match="length=2000 needs a max_length above it"):
        made(length=2000)
    with pytest.raises(ValueError, match="is a recurrent model, such as the shapes"):
        AdversarialTextGenerator(TransformerConfig())
    with pytest.raises(ValueError, match="2 windows and 1 filters"):
        made(windows=(1, 2), filters=(3,))
    with pytest.raises(ValueError, match="must be positive, got 3 and 0"):
        fitted[0].sample(3, temperature=0)
    with pytest.raises(ValueError, match="n must be positive, got 0"):
        fitted[0].generate(0)
    with pytest.raises(RuntimeError, match="there are no networks yet"):
        made().generate(2)


def test_long_texts_are_cut_and_short_ones_learnt(fitted, caplog):
    model, _ = fitted
    with caplog.at_level(logging.WARNING):
        rows = model.adapt(["a cat sat . a cat sat", "", "a"])
    assert "1 of 3 texts have more than length=6 tokens with their end" in caplog.text
    assert "1 of 3 texts are empty: left out" in caplog.text
    end = model.tokenizer.eos_id
    assert rows.shape == (2, 6) and end not in rows[0] and rows[1, 1] == end
    one = {"length": 1, "windows": (1,), "filters": (4,), "discriminator_epochs": 0}
    one = made(**one, pretrain_epochs=0, rounds=1)
    one.fit(np.array([[1], [2], [2], [1]]), verbose=0)
    assert one.sample(3).shape == (3, 1)


def test_any_tokenizer_will_do():
    model = made(tokenizer=ByteTokenizer(), discriminator_epochs=0, rounds=0)
    model.fit(["ab", "abc", "b"] * 4, verbose=0)
    assert model.config.vocabulary_size == ByteTokenizer().vocabulary_size
    assert all(isinstance(text, str) for text in model.generate(4, seed=0))
