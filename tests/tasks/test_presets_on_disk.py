"""Preset folders: the same model again, or an error that says what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, byte_lm, randomize

IDS = {"token_ids": np.arange(12, dtype="int32").reshape(2, 6)}


@pytest.fixture
def folder(lm, tmp_path):
    lm.save_preset(tmp_path / "preset")
    return tmp_path / "preset"


def test_the_model_comes_back_with_its_tokenizer(lm, folder):
    again = CausalLM.from_preset(folder)
    assert again.config == lm.config
    assert again.tokenizer.fingerprint == lm.tokenizer.fingerprint
    np.testing.assert_allclose(again(IDS), lm(IDS), rtol=1e-5, atol=1e-6)
    assert again.score(["abc"]) == pytest.approx(lm.score(["abc"]), rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"position": "rotary", "tied_embeddings": False, "norm": "rms_norm"},
        {"position": "relative", "num_key_value_heads": 1, "norm_position": "post"},
    ],
    ids=str,
)
def test_models_without_tokenizers_too(tmp_path, changes):
    lm = CausalLM(TINY.replace(**changes))
    randomize(lm.backbone, 2)
    lm.save_preset(tmp_path)
    again = CausalLM.from_preset(str(tmp_path))
    assert again.tokenizer is None
    np.testing.assert_allclose(again(IDS), lm(IDS), rtol=1e-5, atol=1e-6)


def test_fields_may_be_changed(folder):
    changed = CausalLM.from_preset(folder, dropout=0.5)
    assert changed.config.dropout == 0.5
    with pytest.raises(ValueError, match="did you mean 'dropout'"):
        CausalLM.from_preset(folder, dropuot=0.5)
    with pytest.raises(ValueError, match="no option 'chat_templat': did you mean 'ch"):
        CausalLM.from_preset(folder, chat_templat="plain")
    with pytest.raises(ValueError, match="weights do not fit"):
        CausalLM.from_preset(folder, num_layers=2)


def test_a_later_save_replaces_the_weights(folder, lm):
    other = byte_lm(seed=9)
    other.save_preset(folder)
    again = CausalLM.from_preset(folder)
    np.testing.assert_allclose(again(IDS), other(IDS), rtol=1e-5, atol=1e-6)
    assert not np.array_equal(again(IDS), lm(IDS))
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer_config.json"}


@pytest.mark.parametrize(
    ("name", "damage", "error", "message"),
    [
        ("config.json", "missing", FileNotFoundError, "no complete preset"),
        ("config.json", "truncated", ValueError, "is not JSON .*half written"),
        ("model.safetensors", "missing", FileNotFoundError, "is half written"),
        ("model.safetensors", "truncated", ValueError, "half written or changed"),
        ("tokenizer_config.json", "missing", FileNotFoundError, "tokenizer"),
        ("tokenizer_config.json", "truncated", ValueError, "half written"),
    ],
)
def test_half_written_folders(folder, name, damage, error, message):
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(error, match=message):
        CausalLM.from_preset(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "is read as 'hf:"),
        ({"tokenizer": "0123456789abcdef"}, "tokenizer"),
    ],
    ids=str,
)
def test_folders_of_something_else(folder, changes, message):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        CausalLM.from_preset(folder)


def test_a_folder_of_another_kind_of_model(folder):
    path = folder / "config.json"
    header = json.loads(path.read_text())
    header["model"]["stack"] = "encoder"
    path.write_text(json.dumps(header))
    message = (
        "needs stack='decoder' or 'prefix' or 'recurrent', not 'encoder': .* Masked"
    )
    with pytest.raises(ValueError, match=message):
        CausalLM.from_preset(folder)
    with pytest.raises(ValueError, match=message):
        CausalLM.from_preset("bert_tiny")


def test_a_folder_may_have_a_colon_in_its_name(lm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs:1", "C:/x"):
        lm.save_preset(name)
        assert CausalLM.from_preset(name).config == lm.config
    with pytest.raises(ValueError, match="^preset 'runs:2': No module named 'runs'$"):
        CausalLM.from_preset("runs:2")
    with pytest.raises(ValueError, match="'C:/y' is neither a preset nor .*'C:/x'"):
        CausalLM.from_preset("C:/y")


def test_unknown_names(folder):
    with pytest.raises(ValueError, match="neither a preset nor a folder.*'gpt_mini'"):
        CausalLM.from_preset("gpt_mimi")
    with pytest.raises(ValueError, match=f"did you mean '{folder}'"):
        CausalLM.from_preset(f"{folder}s")
    with pytest.raises(ValueError, match=r"known: albert_base, .* and \d+ more$"):
        CausalLM.from_preset("zzz")


def test_a_name_takes_the_size_of_the_tokenizer():
    small = {"num_layers": 1, "hidden_size": 16, "intermediate_size": 8}
    lm = CausalLM.from_preset("gpt_nano", tokenizer=ByteTokenizer(), **small)
    assert lm.config.vocabulary_size == 259
    assert CausalLM.from_preset("gpt_nano", **small).config.vocabulary_size == 4096


def test_the_config_builds_the_same_task(lm):
    assert CausalLM.from_config(lm.get_config()).config == lm.config
