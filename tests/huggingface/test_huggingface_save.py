"""What is written for Hugging Face: its own names and values, or a clear error."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from safetensors import safe_open

from massivetext_keras import tokenizers
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.huggingface import models as huggingface
from massivetext_keras.huggingface.generation import read_options
from massivetext_keras.huggingface.models import load as load_huggingface
from massivetext_keras.huggingface.models import save as save_huggingface
from massivetext_keras.models.bert import BERT
from massivetext_keras.models.gpt import GPT
from massivetext_keras.saving import weights
from massivetext_keras.saving.weights import read_tensors
from tests.huggingface.fixtures import FIXTURES, HEADS, NAMES, build
from tests.models.families import TRANSFORMERS

# presets that are written as another family, which has the same shape
WRITTEN_AS = {
    "minilm": "bert",
    "xlm_roberta": "roberta",
    "electra_base_discriminator": "bert",
    "electra_large_discriminator": "bert",
    "gpt_nano": "gpt2",
    "gpt_mini": "gpt2",
    "pythia": "gpt_neox",
    "llama": "llama",
    "transformer": "marian",
    "opus": "marian",
    "flan": "t5",
    "mt5": "t5",
}
TINY = TransformerConfig(
    vocabulary_size=259, num_layers=1, hidden_size=8, num_heads=2, intermediate_size=8
)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_as_the_same_model(tmp_path, name):
    config, tensors = load_huggingface(FIXTURES / name, HEADS.get(name))
    values = json.loads((FIXTURES / name / "config.json").read_text())
    kind = values["model_type"]
    save_huggingface(tmp_path, config, tensors, model_type=kind)
    head = "masked_lm" if HEADS.get(name) == "masked_lm" else HEADS.get(name)
    again, back = load_huggingface(tmp_path, head)
    assert again == config
    assert back.shapes == tensors.shapes
    for path in tensors:
        np.testing.assert_array_equal(back[path], tensors[path].astype("float32"))
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        names = set(file.keys())
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["model_type"] == kind
    if name.endswith("_base") and config.stack != "encoder":
        assert written["architectures"] != values["architectures"]
    else:
        assert written["architectures"] == values["architectures"]
        if name != "mixtral_fused":
            stored = read_tensors(FIXTURES / name)
            assert names <= set(stored)
            shapes = read_tensors(tmp_path).shapes
            assert all(shapes[key] == stored.shapes[key] for key in names)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_every_preset_has_a_family(name):
    config = PRESETS[name]
    if name in ("unilm_base", "word_embeddings", "transformer_multi30k"):
        with pytest.raises(ValueError, match="no family of Hugging Face holds this"):
            huggingface._family_for(config, set(), None)
        return
    start = next((s for s in WRITTEN_AS if name.startswith(s)), name.split("_")[0])
    family = {"gpt": "gpt_neox"}.get(start, WRITTEN_AS.get(start, start))
    assert huggingface._family_for(config, set(), None)[0] == family


def test_a_llama_with_heads_of_any_width_is_written_as_mistral():
    config = PRESETS["llama2_7b"].replace(hidden_size=50, num_heads=4, head_size=6)
    assert huggingface._family_for(config, set(), None)[0] == "mistral"


def test_a_model_and_its_tokenizer_come_back(tmp_path):
    tokenizer = tokenizers.ByteTokenizer(add_bos=True)
    model = GPT(TINY)
    options = {"last_id": 2, "never_ids": (5, 7)}
    save_huggingface(tmp_path, TINY, model, tokenizer, options=options)
    values = json.loads((tmp_path / "config.json").read_text())
    ids = {
        f"{role}_token_id": values[f"{role}_token_id"] for role in ("pad", "bos", "eos")
    }
    assert ids == {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    accepted = {"generation", "last_id", "never_ids"}
    assert read_options(tmp_path, None, accepted) == options
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["model_max_length"] == 1024
    assert config["model_input_names"] == ["input_ids", "attention_mask"]
    assert tokenizers.from_huggingface(tmp_path).fingerprint == tokenizer.fingerprint
    again, _ = build(tmp_path)
    for path, variable in weights.named_weights(again).items():
        np.testing.assert_array_equal(variable, weights.named_weights(model)[path])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_a_pooler_is_left_out_beside_a_masked_lm_head(tmp_path):
    config, tensors = load_huggingface(FIXTURES / "bert_pretraining", "masked_lm")
    assert config.pooler
    save_huggingface(tmp_path, config, tensors)
    written = load_huggingface(tmp_path, "masked_lm")
    assert written[0] == config.replace(pooler=False)
    assert "bert.pooler.dense.weight" not in read_tensors(tmp_path)


def encoder(**changes) -> tuple[TransformerConfig, BERT]:
    base = PRESETS["roberta_base"].replace(
        vocabulary_size=259, num_layers=1, hidden_size=8, num_heads=2, max_length=9
    )
    config = base.replace(intermediate_size=8, **changes)
    return config, BERT(config)


class Unheard(tokenizers.ByteTokenizer):
    """Of a kind that nobody knows."""


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (
            lambda folder: save_huggingface(folder, TINY.replace(rezero=True), {}),
            "no family of Hugging Face holds this model; the nearest, gpt2, has "
            "rezero=False instead of True",
        ),
        (
            lambda folder: save_huggingface(folder, TINY, {}, model_type="gpt"),
            "unknown model_type 'gpt': did you mean 'gpt2'?",
        ),
        (
            lambda folder: save_huggingface(
                folder, TINY.replace(window=5), {}, model_type="gpt2"
            ),
            "gpt2 of Hugging Face cannot hold this model: window=None instead of 5",
        ),
        (
            lambda folder: save_huggingface(
                folder, TINY.replace(num_layers=2), GPT(TINY)
            ),
            "the weights are not those of a gpt2 model:\n"
            "  missing: stack/block_1/attention/qkv/kernel (8, 24)",
        ),
        (
            lambda folder: save_huggingface(
                folder,
                TINY,
                GPT(TINY),
                Unheard(),
            ),
            "a Unheard has no form at Hugging Face",
        ),
        (
            lambda folder: save_huggingface(
                folder, *encoder(), tokenizers.ByteTokenizer()
            ),
            "a roberta model with position_offset=2 needs the padding token 1, the "
            "tokenizer has 0",
        ),
        (
            lambda folder: save_huggingface(
                folder, TINY, {"head/score/kernel": np.zeros(1)}
            ),
            "the nearest, gpt2, has no head of head/score/kernel",
        ),
        (
            lambda folder: save_huggingface(
                folder,
                (pair := encoder(activation="relu"))[0],
                {
                    **weights.named_weights(pair[1]),
                    **{
                        f"head/{name}": np.zeros(shape)
                        for name, shape in {
                            "transform/kernel": (8, 8),
                            "transform/bias": (8,),
                            "norm/gain": (8,),
                            "norm/offset": (8,),
                            "bias": (259,),
                        }.items()
                    },
                },
            ),
            "activation 'relu' is not that of RobertaForMaskedLM's head, which is "
            "always 'gelu'",
        ),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_written(tmp_path, save, message):
    with pytest.raises(ValueError) as caught:
        save(tmp_path / "new")
    assert message in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_failed_save_leaves_the_old_files(tmp_path, monkeypatch):
    save_huggingface(tmp_path, TINY, GPT(TINY), tokenizers.ByteTokenizer())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save_huggingface(tmp_path, TINY, GPT(TINY), tokenizers.ByteTokenizer())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_qwen2_folder_says_what_transformers_makes_of_its_tokenizer(tmp_path, caplog):
    config = TINY.replace(
        **{
            field: getattr(PRESETS["qwen2_0.5b"], field)
            for field in ("activation", "gated", "norm", "position", "qkv_bias")
        },
        output_bias=False,
        feed_forward_bias=False,
    )
    save_huggingface(tmp_path, config, GPT(config), tokenizers.ByteTokenizer())
    assert "PreTrainedTokenizerFast.from_pretrained gives the ids" in caplog.text
