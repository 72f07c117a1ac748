"""Hugging Face folders: the same logits as transformers, or a clear error."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.interop import huggingface, weights
from massivetext_keras.models.gpt import GPT
from massivetext_keras.presets import preset

FIXTURES = Path(__file__).parents[1] / "fixtures" / "huggingface"
FAMILIES = [f'"{name}"' for name in sorted(huggingface.FAMILIES)]
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/config.json"))


def build(folder: Path) -> GPT:
    config, tensors = huggingface.load(folder)
    model = GPT(config)
    weights.assign(model, tensors)
    return model


def predicted(model: GPT, token_ids: list[int]) -> list[int]:
    logits = model.logits(model({"token_ids": np.array([token_ids])}))
    return np.argmax(logits[0], axis=-1).tolist()


@pytest.fixture
def folder(tmp_path):
    """Gives a copy of a fixture, to be damaged."""

    def copy(name: str) -> Path:
        return shutil.copytree(FIXTURES / name, tmp_path / name)

    return copy


def change(file: Path, **changes) -> None:
    """Changes values of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def config_of(tmp_path: Path, **values) -> TransformerConfig:
    (tmp_path / "config.json").write_text(json.dumps(values))
    return huggingface.read_config(tmp_path)


def test_all_fixtures_are_there():
    assert len(NAMES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name):
    model = build(FIXTURES / name)
    expected = np.load(FIXTURES / name / "expected.npz")
    inputs = {key: expected[key] for key in ("token_ids", "padding_mask")}
    logits = model.logits(model(inputs)).numpy()
    real = expected["padding_mask"] == 1
    assert real.sum() == 58
    np.testing.assert_allclose(
        logits[real], expected["logits"][real], rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_matters(name):
    """A weight that no logit shows could be read wrong and nobody would see it."""
    config, tensors = huggingface.load(FIXTURES / name)
    model = GPT(config)
    weights.assign(model, tensors)
    token_ids = np.load(FIXTURES / name / "expected.npz")["token_ids"][:1]
    before = model.logits(model(token_ids))
    for path, variable in weights.named_weights(model).items():
        array = np.array(tensors[path], "float32")
        half = np.array_split(np.arange(array.shape[-1]), 2)[0]
        array[..., half] *= 1.1
        variable.assign(array)
        moved = np.abs(model.logits(model(token_ids)) - before).max()
        variable.assign(tensors[path])
        key_bias = path.endswith("qkv/bias")  # softmax takes most of it out
        assert moved > (1e-3 if key_bias else 1e-2), path


def test_a_real_llama(data_dir):
    model = build(data_dir / "weights" / "stories260K")
    named = weights.named_weights(model)
    assert sum(int(np.prod(v.shape)) for v in named.values()) == 260_032
    assert model.config.parameter_count() == 260_032
    # "Once upon a", then what transformers 5.23 takes for the most probable
    assert predicted(model, [1, 403, 407, 261]) == [403, 407, 261, 378]


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [("addformer", "1+2=", "3"), ("subformer", "6-2=", "4")],
)
def test_real_arithmetic(data_dir, name, question, answer):
    source = data_dir / "weights" / "mathformer" / name
    vocabulary = json.loads((source / "vocab.json").read_text())
    ids = [vocabulary[character] for character in question]
    assert predicted(build(source), ids)[-1] == vocabulary[answer]


def test_an_empty_gpt2_config_is_gpt2(tmp_path):
    assert config_of(tmp_path, model_type="gpt2") == preset("gpt2_small")


def test_a_published_config_is_the_preset(tmp_path):
    config = config_of(  # of Llama 3.2 1B
        tmp_path,
        architectures=["LlamaForCausalLM"],
        attention_bias=False,
        attention_dropout=0.0,
        head_dim=64,
        hidden_act="silu",
        hidden_size=2048,
        intermediate_size=8192,
        max_position_embeddings=131072,
        mlp_bias=False,
        model_type="llama",
        num_attention_heads=32,
        num_hidden_layers=16,
        num_key_value_heads=8,
        pretraining_tp=1,
        rms_norm_eps=1e-05,
        rope_scaling={
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        rope_theta=500000.0,
        tie_word_embeddings=True,
        vocab_size=128256,
    )
    assert config == preset("llama_1b")


def test_llama_defaults_are_those_of_transformers(tmp_path):
    assert config_of(tmp_path, model_type="llama", rope_scaling=None) == (
        TransformerConfig(
            vocabulary_size=32000,
            num_layers=32,
            hidden_size=4096,
            num_heads=32,
            intermediate_size=11008,
            max_length=2048,
            activation="silu",
            gated=True,
            norm="rms_norm",
            norm_epsilon=1e-6,
            position="rotary",
            qkv_bias=False,
            output_bias=False,
            feed_forward_bias=False,
            tied_embeddings=False,
        )
    )


def test_rope_of_transformers_4_and_5_is_the_same(tmp_path):
    scaling = {"rope_type": "linear", "factor": 2}
    old = config_of(tmp_path, model_type="llama", rope_theta=7000, rope_scaling=scaling)
    new = config_of(
        tmp_path, model_type="llama", rope_parameters={**scaling, "rope_theta": 7000}
    )
    assert old == new
    assert new.rope_theta == 7000.0
    assert new.rope_scaling == {"rope_type": "linear", "factor": 2.0}


def test_llama3_scaling_falls_back_to_the_longest_position(tmp_path):
    scaling = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1}
    scaling["high_freq_factor"] = 4
    values = {"model_type": "llama", "max_position_embeddings": 300}
    config = config_of(tmp_path, **values, rope_parameters=scaling)
    assert config.rope_scaling["original_max_position_embeddings"] == 300


