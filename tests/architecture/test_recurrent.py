"""Shapes of recurrent models: their widths, rates, cost, and what they refuse."""

from __future__ import annotations

import pytest

from massivetext_keras.architecture.cost import flops_per_token, numbers_kept
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.architecture.weights import weights
from massivetext_keras.configs import ModelConfig, RecurrentConfig, TransformerConfig
from massivetext_keras.models import Recurrent


def test_a_table_of_values_is_of_the_kind_whose_stack_it_names():
    config = RecurrentConfig(cell="gru", hidden_size=8)
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert ModelConfig.from_dict({"num_heads": 6}) == TransformerConfig(num_heads=6)
    with pytest.raises(ValueError, match="unknown stack 'recurent'.*'recurrent'"):
        ModelConfig.from_dict({"stack": "recurent"})
    with pytest.raises(ValueError, match="unknown field of RecurrentConfig 'num_he"):
        ModelConfig.from_dict({"stack": "recurrent", "num_heads": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "ltsm"}, "RecurrentConfig.cell='ltsm': did you mean 'lstm'"),
        ({"num_layers": 0}, "RecurrentConfig.num_layers must be positive, got 0"),
        ({"dropout": 1.0}, r"RecurrentConfig.dropout must be in \[0, 1\), got 1.0"),
        ({"weight_dropout": -0.1}, r"weight_dropout must be in \[0, 1\), got -0.1"),
        ({"stack": "decoder"}, "RecurrentConfig.stack='decoder': known: recurrent"),
    ],
)
def test_odd_values_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message):
        RecurrentConfig(**changes)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_the_count_is_that_of_a_built_model(cell, tied, biased):
    config = RecurrentConfig(
        cell=cell,
        vocabulary_size=11,
        num_layers=3,
        hidden_size=7,
        embedding_size=5,
        tied_embeddings=tied,
        recurrent_bias=biased,
    )
    model = Recurrent(config)
    assert model.count_params() == config.parameter_count()
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    shapes = {w.path.split("/", 1)[1]: tuple(w.shape) for w in model.weights}
    last = 5 if tied else 7
    assert shapes["stack/block_2/projection/kernel"] == (7, gates * last)
    assert shapes["stack/block_2/recurrent_kernel"] == (last, gates * last)
    assert {*shapes} == {*weights(config)}
    assert model({"token_ids": [[1, 2, 3]]}).shape == (1, 3, last)


def test_dropout_is_at_each_place_what_its_field_says():
    assert preset("lstm_medium").dropout_rates == (0.5, 0.5, 0.5)
    assert preset("awd_lstm_ptb").dropout_rates == (0.4, 0.25, 0.25, 0.4)
    zero = RecurrentConfig(dropout=0.4, input_dropout=0.0)
    assert zero.dropout_rates == (0.0, 0.4, 0.4)


def test_a_token_is_multiplied_with_every_matrix_once():
    config = preset("lstm_medium")
    matrices = 2 * 1300 * 2600 + 650 * 10000
    biases = 2 * 2600 + 10000
    assert flops_per_token(config, 35) == 6 * (matrices + biases)
    assert flops_per_token(config, 70) == flops_per_token(config, 35)
    tied = config.replace(tied_embeddings=True)
    assert flops_per_token(tied, 35) == flops_per_token(config, 35)
    assert numbers_kept(config, 35, False) == 2 * (2 * 650 + 10 * 650)
