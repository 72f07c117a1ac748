"""Presets have the sizes that were published; the count is that of a real model."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.shapes import PAPERS, PRESETS, preset, transformer
from massivetext_keras.models.gpt import GPT
from massivetext_keras.support.values import UnknownName
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.outside import installed
from tests.tasks.tiny import TINY

# As transformers counts the model of the published weights: BERT's with its pooler,
# without heads of pretraining.
PUBLISHED = {
    # As Merity's program prints it.
    "awd_lstm_ptb": 24_221_600,
    "awd_lstm_wikitext2": 33_556_078,
    "gpt2_small": 124_439_808,
    "gpt2_medium": 354_823_168,
    "gpt2_large": 774_030_080,
    "gpt2_xl": 1_557_611_200,
    "llama_1b": 1_235_814_400,
    "llama_8b": 8_030_261_248,
    "bert_tiny": 4_385_920,
    "bert_mini": 11_170_560,
    "bert_small": 28_763_648,
    "bert_medium": 41_373_184,
    "bert_base_uncased": 109_482_240,
    "bert_base_cased": 108_310_272,
    "bert_base_multilingual_cased": 177_853_440,
    "bert_base_chinese": 102_267_648,
    "bert_large_uncased": 335_141_888,
    "bert_large_cased": 333_579_264,
    "roberta_base": 124_645_632,
    "roberta_large": 355_359_744,
    "xlm_roberta_base": 278_043_648,
    "xlm_roberta_large": 559_890_432,
    "distilbert_base_uncased": 66_362_880,
    "distilbert_base_cased": 65_190_912,
    "distilbert_base_multilingual_cased": 134_734_080,
    "minilm_l6": 22_713_216,
    "minilm_l12": 33_360_000,
    "albert_base": 11_683_584,
    "albert_large": 17_683_968,
    "albert_xlarge": 58_724_864,
    "albert_xxlarge": 222_595_584,
    "electra_base_discriminator": 108_891_648,
    "electra_large_discriminator": 334_092_288,
    "bart_base": 139_420_416,
    "bart_large": 406_291_456,
    "t5_small": 60_506_624,
    "t5_base": 222_903_552,
    "t5_large": 737_668_096,
    "t5_3b": 2_851_598_336,
    "t5_11b": 11_307_321_344,
    "t5_v1_1_small": 76_961_152,
    "t5_v1_1_base": 247_577_856,
    "t5_v1_1_large": 783_150_080,
    "t5_v1_1_xl": 2_849_757_184,
    "t5_v1_1_xxl": 11_135_332_352,
    "mt5_small": 300_176_768,
    "mt5_base": 582_401_280,
    "mt5_large": 1_229_581_312,
    "mistral_7b": 7_241_732_096,
    "mixtral_8x7b": 46_702_792_704,
    "qwen2_0.5b": 494_032_768,
    "qwen2_1.5b": 1_543_714_304,
    "qwen2_7b": 7_615_616_512,
    "pythia_1.4b": 1_414_647_808,
    "llama2_7b": 6_738_415_616,
    "llama2_13b": 13_015_864_320,
    "llama2_70b": 68_976_648_192,
    "llama3_8b": 8_030_261_248,
    "llama3_70b": 70_553_706_496,
    "gpt_neox_20b": 20_554_567_680,
    "pythia_70m": 70_426_624,
    "pythia_160m": 162_322_944,
    "pythia_410m": 405_334_016,
    "pythia_1b": 1_011_781_632,
}
OUTSIDE = """
from massivetext_keras.configs import TransformerConfig

SMALL = TransformerConfig(
    vocabulary_size=50,
    num_layers=1,
    hidden_size=8,
    num_heads=2,
    intermediate_size=16,
    max_length=16,
)


class Sizes:
    LARGE = SMALL.replace(num_layers=2)


