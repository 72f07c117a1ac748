"""Shapes of recurrent encoder-decoders: their weights, cost, and what they refuse."""

from __future__ import annotations

import pytest

from massivetext_keras.architecture.cost import flops_per_token, numbers_kept
from massivetext_keras.architecture.roles import role_of
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.architecture.weights import weights
from massivetext_keras.configs import ModelConfig, RecurrentSeq2SeqConfig
from massivetext_keras.models import RecurrentSeq2Seq

VARIANTS = [
    {},
    {"input_feeding": False, "cell": "lstm"},
    {"query": "before", "attention_size": 3, "cell": "rnn"},
    {"query": "before", "readout": "maxout", "tied_embeddings": False},
    {"attention": "multiplicative", "bridge": "copy", "num_layers": 2},
    {"bidirectional": False, "num_decoder_layers": 3, "cell": "lstm"},
    {"shared_embeddings": False, "tied_embeddings": False, "output_size": 9},
]


def test_rnnsearch_has_the_weights_of_its_paper():
    """Bahdanau et al., 2015, appendix A: n = 1000, m = 620, n' = 1000, l = 500."""
    words, n, m, align, out = 30000, 1000, 620, 1000, 500
    encoder = 2 * 3 * (m * n + n * n + n)
    decoder = 3 * (m * n + n * n + n) + 3 * 2 * n * n  # the last: of contexts
    begin = n * n + n
    attention = n * align + 2 * n * align + align + align
    output = (n + m + 2 * n) * 2 * out + 2 * out + out * words + words
    expected = 2 * words * m + encoder + decoder + begin + attention + output
    assert preset("rnnsearch").parameter_count() == expected == 80_443_000


def test_luongs_model_has_the_weights_of_its_paper():
    """Luong et al., 2015, section 4.1: four layers of 1000 cells, 50,000 words."""
    words, n = 50000, 1000
    layer = 4 * (n * n + n * n + n)
    fed = 4 * n * n
    attention, combined = n * n, 2 * n * n + n
    expected = 2 * words * n + 8 * layer + fed + attention + combined + words * n
    assert preset("luong_lstm").parameter_count() == expected == 221_033_000


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_count_is_that_of_a_built_model(changes):
    sizes = {"vocabulary_size": 11, "hidden_size": 6, "embedding_size": 5}
    config = RecurrentSeq2SeqConfig(**sizes, **changes)
    model = RecurrentSeq2Seq(config)
    assert model.count_params() == config.parameter_count()
    assert {w.path.split("/", 1)[1] for w in model.weights} == {*weights(config)}
    for weight in model.weights:
        known = weights(config)[weight.path.split("/", 1)[1]]
        assert role_of(weight.path, tuple(weight.shape)) == known.role
    ids = {"encoder_token_ids": [[1, 2, 3]], "decoder_token_ids": [[1, 2]]}
    assert model(ids).shape == (1, 2, config.width_of_output)


def test_a_table_of_values_is_of_its_kind():
    config = preset("rnnsearch")
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert config.is_encoder_decoder
    assert not preset("lstm_small").is_encoder_decoder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "aditive"}, "attention='aditive': did you mean 'additive'"),
        ({"query": "behind"}, "query='behind'"),
        ({"num_layers": 0}, "RecurrentSeq2SeqConfig.num_layers must be positive"),
        (
            {"bridge": "copy", "num_decoder_layers": 2},
            'bridge="copy" needs as many layers on both sides, not num_layers=1 and',
        ),
        ({"readout": "maxout"}, 'readout="maxout" needs query="before"'),
        ({"output_size": 7}, "output_size=7: with tied_embeddings it is the width of"),
        (
            {"attention": "multiplicative", "attention_size": 7},
            'attention_size=7 is of attention="additive"',
        ),
        ({"input_feeding": "yes"}, "input_feeding must be bool"),
    ],
)
def test_odd_values_are_refused_in_one_line(changes, message):
    with pytest.raises((ValueError, TypeError), match=message) as refused:
        RecurrentSeq2SeqConfig(**changes)
    assert "\n" not in str(refused.value)


def test_a_token_costs_half_of_what_a_pair_does():
    config = RecurrentSeq2SeqConfig(
        vocabulary_size=11, hidden_size=6, embedding_size=5, logit_bias=False
    )
    encoder = 2 * 3 * (5 * 6 + 6 * 6 + 6)
    decoder = 3 * ((5 + 5) * 6 + 6 * 6 + 6)  # what is fed is as wide as the output
    bridge, attention = 6 * 6 + 6, 12 * 6 + 6 + 6 * 6 + 6
    readout, output = (12 + 6) * 5 + 5, 11 * 5
    once = encoder + decoder + bridge + attention + readout + output
    assert once == config.parameter_count()
    assert flops_per_token(config, 10) == 3 * (once + 10 * (6 + 12))
    assert numbers_kept(config, 10, False) == (
        (2 * 5 + 2 * 7 * 6 + 6) + (2 * 5 + 5) + 7 * 6 + 12 + 5 + 10
    )
