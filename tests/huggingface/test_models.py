"""Hugging Face folders: the same logits as transformers, or a clear error."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from massivetext_keras.huggingface import models as huggingface
from massivetext_keras.models.gpt import GPT
from massivetext_keras.saving import weights
from tests.huggingface.fixtures import (
    FIXTURES,
    HEADS,
    NAMES,
    build,
    compute,
    expected,
    real,
)


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


def test_every_family_has_a_fixture():
    kinds = {
        json.loads((FIXTURES / n / "config.json").read_text())["model_type"]
        for n in NAMES
    }
    assert kinds == set(huggingface.FAMILIES) - {"camembert"}  # a roberta by name
    for name in NAMES:
        sizes = [path.stat().st_size for path in (FIXTURES / name).iterdir()]
        assert sum(sizes) < 100_000, name


@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_transformers(name):
    model, head = build(FIXTURES / name, HEADS.get(name))
    arrays = expected(name)
    results = compute(model, head, arrays)
    assert results.keys() == {k for k, v in arrays.items() if v.dtype == "float32"}
    for key, result in results.items():
        places = real(arrays, key)
        np.testing.assert_allclose(
            result[places], arrays[key][places], rtol=0, atol=1e-4, err_msg=key
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_matters(name):
    """A weight that no result shows could be read wrong and nobody would see it."""
    model, head = build(FIXTURES / name, HEADS.get(name))
    head = {key: tf.Variable(value) for key, value in head.items()}
    arrays = {key: value[:1] for key, value in expected(name).items()}
    run = tf.function(lambda: compute(model, head, arrays))
    before = {key: value.numpy() for key, value in run().items()}
    for path, variable in (weights.named_weights(model) | head).items():
        kept = np.array(tf.convert_to_tensor(variable))
        array = kept.copy()
        array[..., ::2] *= -1
        variable.assign(array)
        moved = max(
            np.abs(value.numpy() - before[key]).max() / np.abs(before[key]).max()
            for key, value in run().items()
        )
        variable.assign(kept)
        assert moved > 2e-4, path


def test_a_real_llama(data_dir):
    model = build(data_dir / "weights" / "stories260K")[0]
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
    assert predicted(build(source)[0], ids)[-1] == vocabulary[answer]


def test_a_wrong_folder_is_told_the_nearest(tmp_path):
    for path, message in [
        ("llama_grupped", f"; did you mean '{FIXTURES / 'llama_grouped'}'?"),
        ("zzz", "; models are read from local folders, not from the Hub"),
        ("gpt2_tied/config.json", f": a file; give its folder, '{FIXTURES}/gpt2_tied'"),
        (".", f": config.json is missing; did you mean '{FIXTURES / 'albert'}'?"),
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


def test_a_head_that_is_not_there_is_named(folder):
    for name, head, message in [
        ("bert_base", "masked_lm", "no head 'masked_lm' in the weights; there is none"),
        (
            "electra_discriminator",
            "masked_lm",
            "no head 'masked_lm' in the weights; there is discriminator",
        ),
        (
            "gpt2_tied",
            "masked_lm",
            "GPT2LMHeadModel has no head 'masked_lm'; known: none",
        ),
        (
            "roberta",
            "x",
            "RobertaModel has no head 'x'; known: question_answering, token_class",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            huggingface.load(FIXTURES / name, head)
    source = folder("roberta")
    change(source / "config.json", hidden_act="relu")
    huggingface.load(source)
    with pytest.raises(ValueError, match="RobertaForMaskedLM's head, which is always"):
        huggingface.load(source, "masked_lm")


def test_half_a_head_is_listed(folder):
    file = (source := folder("roberta")) / "model.safetensors"
    tensors = load_file(file)
    del tensors["lm_head.dense.bias"]
    save_file(tensors, file)
    with pytest.raises(ValueError, match=r"missing: lm_head.dense.bias \(18,\)"):
        huggingface.load(source, "masked_lm")
    assert huggingface.heads_in(source) == ()
    assert huggingface.heads_in(FIXTURES / "albert") == ("masked_lm", "pretraining")


def test_names_of_old_files_are_known(folder):
    source = folder("bert_pretraining")
    file, (_, wanted) = source / "model.safetensors", huggingface.load(source)
    old = {
        re.sub("LayerNorm.weight", "LayerNorm.gamma", key).replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for key, value in load_file(file).items()
    }
    save_file(old, file)
    found = huggingface.load(source)[1]
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key])


def test_copies_of_the_embedding_that_differ_are_refused(folder):
    source = folder("bart")
    file = source / "model.safetensors"
    tensors = load_file(file)
    name = "model.encoder.embed_tokens.weight"
    tensors[name] = tensors[name] + 1
    save_file(tensors, file)
    with pytest.raises(ValueError, match=f"{name} differs from model.shared.weight"):
        huggingface.load(source)
    del tensors["model.shared.weight"]  # one of the copies is enough
    tensors["lm_head.weight"] = tensors[name]
    save_file(tensors, file)
    words = huggingface.load(source)[1]["tokens/embeddings"]
    np.testing.assert_array_equal(words, tensors[name])


def test_integers_for_weights_are_refused(folder):
    source = folder("llama_base")
    file = source / "model.safetensors"
    tensors = load_file(file)
    tensors["norm.weight"] = tensors["norm.weight"].astype("int8")
    save_file(tensors, file)
    with pytest.raises(ValueError, match="norm.weight holds I8, not one of F64"):
        build(source)


def test_only_pickled_weights(folder):
    source = folder("bert_base")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(
        FileNotFoundError, match="pytorch_model.bin, pickles, which can"
    ):
        huggingface.load(source)
