"""Quantised tasks in folders of Hugging Face: codes go and come as they are."""

from __future__ import annotations

import json
import logging

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from massivetext_keras import tasks
from massivetext_keras.architecture.storage import Storage
from massivetext_keras.huggingface.compressed import from_words, to_words
from massivetext_keras.huggingface.families.table import FAMILIES
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import encoder_task, randomize

SIZES = {
    "vocabulary_size": 259,
    "num_layers": 1,
    "hidden_size": 32,
    "num_heads": 4,
    "intermediate_size": 64,
    "max_length": 32,
}
IDS = {"token_ids": np.arange(3, 15, dtype="int32").reshape(2, 6)}
SOURCES = {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in IDS.items()}
EXPERTS = {"num_experts": 3, "num_key_value_heads": 2, "intermediate_size": 32}
QUERY = "model.layers.0.self_attn.q_proj"


def model(kind: str, **changes):
    """A task of noise that a family holds."""
    config = FAMILIES[kind].base.replace(**SIZES | changes)
    stack = {"decoder": tasks.CausalLM, "encoder_decoder": tasks.Seq2SeqLM}
    task = stack[config.stack](config, ByteTokenizer())
    randomize(task.backbone, scale=0.2)
    return task


def llama(**changes) -> tasks.CausalLM:
    return model("llama", num_key_value_heads=2, **changes)


def classifier() -> tasks.TextClassifier:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "pooler": True}
    return encoder_task(
        tasks.TextClassifier, labels=("no", "yes"), head="pooled", **sizes
    )


def written(task, folder) -> dict:
    """The `config.json` of a task's folder."""
    task.save_preset(folder, format="huggingface")
    return json.loads((folder / "config.json").read_text())


def as_written(task, folder):
    """The task that a folder gives, when all but tables was found to be as in the one
    that wrote it."""
    again = type(task).from_preset(f"hf:{folder}")
    stored, found = task.quantization.storages(), again.quantization.storages()
    assert found.keys() == {path for path in stored if _is_kernel(path)}
    assert {x.form for x in found.values()} == {x.form for x in stored.values()}
    ours, theirs = task.named_weights(), again.named_weights()
    assert {x.removesuffix("/codes") for x in ours if "/scales" not in x} == {
        x.removesuffix("/codes") for x in theirs if "/scales" not in x
    }
    for name in theirs.keys() & ours.keys():
        one, other = ours[name], theirs[name]
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=name)
    return again


def _is_kernel(path: str) -> bool:
    return path.endswith("/kernel") or path == "output/embeddings"


