"""Live against transformers, where torch is: `make parity` runs it."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from massivetext_keras import tasks, tokenizers  # noqa: E402
from massivetext_keras.huggingface import models as huggingface  # noqa: E402
from massivetext_keras.huggingface.models import load as load_huggingface  # noqa: E402
from massivetext_keras.huggingface.models import save as save_huggingface  # noqa: E402
from massivetext_keras.saving.weights import read_tensors  # noqa: E402
from tests.huggingface.fixtures import (  # noqa: E402
    FIXTURES,
    HEADS,
    NAMES,
    expected,
    real,
)
from tests.tasks.tiny import encoder_task  # noqa: E402

# Unasked, transformers 5 ties the output layer of every T5, and says that it did not.
UNTIED_T5 = "The tied weights mapping and config for this model specifies to tie"
TEXTS = [
    "The cat sat on the mat.",
    "  two  spaces\tand a tab ",
    "naïve café 日本 😀",
    "",
]


@pytest.fixture(scope="module")
def make():
    """The script that makes the fixtures."""
    sys.path.insert(0, str(FIXTURES))
    torch.set_num_threads(1)
    yield importlib.import_module("make")
    sys.path.remove(str(FIXTURES))


@pytest.fixture(scope="module")
def fresh(make, tmp_path_factory) -> Path:
    """The fixtures, made anew."""
    home = tmp_path_factory.mktemp("huggingface")
    make.main(home)
    return home


@pytest.fixture
def warnings(caplog):
    """Gives what transformers warns of, as text."""
    transformers.logging.enable_propagation()
    with caplog.at_level(logging.WARNING, logger="transformers"):
        yield lambda: caplog.text
    transformers.logging.disable_propagation()


def test_every_fixture_is_made_by_the_script(make):
    assert sorted(make.MODELS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_fixtures_are_not_stale(fresh, name):
    new, old = fresh / name, FIXTURES / name
    assert huggingface.read_config(new) == huggingface.read_config(old)
    tensors, stored = read_tensors(new), read_tensors(old)
    assert tensors.shapes == stored.shapes
    for key in tensors:
        if not key.endswith(("position_ids", "attn.bias")):  # no floats
            np.testing.assert_allclose(
                tensors[key].astype("float32"),
                stored[key].astype("float32"),
                rtol=1e-5,
                err_msg=key,
            )
    with np.load(new / "expected.npz") as arrays:
        for key, array in expected(name).items():
            np.testing.assert_allclose(
                arrays[key], array, rtol=1e-5, atol=5e-5, err_msg=key
            )


@pytest.mark.parametrize("name", NAMES)
def test_transformers_reads_what_we_write(make, tmp_path, warnings, name):
    config, tensors = load_huggingface(FIXTURES / name, HEADS.get(name))
    kind = json.loads((FIXTURES / name / "config.json").read_text())["model_type"]
    save_huggingface(tmp_path, config, tensors, model_type=kind)
    values = json.loads((tmp_path / "config.json").read_text())
    architecture = getattr(transformers, values["architectures"][0])
    arrays = expected(name)
    inputs = {
        key: torch.from_numpy(value).long()
        for key, value in arrays.items()
        if value.dtype == "int32"
    }
    results = make.run(make.read(architecture, tmp_path), inputs)
    for key in arrays.keys() - inputs.keys():
        places = real(arrays, key)
        np.testing.assert_allclose(
            results[key][places], arrays[key][places], rtol=0, atol=1e-4, err_msg=key
        )
    text = warnings()
    if kind in ("t5", "mt5") and not config.tied_embeddings:
        assert text.count("WARNING") == text.count(UNTIED_T5) == 1
    else:
        assert not text


@pytest.mark.parametrize("kind", huggingface.FAMILIES)
def test_defaults_are_those_of_transformers(kind):
    family = huggingface.FAMILIES[kind]
    values = transformers.AutoConfig.for_model(kind).to_dict()
    assert family.read(values) == family.read({})


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert", "bart", "t5"])
@pytest.mark.parametrize(
    "tokenizer",
    [
        tokenizers.ByteTokenizer(add_bos=True, add_eos=True),
        tokenizers.CharacterTokenizer.train(texts=TEXTS[:2], add_bos=True),
        tokenizers.BytePairTokenizer.train(texts=TEXTS, vocabulary_size=290),
        tokenizers.SentencePieceTokenizer.train(
            texts=TEXTS * 9, vocabulary_size=300, add_eos=True
        ),
        tokenizers.WordPieceTokenizer.train(
            texts=TEXTS * 9, vocabulary_size=60, add_bos=True, add_eos=True
        ),
    ],
    ids=lambda tokenizer: type(tokenizer).__name__,
)
def test_auto_tokenizer_gives_our_ids(tmp_path, warnings, kind, tokenizer):
    for name, data in tokenizers.huggingface_files(tokenizer).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = tokenizer(TEXTS).to_list()
    assert theirs(TEXTS, add_special_tokens=False)["input_ids"] == rows
    before = [tokenizer.bos_id] * tokenizer.add_bos
    after = [tokenizer.eos_id] * tokenizer.add_eos
    assert theirs(TEXTS)["input_ids"] == [before + row + after for row in rows]
    assert theirs.decode(before + rows[0] + after, skip_special_tokens=True) == (
        tokenizer.detokenize(rows[0]).numpy().decode()
    )
    for role in ("pad", "unk", "mask"):
        assert getattr(theirs, f"{role}_token_id") == getattr(tokenizer, f"{role}_id")
    assert not warnings()


def quantised_classifier(data_dir):
    sizes = {"hidden_size": 64, "intermediate_size": 128, "pooler": True}
    labels = ("no", "yes")
    return encoder_task(tasks.TextClassifier, labels=labels, head="pooled", **sizes)


def quantised_stories(data_dir):
    return tasks.CausalLM.from_preset(f"hf:{data_dir}/weights/stories260K")


@pytest.mark.parametrize("form", ["int8", "int4", "float16", "bfloat16"])
@pytest.mark.parametrize("make_task", [quantised_classifier, quantised_stories])
def test_transformers_reads_what_is_quantised(tmp_path, data_dir, form, make_task):
    pytest.importorskip("compressed_tensors")
    task = make_task(data_dir)
    ids = np.arange(3, 15, dtype="int32").reshape(2, 6)
    task.quantize(form)
    ours = task({"token_ids": ids}).numpy()
    task.save_preset(tmp_path, format="huggingface")
    values = json.loads((tmp_path / "config.json").read_text())
    assert ("quantization_config" in values) == form.startswith("int")
    architecture = getattr(transformers, values["architectures"][0])
    theirs = architecture.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        found = theirs(input_ids=torch.from_numpy(ids).long()).logits.numpy()
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-4 * np.abs(ours).max())


@pytest.mark.parametrize(
    ("bits", "group_size", "form"),
    [(8, None, "int-quantized"), (8, None, "pack-quantized"), (4, 16, None)],
)
def test_what_compressed_tensors_writes_is_read(tmp_path, bits, group_size, form):
    """A model that the package quantises and writes gives its codes and its answers."""
    pytest.importorskip("compressed_tensors")
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import (
        QuantizationConfig,
        apply_quantization_config,
    )

    shape = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    theirs = transformers.LlamaForCausalLM(shape).eval()
    strategy = "group" if group_size else "channel"
    weights = {"num_bits": bits, "strategy": strategy, "group_size": group_size}
    group = {"targets": ["Linear"], "weights": weights, "format": form}
    config = {"config_groups": {"group_0": group}, "ignore": ["lm_head"]}
    apply_quantization_config(theirs, QuantizationConfig.model_validate(config))
    for module in theirs.modules():
        if hasattr(module, "weight_scale"):
            rows = module.weight.detach().reshape(*module.weight_scale.shape, -1)
            module.weight_scale.data = rows.abs().amax(-1) / (2 ** (bits - 1) - 1)
    compressor = ModelCompressor.from_pretrained_model(theirs)
    compressor.compress_model(theirs)
    theirs.save_pretrained(tmp_path)
    compressor.update_config(tmp_path)

    task = tasks.CausalLM.from_preset(f"hf:{tmp_path}")
    storages = task.quantization.storages()
    assert {x.form for x in storages.values()} == {f"int{bits}"} and len(storages) == 4
    ids = np.arange(3, 15, dtype="int32").reshape(2, 6)
    with torch.no_grad():
        wanted = theirs(input_ids=torch.from_numpy(ids).long()).logits.numpy()
    np.testing.assert_allclose(task({"token_ids": ids}), wanted, rtol=0, atol=1e-5)
    kernel = task.quantization.in_floats(task.named_weights())[
        "stack/block_0/feed_forward/down/kernel"
    ]
    down = theirs.model.layers[0].mlp.down_proj.weight.detach().numpy()
    np.testing.assert_allclose(kernel.T, down, rtol=1e-6)