FIELDS = {"num_layers": 1}
"""
# Tokens and places; what the block has: two norms, four products of attention and two
# of the feed-forward layer; the last norm.
BLOCK = 2 * 16 + 4 * (8 * 8 + 8) + (8 * 16 + 16) + (16 * 8 + 8)
SMALL = 50 * 8 + 16 * 8 + BLOCK + 16
COMBINATIONS = [
    dict(zip(("norm", "norm_position", "position", "gated"), values, strict=True))
    for values in itertools.product(
        ("layer_norm", "rms_norm"),
        ("pre", "post"),
        ("learned", "sinusoidal", "rotary", "relative", "none"),
        (False, True),
    )
]
BIASES = ("qkv_bias", "output_bias", "feed_forward_bias", "tied_embeddings")
HEADS = ({}, {"num_key_value_heads": 1}, {"num_key_value_heads": 2, "head_size": 6})


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_parameter_counts_are_those_published(name, count):
    assert preset(name).parameter_count() == count


@pytest.mark.parametrize(("name", "millions"), [("medium", 20), ("large", 66)])
def test_the_lstms_of_zaremba_have_the_millions_that_others_tell_of_them(
    name, millions
):
    count = preset(f"lstm_{name}").parameter_count()
    assert round(count / 1e6) == millions


def test_gpt_mini_is_for_a_small_machine():
    assert 9e6 < preset("gpt_mini").parameter_count() < 11e6


def test_every_preset_is_stored_and_has_its_paper():
    assert PAPERS.keys() == PRESETS.keys()
    assert all(ModelConfig.from_dict(c.to_dict()) == c for c in PRESETS.values())


def test_unknown_presets_name_the_nearest():
    with pytest.raises(ValueError, match="unknown preset 'gtp2_small'.*'gpt2_small'"):
        preset("gtp2_small")


def test_a_shape_that_is_no_transformer_is_named():
    with pytest.raises(ValueError, match="'bilstm_crf' is a WordEncoderConfig, and no"):
        transformer("bilstm_crf")


@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_the_count_is_that_of_a_built_model(number):
    toss = random.Random(number)
    bits = {name: toss.random() < 0.5 for name in BIASES}
    heads = toss.choice(HEADS)
    config = TINY.replace(num_layers=1, **COMBINATIONS[number], **bits, **heads)
    assert GPT(config).count_params() == config.parameter_count()


@pytest.fixture
def outside(tmp_path):
    """The name of an installed module with shapes, one of them declared."""
    points = {
        "massivetext_keras.shapes:small_from_outside": "SMALL",
        "massivetext_keras.shapes:fields_from_outside": "FIELDS",
    }
    with installed(tmp_path, "shapes_from_outside", OUTSIDE, points) as name:
        yield name


def test_an_entry_point_names_a_shape(outside):
    assert "small_from_outside" in list(PRESETS)
    assert GPT.from_preset("small_from_outside").count_params() == SMALL
    with pytest.raises(ValueError, match="did you mean 'small_from_outside'"):
        preset("smal_from_outside")


def test_a_place_is_a_shape(outside):
    lm = CausalLM.from_preset(f"{outside}:SMALL", ByteTokenizer(), num_layers=2)
    assert lm.count_params() == SMALL + BLOCK + (259 - 50) * 8
    assert preset(f"{outside}:Sizes.LARGE").parameter_count() == SMALL + BLOCK
    assert f"{outside}:SMALL" not in list(PRESETS)
    assert PRESETS.name_of("massivetext_keras.architecture.shapes:_gpt2") == (
        "gpt2_small"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}:SMAL", "preset '{}:SMAL': {} has no such value; did you mean 'SMALL'?"),
        ("{}:Sizes.LARG", "{} has no such value; did you mean 'LARGE'?"),
        ("{}s:SMALL", "preset '{}s:SMALL': No module named '{}s'"),
        ("{}:FIELDS", "preset '{}:FIELDS' is a dict, not a TransformerConfig"),
        ("{}:Sizes", "preset '{}:Sizes' is a type, not a TransformerConfig"),
        ("fields_from_outside", "'fields_from_outside' is a dict, not a Transformer"),
        ("C:/gpt2_small", "unknown preset 'C:/gpt2_small': did you mean 'gpt2_small'"),
        (".{}:SMALL", "unknown preset '.{}:SMALL': "),
    ],
)
def test_what_is_no_shape_is_refused_with_the_reason(outside, name, message):
    with pytest.raises(UnknownName, match=re.escape(message.format(*[outside] * 3))):
        preset(name.format(outside))