def test_gpt2_dropout_and_activation(tmp_path):
    config = config_of(
        tmp_path,
        model_type="gpt2",
        resid_pdrop=0.3,
        attn_pdrop=0.2,
        activation_function="gelu",
        reorder_and_upcast_attn=True,
    )
    assert (config.dropout, config.attention_dropout_rate) == (0.3, 0.2)
    assert config.activation == "gelu"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model_type": "gpt_neo"},
            'model_type="gpt_neo" is not supported; known: "gpt_neox"',
        ),
        (
            {},
            f"model_type=null is not supported; known: {', '.join(FAMILIES)}",
        ),
        (
            {"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 4.0}},
            'rope_scaling.type="yarn" is not supported; '
            'known: "default", "linear", "llama3"',
        ),
        (
            {"model_type": "llama", "rope_parameters": {"rope_type": "dynamic"}},
            'rope_parameters.rope_type="dynamic" is not supported; '
            'known: "default", "linear", "llama3"',
        ),
        (
            {"model_type": "llama", "rope_parameters": {"rope_type": "linear"}},
            'rope_parameters.factor=null is not supported; known: "a number"',
        ),
        (
            {"model_type": "llama", "partial_rotary_factor": 0.5},
            "partial_rotary_factor=0.5 is not supported; known: 1.0",
        ),
        (
            {"model_type": "llama", "hidden_act": "mish"},
            'hidden_act="mish" is not supported; known: "gelu", "gelu_new", '
            '"gelu_pytorch_tanh", "relu", "silu", "swish"',
        ),
        (
            {"model_type": "gpt2", "scale_attn_weights": False},
            "scale_attn_weights=false is not supported; known: true",
        ),
        (
            {"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True},
            "scale_attn_by_inverse_layer_idx=true is not supported; known: false",
        ),
        (
            {"model_type": "gpt2", "add_cross_attention": True},
            "add_cross_attention=true is not supported; known: false",
        ),
        (
            {"model_type": "gpt2", "quantization_config": {"bits": 4}},
            'quantization_config={"bits": 4} is not supported; known: null',
        ),
        (
            {"model_type": "gpt2", "n_layer": "12"},
            "TransformerConfig.num_layers must be int, got '12' (str)",
        ),
        (
            {"model_type": "llama", "num_key_value_heads": 5},
            "num_heads 32 is not a multiple of num_key_value_heads 5",
        ),
    ],
)
def test_a_config_that_cannot_be_kept_is_refused(tmp_path, values, message):
    with pytest.raises(ValueError) as caught:
        config_of(tmp_path, **values)
    assert str(caught.value) == f"{tmp_path / 'config.json'}: {message}"


@pytest.mark.parametrize(("text", "what"), [("{", "not JSON"), ("[]", "not a JSON")])
def test_a_damaged_config_is_named(tmp_path, text, what):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"config.json: {what}"):
        huggingface.read_config(tmp_path)


def test_a_wrong_folder_is_told_the_nearest(tmp_path):
    for path, message in [
        ("llama_grupped", f"; did you mean '{FIXTURES / 'llama_grouped'}'?"),
        ("zzz", "; models are read from local folders, not from the Hub"),
        ("gpt2_tied/config.json", f": a file; give its folder, '{FIXTURES}/gpt2_tied'"),
        (".", f": config.json is missing; did you mean '{FIXTURES / 'gpt2_base'}'?"),
    ]:
        with pytest.raises(FileNotFoundError, match=re.escape(message)):
            huggingface.load(FIXTURES / path)
    with pytest.raises(FileNotFoundError, match="config.json is missing$"):
        huggingface.load(tmp_path)


@pytest.mark.parametrize("name", ["gpt2_base", "llama_grouped"])
def test_tensors_that_do_not_fit_are_listed_by_their_names(folder, name):
    source = folder(name)
    file = source / "model.safetensors"
    tensors = load_file(file)
    missing, wrong = [key for key in tensors if key.endswith("weight")][:2]
    shape, size = tensors.pop(missing).shape, tensors[wrong].shape
    tensors[wrong] = np.zeros([5], "float32")
    tensors["score.weight"] = np.zeros([2, 3], "float32")
    save_file(tensors, file)
    with pytest.raises(ValueError) as caught:
        huggingface.load(source)
    assert str(caught.value).split("\n") == [
        f"{source}: the tensors do not fit config.json:",
        f"  missing: {missing} {shape}",
        "  left over: score.weight (2, 3)",
        f"  wrong shape: {wrong} is (5,), wanted {size}",
    ]


def test_an_output_that_should_be_tied_but_differs_is_refused(folder):
    source = folder("gpt2_tied")
    file = source / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["lm_head.weight"] + 1
    save_file(tensors, file)
    message = "lm_head.weight differs from transformer.wte.weight, though config.json"
    with pytest.raises(ValueError, match=message):
        huggingface.load(source)
    change(source / "config.json", tie_word_embeddings=False)
    output = huggingface.load(source)[1]["output/embeddings"]
    np.testing.assert_array_equal(output, tensors["lm_head.weight"])


def test_an_untied_model_without_an_output_is_refused(folder):
    source = folder("gpt2_base")
    change(source / "config.json", tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"missing: lm_head.weight \(35, 16\)"):
        huggingface.load(source)


def test_a_missing_shard_and_a_truncated_file_are_named(folder):
    source = folder("llama_linear")
    shard = sorted(source.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{shard.name}: not readable safetensors"):
        huggingface.load(source)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=f"{shard.name}: the shard is missing"):
        huggingface.load(source)
