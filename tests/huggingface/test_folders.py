"""Folders with something else, or something more, than the weights of a whole model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from massivetext_keras import tasks
from massivetext_keras.huggingface import read_lora, shortened
from massivetext_keras.huggingface.families.table import unknown_family
from massivetext_keras.saving import read_tensors
from massivetext_keras.support import files
from tests.huggingface.fixtures import FIXTURES, expected
from tests.tasks.tiny import ENCODER, byte_lm, encoder_task


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("tf_model.h5", "from_tf=True"),
        ("flax_model.msgpack", "from_flax=True"),
        ("pytorch_model.bin", "pickles, which can run code"),
        ("pytorch_model.bin.index.json", "pickles, which can run code"),
        ("model.onnx", "a graph of ONNX"),
        ("model-q4.gguf", '"gguf:FOLDER/FILE"'),
        ("bert_model.ckpt.index", '"bert:FOLDER", of T5 as "t5:FOLDER"'),
    ],
)
def test_what_to_do_about_other_weights(tmp_path, file, advice):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / file).touch()
    with pytest.raises(FileNotFoundError, match=f"there is {file}, .*{advice}"):
        read_tensors(tmp_path)


def test_an_adapter_alone_is_named(tmp_path):
    values = {"peft_type": "LORA", "base_model_name_or_path": "meta/base"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(values))
    with pytest.raises(FileNotFoundError, match="PEFT alone, for the base 'meta/base'"):
        tasks.CausalLM.from_preset(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("values", "nearest"),
    [
        ({"pad_token_id": 1, "hidden_size": 8, "layer_norm_eps": 1e-5}, "roberta"),
        ({"hidden_size": 8, "layer_norm_eps": 1e-5}, "bert"),
        ({"architectures": ["XForCausalLM"], "rms_norm_eps": 1e-5}, "llama"),
        ({"architectures": ["XLMHeadModel"], "n_embd": 4, "n_head": 2}, "gpt2"),
        ({"is_encoder_decoder": True, "d_kv": 4}, "t5"),
        ({"is_encoder_decoder": True, "encoder_ffn_dim": 4}, "bart"),
    ],
)
def test_the_nearest_family_is_told_by_what_a_config_has(values, nearest):
    message = str(unknown_family({"model_type": "albertson", **values}))
    assert message.endswith(f'set "model_type": "{nearest}"')


def test_camembert_is_a_roberta(tmp_path):
    shutil.copytree(FIXTURES / "xlm_roberta", tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    more = {"model_type": "camembert", "architectures": ["CamembertForMaskedLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config | more))
    source = f"hf:{tmp_path}"
    assert tasks.task_class(source) is tasks.MaskedLM
    arrays = expected("xlm_roberta")
    ids = {k: v[:1] for k, v in arrays.items() if v.dtype == "int32"}
    found = tasks.MaskedLM.from_preset(source)(ids)
    np.testing.assert_allclose(found, arrays["logits"][:1], rtol=0, atol=1e-4)


def test_home_is_where_tilde_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(FIXTURES / "bert_masked_lm", tmp_path / "m")
    assert tasks.task_class("hf:~/m") is tasks.MaskedLM
    task = tasks.MaskedLM.from_preset("hf:~/m")
    task.save_preset("~/own")
    assert (tmp_path / "own" / "model.safetensors").is_file()
    tasks.MaskedLM.from_preset("~/own")
    assert files.expanded("~/own") == tmp_path / "own"


def test_learned_positions_are_shortened(tmp_path):
    task = encoder_task(tasks.MaskedLM, position_offset=2)
    ids = np.array([[2, 5, 6, 7, 3]])
    wanted = task({"token_ids": ids})
    task.save_preset(tmp_path)
    short = tasks.MaskedLM.from_preset(str(tmp_path), max_length=5)
    assert short.config.max_length == 5
    rows = short.base_weights()["embeddings/positions/embeddings"]
    assert rows.shape == (7, 16)
    np.testing.assert_allclose(short({"token_ids": ids}), wanted, atol=1e-5)
    with pytest.raises(ValueError, match="max_length=33 is more than the 32 positions"):
        tasks.MaskedLM.from_preset(str(tmp_path), max_length=33)
    for name in ("bart", "roberta_base"):  # both sides; an offset
        config = tasks.task_class(f"hf:{FIXTURES / name}").from_preset(
            f"hf:{FIXTURES / name}", max_length=9
        )
        assert config.config.max_length == 9
    relative = ENCODER.replace(position="relative")
    assert shortened({}, relative, relative.replace(max_length=99), "x") == {}


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_precision_is_no_matter_of_a_preset(name):
    with pytest.raises(ValueError, match=rf"{name} is none .* training.set_precision"):
        tasks.MaskedLM.from_preset("bert_tiny", **{name: "bfloat16"})


def test_quantization_that_would_change_nothing_is_refused():
    with pytest.raises(NotImplementedError, match="change nothing: .* task.quantize"):
        byte_lm().backbone.quantize("int8")


LORAS = {
    "llama_grouped": ("model.layers.0.", ["self_attn.q_proj", "self_attn.v_proj"]),
    "gpt2_tied": ("transformer.h.0.", ["attn.c_attn", "mlp.c_fc"]),
    "gpt_neox_serial": ("gpt_neox.layers.0.", ["attention.query_key_value"]),
    "bert_base": ("encoder.layer.0.", ["attention.self.key", "output.dense"]),
    "t5": ("decoder.block.0.layer.1.", ["EncDecAttention.v"]),
}
KINDS = {"bert_base": tasks.TextEmbedder, "t5": tasks.Seq2SeqLM}


def lora_folder(folder, name, **more):
    """An adapter of random numbers, and the base with its products added."""
    random, (prefix, modules) = np.random.default_rng(0), LORAS[name]
    tensors = {k: v.copy() for k, v in read_tensors(FIXTURES / name).items()}
    adapter, alpha = {}, 6
    for rank, module in enumerate(modules, 2):
        own = next(k for k in tensors if f"{prefix}{module}.weight".endswith(k))
        matrix = tensors[own].T if name.startswith("gpt2") else tensors[own]
        a = random.normal(size=(rank, matrix.shape[1])).astype("float32")
        b = random.normal(size=(matrix.shape[0], rank)).astype("float32")
        key = f"base_model.model.{prefix}{module}"
        adapter |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
        scale = alpha / (rank**0.5 if more.get("use_rslora") else rank)
        matrix += scale * b @ a
    (folder / "adapter").mkdir()
    save_file(adapter, folder / "adapter" / "adapter_model.safetensors")
    values = {"peft_type": "LORA", "lora_alpha": alpha, "bias": "none", **more}
    (folder / "adapter/adapter_config.json").write_text(json.dumps(values))
    merged = folder / "merged"
    shutil.copytree(FIXTURES / name, merged)
    save_file(tensors, merged / "model.safetensors")
    return folder / "adapter", merged


@pytest.mark.parametrize("name", LORAS)
def test_lora_of_peft_is_what_it_adds(tmp_path, name):
    folder, merged = lora_folder(tmp_path, name, use_rslora=name.startswith("gpt2"))
    kind, arrays = KINDS.get(name, tasks.CausalLM), expected(name)
    inputs = {k: v[:1] for k, v in arrays.items() if v.dtype == "int32"}
    task = kind.from_adapters(f"hf:{FIXTURES / name}", folder)
    wanted = kind.from_preset(f"hf:{merged}").backbone(inputs)
    np.testing.assert_allclose(task.backbone(inputs), wanted, rtol=0, atol=2e-4)
    plain = kind.from_preset(f"hf:{FIXTURES / name}").backbone(inputs)
    assert np.abs(wanted - plain).max() > 1e-2
    task.save_adapters(tmp_path / "own")  # as ours
    again = kind.from_preset(f"hf:{FIXTURES / name}")
    again.load_adapters(tmp_path / "own")
    np.testing.assert_allclose(again.backbone(inputs), wanted, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peft_type": "IA3"}, 'peft_type="IA3" is not supported; known: "LORA"'),
        ({"use_dora": True}, "use_dora=true"),
        ({"modules_to_save": ["classifier"]}, "modules_to_save"),
        ({"bias": "all"}, 'bias="all"'),
    ],
)
def test_what_is_more_than_lora_is_refused(tmp_path, values, message):
    folder, _ = lora_folder(tmp_path, "llama_grouped", **values)
    config = byte_lm().config
    with pytest.raises(ValueError, match=f"adapter_config.json: {message}"):
        read_lora(folder, config)


def test_adapters_of_another_base_are_refused(tmp_path):
    folder, _ = lora_folder(tmp_path, "llama_grouped")
    gpt2 = tasks.CausalLM.from_preset(f"hf:{FIXTURES / 'gpt2_tied'}")
    with pytest.raises(ValueError, match="no product 'model.layers.0.self_attn.q_proj"):
        gpt2.load_adapters(folder)
    assert not gpt2.adapted()
