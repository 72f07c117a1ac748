"""What sentence-transformers stores beside an encoder: vectors as it makes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import tasks
from massivetext_keras.huggingface.sentence_transformers import (
    embedding_files,
    read_embedding_options,
)
from massivetext_keras.tasks.embedding.task import POOLINGS
from tests.tasks.tiny import encoder_task

HIDDEN = np.array([[[1.0, 8.0], [3.0, -4.0], [5.0, 2.0], [9.0, 9.0]]], "float32")
MASK = np.array([[[1.0], [1.0], [1.0], [0.0]]], "float32")
VECTORS = {
    "mean": [3.0, 2.0],
    "cls": [1.0, 8.0],
    "max": [5.0, 8.0],
    "mean_sqrt_length": [9.0 / 3**0.5, 6.0 / 3**0.5],
    "weighted_mean": [22.0 / 6.0, 1.0],
    "last": [5.0, 2.0],
}
KIND = "sentence_transformers.models"


def folder_of(folder, modules, **files):
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{KIND}.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    names = {
        "pooling": "1_Pooling/config.json",
        "length": "sentence_bert_config.json",
        "prompts": "config_sentence_transformers.json",
    }
    for name, values in files.items():
        (folder / names[name]).write_text(json.dumps(values))
    return folder


USUAL = [("", "Transformer"), ("1_Pooling", "Pooling")]
UNIT = [*USUAL, ("2_Normalize", "Normalize")]
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name):
    found = POOLINGS[name](tf.constant(HIDDEN), tf.constant(MASK))
    np.testing.assert_allclose(found[0], VECTORS[name], rtol=1e-6)


def test_what_a_folder_says(tmp_path):
    assert read_embedding_options(tmp_path) == {}
    folder_of(tmp_path, USUAL, pooling=CLS)
    plain = {"lowercase": False, "prompts": {}, "prompt": None}
    found = read_embedding_options(tmp_path)
    bare = {"pooling": "cls", "unit_length": False, "sequence_length": None}
    assert found == {**bare, **plain}
    folder_of(
        tmp_path,
        UNIT,
        pooling={"pooling_mode": ["max", "mean"]},
        length={"max_seq_length": 7, "do_lower_case": True},
        prompts={
            "prompts": {"query": "q: ", "d": None},
            "default_prompt_name": "query",
        },
    )
    assert read_embedding_options(tmp_path) == {
        "pooling": ["max", "mean"],
        "unit_length": True,
        "sequence_length": 7,
        "lowercase": True,
        "prompts": {"query": "q: ", "d": ""},
        "prompt": "query",
    }


@pytest.mark.parametrize(
    ("modules", "pooling", "message"),
    [
        ([*USUAL, ("2_Dense", "Dense")], CLS, "Transformer \\+ Pooling \\+ Dense are"),
        ([("0", "CLIPModel")], CLS, "the modules CLIPModel are not supported"),
        (USUAL, {"pooling_mode": "attention"}, 'pooling_mode="attention" is not'),
        (USUAL, {**CLS, "include_prompt": False}, "include_prompt=false is not"),
    ],
)
def test_what_would_give_other_vectors_is_refused(tmp_path, modules, pooling, message):
    folder_of(tmp_path, modules, pooling=pooling)
    with pytest.raises(ValueError, match=message):
        read_embedding_options(tmp_path)


def test_prompts_that_have_no_names_are_refused(tmp_path):
    folder_of(tmp_path, USUAL, pooling=CLS, prompts={"prompts": ["a"]})
    with pytest.raises(ValueError, match=r'prompts=\["a"\] is not supported'):
        read_embedding_options(tmp_path)


def test_an_embedder_is_read_obeyed_and_written(tmp_path):
    options = {
        "pooling": "cls",
        "unit_length": False,
        "sequence_length": 5,
        "lowercase": True,
        "prompts": {"query": "the dog "},
        "prompt": None,
    }
    task = encoder_task(tasks.TextEmbedder, pooler=True, **options)
    task.save_preset(tmp_path, format="huggingface")
    again = tasks.TextEmbedder.from_preset(f"hf:{tmp_path}")
    assert again.chosen() == task.chosen()
    texts = ["THE CAT sat on the mat", "cat"]
    found = again.embed(texts)
    np.testing.assert_allclose(found, task.embed(texts), atol=1e-5)
    ids = task.tokenizer("the cat sat").numpy().tolist()  # and [CLS], [SEP]
    states = task.backbone({"token_ids": [[2, *ids, 3]]})[0, 0]
    np.testing.assert_allclose(found[0], states, atol=1e-5)
    asked = again.embed("cat", prompt="query")
    np.testing.assert_allclose(asked, again.embed("the dog cat"), atol=1e-6)
    with pytest.raises(ValueError, match="did you mean 'query'"):
        again.embed("cat", prompt="querry")
    assert embedding_files(again.chosen(), task.config).keys() == {
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    }


def test_several_poolings_have_one_order():
    task = encoder_task(tasks.TextEmbedder, pooling=["cls", "mean"])
    assert task.embed("cat").shape == (32,) and task.embed([]).shape == (0, 32)
    assert len(embedding_files(task.chosen(), task.config)) == 4
    wrong = {**task.chosen(), "pooling": ["mean", "cls"]}
    with pytest.raises(ValueError, match="in the order cls, max, mean"):
        embedding_files(wrong, task.config)
