"""Training begins at the frequencies of the tokens."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import data, training
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tasks import CausalLM, MaskedLM
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training.unigrams import begin_at_unigrams
from tests.tasks.tiny import TINY

pytestmark = pytest.mark.usefixtures("without_xla")
TOKENS = np.array([1, 2, 1, 3, 1, 2, 1, 4] * 40)


def test_the_first_loss_is_the_entropy_of_the_tokens():
    lm = CausalLM(TINY.replace(num_layers=1, logit_bias=True, max_length=8))
    lm.compile("sgd")
    tokens = lm.backbone.tokens.embeddings
    tokens.assign(tf.zeros_like(tokens))  # the bias alone
    begin_at_unigrams(lm, data.training_batches(TOKENS, 4, 8))
    # Of 320 labels, each once more than it was seen
    shares, whole = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8]), 320 + TINY.vocabulary_size
    expected = -np.sum(shares * np.log((320 * shares + 1) / whole))
    validation = data.validation_batches(TOKENS, 4, 8)
    loss = lm.evaluate(validation, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(expected, abs=0.005)
    assert expected < np.log(TINY.vocabulary_size) - 2
    assert np.exp(lm.backbone.logit_bias.numpy()).sum() == pytest.approx(1.0)
    found = np.exp(lm.backbone.logit_bias.numpy())[[0, 1, 4]]
    assert found == pytest.approx(np.array([1, 161, 41]) / whole, abs=3 / whole)


def test_of_an_encoder_it_is_the_head_that_has_the_bias():
    config = TINY.replace(stack="encoder", num_layers=1, max_length=8)
    lm = MaskedLM(config)
    begin_at_unigrams(lm, data.training_batches(TOKENS, 4, 8))
    assert np.exp(lm.head.bias.numpy()).sum() == pytest.approx(1.0)
    assert lm.backbone.logit_bias is None


def test_a_model_without_such_a_bias_is_refused():
    lm = CausalLM(TINY.replace(num_layers=1))
    with pytest.raises(ValueError, match="config with logit_bias=True"):
        begin_at_unigrams(lm, data.training_batches(TOKENS, 4, 8))


def test_a_run_makes_the_bias_and_goes_on_with_what_it_learnt(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat, the dog sat on the log.\n" * 40)
    experiment = ExperimentConfig(
        model=TINY.replace(num_layers=1, vocabulary_size=259),
    ).override(
        "data.batch_size=2",
        "data.sequence_length=8",
        "optimizer.warmup_steps=0",
        "train.unigram_bias=true",
        "train.steps=2",
        "train.precision=float32",
        "train.strategy=none",
        "train.sample_every=0",
    )
    arguments = text, ByteTokenizer(), tmp_path / "run"
    lm = training.train(experiment, *arguments)
    first = lm.backbone.logit_bias.numpy()
    assert lm.config.logit_bias
    t, z = ByteTokenizer()("tz").numpy().ravel()[-2:]
    assert first[t] > first[z] + 2
    again = training.train(experiment.override("train.steps=3"), *arguments)
    second = again.backbone.logit_bias.numpy()
    assert 0 < np.abs(second - first).max() < 0.01
    with pytest.raises(ValueError, match="unigram_bias is for random weights"):
        training.train(experiment, *arguments, preset=str(tmp_path / "run"))
