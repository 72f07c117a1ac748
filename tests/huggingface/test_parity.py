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

from massivetext_keras import tokenizers  # noqa: E402
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