@pytest.mark.parametrize("form", ["int8", "int4"])
@pytest.mark.parametrize(
    ("make", "given"),
    [
        (llama, IDS),
        (lambda: llama(tied_embeddings=True), IDS),
        (classifier, IDS),
        (lambda: model("gpt_neox"), IDS),
        (lambda: model("t5", logit_scale=32**-0.5), SOURCES),
        (lambda: model("mixtral", **EXPERTS), IDS),
    ],
    ids=["llama", "tied", "bert", "gpt_neox", "t5", "mixtral"],
)
def test_a_quantised_task_comes_back_bit_for_bit(tmp_path, form, make, given):
    task = make()
    given = {k: v % task.config.vocabulary_size for k, v in given.items()}
    task.quantize(form)
    wanted = np.asarray(task(given))
    config = written(task, tmp_path)
    again = as_written(task, tmp_path)
    assert sum(map(_is_kernel, again.quantization.storages())) >= 4
    assert config["dtype"] == "float32" and config["quantization_config"]["ignore"]
    np.testing.assert_allclose(np.asarray(again(given)), wanted, rtol=1e-4, atol=1e-4)
    written(again, tmp_path / "again")
    one, other = (
        load_file(x / "model.safetensors") for x in (tmp_path, tmp_path / "again")
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_files_are_as_the_format_has_them(tmp_path):
    task = llama()
    task.quantize("int8")
    config = written(task, tmp_path / "int8")["quantization_config"]
    assert config["format"] == "pack-quantized"
    assert "model.embed_tokens" in config["ignore"]
    assert not any("proj" in name for name in config["ignore"])
    found = load_file(tmp_path / "int8/model.safetensors")
    words, scale = found[f"{QUERY}.weight_packed"], found[f"{QUERY}.weight_scale"]
    assert (words.dtype, words.shape) == (np.int32, (32, 8))
    assert (scale.dtype, scale.shape) == (np.float32, (32, 1))
    fourths = (words[:, :, None] >> np.arange(0, 32, 8)) & 255  # the lowest bits first
    codes = fourths.reshape(32, 32).astype("float32") - 128
    meant = task.quantization.in_floats(task.named_weights())
    kernel = meant["stack/block_0/attention/qkv/kernel"]
    np.testing.assert_array_equal(codes * scale, kernel[:, :32].T)

    task = llama()
    task.quantize("int4", group_size=16)
    config = written(task, tmp_path / "int4")["quantization_config"]
    assert config["config_groups"]["group_0"]["weights"] == {
        "num_bits": 4,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": 16,
        "dynamic": False,
    }
    found = load_file(tmp_path / "int4/model.safetensors")
    words, scale = found[f"{QUERY}.weight_packed"], found[f"{QUERY}.weight_scale"]
    assert (words.dtype, words.shape) == (np.int32, (32, 4))
    assert found[f"{QUERY}.weight_shape"].tolist() == [32, 32]
    assert (scale < 0).any()
    eighths = (words[:, :, None] >> np.arange(0, 32, 4)) & 15  # the lowest bits first
    codes = eighths.reshape(32, 2, 16) - 8
    meant = task.quantization.in_floats(task.named_weights())
    kernel = meant["stack/block_0/attention/qkv/kernel"]
    np.testing.assert_array_equal(
        (codes * scale[:, :, None]).reshape(32, 32).T, kernel[:, :32]
    )


def test_what_the_format_cannot_hold_is_floats_and_said(tmp_path, caplog):
    task = model("gpt2")
    task.quantize("int8")
    assert "quantization_config" not in written(task, tmp_path / "gpt2")
    assert "6 of 6 matrices are written in floats" in caplog.text
    again = tasks.CausalLM.from_preset(f"hf:{tmp_path / 'gpt2'}")
    np.testing.assert_allclose(again(IDS), task(IDS), rtol=1e-4, atol=1e-4)

    task = llama(intermediate_size=44)  # two groups of 22, of 32 numbers one
    task.quantize("int4")
    config = written(task, tmp_path / "groups")["quantization_config"]
    sizes = [x["weights"]["group_size"] for x in config["config_groups"].values()]
    assert sorted(sizes) == [22, 32] and config["format"] == "pack-quantized"
    as_written(task, tmp_path / "groups")

    task = llama(intermediate_size=42)  # two groups of 22 are more than it has
    task.quantize("int4")
    assert (
        "model.layers.0.mlp.down_proj"
        in written(task, tmp_path / "odd")["quantization_config"]["ignore"]
    )
    again = tasks.CausalLM.from_preset(f"hf:{tmp_path / 'odd'}")
    np.testing.assert_allclose(again(IDS), task(IDS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_numbers_of_16_bits_are_written_as_they_are(tmp_path, form):
    task = llama()
    task.quantize(form)
    config = written(task, tmp_path)
    assert config["dtype"] == form and "quantization_config" not in config
    found = load_file(tmp_path / "model.safetensors")
    assert found[f"{QUERY}.weight"].dtype.name == form
    assert found["model.norm.weight"].dtype == np.float32
    again = tasks.CausalLM.from_preset(f"hf:{tmp_path}")
    assert not again.quantization.storages()  # to be trained, as any folder of 16 bits
    again.quantize(form)
    for name, weight in task.named_weights().items():
        np.testing.assert_array_equal(again.named_weights()[name], weight, err_msg=name)


def elsewhere(folder, bits: int = 8, dtype=ml_dtypes.bfloat16, **changes):
    """A folder as llm-compressor writes it, of the products of a llama: packed, scales
    of 16 bits, targets by pattern. Gives codes and scales of the queries."""
    task = llama()
    random = np.random.default_rng(0)
    config = written(task, folder)
    found = load_file(folder / "model.safetensors")
    kept = {}
    for name in [x for x in found if x.endswith("_proj.weight")]:
        shape = found.pop(name).shape
        codes = random.integers(-(1 << bits - 1), 1 << bits - 1, shape, "int8")
        scales = random.normal(
            0.0, 0.01, (shape[0], 1 if bits == 8 else shape[1] // 16)
        )
        scales = np.abs(scales).astype(dtype)
        kept[name] = codes, scales
        found[f"{name}_packed"] = to_words(codes, bits)
        found[f"{name}_scale"], found[f"{name}_shape"] = scales, np.array(shape)
        found[f"{name}_zero_point"] = np.zeros(scales.shape, "int8")
    weights = {
        "num_bits": bits,
        "type": "int",
        "symmetric": True,
        "strategy": "channel",
    }
    if bits == 4:
        weights |= {"strategy": "group", "group_size": 16}
    group = {"targets": [r"re:.*self_attn.*", r"re:.*mlp\..*"], "weights": weights}
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }
    found |= changes
    found = {name: array for name, array in found.items() if array is not None}
    save_file(found, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return kept[f"{QUERY}.weight"]


@pytest.mark.parametrize(
    ("bits", "dtype", "storage"),
    [
        (8, ml_dtypes.bfloat16, Storage("int8")),
        (4, "float16", Storage("int4", 16)),
        (4, "float32", Storage("int4", 16, wide_scales=True)),
    ],
)
def test_a_folder_from_elsewhere_gives_its_codes(tmp_path, bits, dtype, storage):
    codes, scales = elsewhere(tmp_path, bits, dtype)
    task = tasks.CausalLM.from_preset(f"hf:{tmp_path}")
    assert set(task.quantization.storages().values()) == {storage}
    named = task.named_weights()
    found = named["stack/block_0/attention/qkv/kernel/scales"].numpy()[:32]
    np.testing.assert_array_equal(found.reshape(scales.shape), scales.astype("float32"))
    if bits == 8:
        kept = named["stack/block_0/attention/qkv/kernel/codes"].numpy()[:32]
        np.testing.assert_array_equal(kept, codes)
    size = 32 // scales.shape[1]
    meant = codes * np.repeat(scales.astype("float32"), size, axis=1)
    floats = task.quantization.in_floats(named)["stack/block_0/attention/qkv/kernel"]
    np.testing.assert_allclose(floats[:, :32].T, meant, rtol=1e-6)
    assert np.isfinite(task(IDS)).all()
    # as presets, and written again, it is the same
    task.save_preset(tmp_path / "preset")
    again = tasks.CausalLM.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again(IDS), task(IDS))
    written(task, tmp_path / "again")
    again = as_written(task, tmp_path / "again")
    np.testing.assert_array_equal(again(IDS), task(IDS))


def test_what_has_no_such_form_here_is_read_as_floats_and_said(tmp_path, caplog):
    elsewhere(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    weights = config["quantization_config"]["config_groups"]["group_0"]["weights"]
    weights |= {"strategy": "group", "group_size": 8}
    found = load_file(tmp_path / "model.safetensors")
    for name in [x for x in found if x.endswith("_scale")]:
        count = found[name.replace("_scale", "_shape")][1] // 8
        found[name] = np.repeat(found[name], count, axis=1) * np.arange(1, count + 1)
        found[name] = found[name].astype("float32")
    save_file(found, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with caplog.at_level(logging.WARNING):
        task = tasks.CausalLM.from_preset(f"hf:{tmp_path}")
    assert "4 matrices are read as the floats that they mean" in caplog.text
    assert not task.quantization.storages()
    codes = from_words(found[f"{QUERY}.weight_packed"], 8).astype("float32")
    meant = codes * np.repeat(found[f"{QUERY}.weight_scale"], 8, axis=1)
    kernel = task.named_weights()["stack/block_0/attention/qkv/kernel"].numpy()
    np.testing.assert_allclose(kernel[:, :32].T, meant, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{QUERY}.weight_shape": None}, f"{QUERY} has no weight_shape beside"),
        ({f"{QUERY}.weight_packed": None}, f"{QUERY} has no weight_packed beside"),
        (
            {f"{QUERY}.weight_packed": np.zeros((32, 4), "int32")},
            r"weight_packed is \(32, 4\), wanted \(32, 8\) for 8 bits",
        ),
        (
            {f"{QUERY}.weight_scale": np.zeros((4, 32), "float32")},
            r"weight_scale is \(4, 32\), wanted \(32, 1\)",
        ),
        (
            {f"{QUERY}.weight_zero_point": np.ones((32, 1), "int8")},
            "weight_zero_point is not zero",
        ),
        (
            {"lm_head.weight_scale": np.ones((259, 1), "float32")},
            "lm_head has a weight_scale, and is in no group of config.json",
        ),
        ({f"{QUERY}.weight_scale": None}, "left over: .*q_proj.weight_packed"),
    ],
)
def test_a_damaged_folder_is_named(tmp_path, changes, message):
    elsewhere(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"(?s){tmp_path.name}.*{message}"):
        tasks.CausalLM.from_preset(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("dtype", "bits", "message"),
    [
        ("float32", 8, "q_proj.weight holds float32, no codes of 8 bits"),
        ("int8", 4, "weight has codes of more than 4 bits"),
    ],
)
def test_what_are_no_codes_is_refused(tmp_path, dtype, bits, message):
    task = llama()
    task.quantize("int8")
    config = written(task, tmp_path)
    group = config["quantization_config"]["config_groups"]["group_0"]
    group["weights"]["num_bits"], group["format"] = bits, "int-quantized"
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = load_file(tmp_path / "model.safetensors")
    for name in [name for name in found if name.endswith(".weight_packed")]:
        layer = name.removesuffix(".weight_packed")
        del found[f"{layer}.weight_shape"]
        found[f"{layer}.weight"] = from_words(found.pop(name), 8)
    found[f"{QUERY}.weight"] = found[f"{QUERY}.weight"].astype(dtype)
    save_file(found, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=f"{tmp_path.name}: .*{message}"):
        tasks.CausalLM.from_preset(f"hf:{tmp_path}")


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("inputs", [1, 7, 8, 33])
def test_words_come_back(bits, inputs):
    random, most = np.random.default_rng(inputs), 1 << bits - 1
    codes = random.integers(-most, most, (5, inputs), "int8")
    words = to_words(codes, bits)
    assert words.shape == (5, -(-inputs * bits // 32)) and words.dtype == np.int32
    np.testing.assert_array_equal(from_words(words, bits)[:, :inputs], codes)
