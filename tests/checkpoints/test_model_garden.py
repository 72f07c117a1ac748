"""Checkpoints of objects that the Model Garden itself wrote, and its results."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.checkpoints import BertFolder
from massivetext_keras.cli.planning import config_of
from massivetext_keras.tasks import MaskedLM, QuestionAnswerer, TextClassifier
from tests.checkpoints.test_bert import WORDS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "model_garden"
HEADS = {
    "encoder": (),
    "span_labeler": ("question_answering",),
    "classifier": ("classification",),
    "classifier_pooler": ("classification",),
    "pretrainer": ("pretraining", "masked_lm"),
}


@pytest.fixture
def copied(tmp_path):
    """Copies a fixture, with a vocabulary that has its size."""

    def copy(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(FIXTURES / name, folder)
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
        return folder

    return copy


def expected(name: str) -> tuple[dict, dict]:
    """The inputs, and what the Model Garden makes of them."""
    with np.load(FIXTURES / name / "expected.npz") as arrays:
        inputs = ("token_ids", "padding_mask", "segment_ids")
        results = {k: arrays[k] for k in arrays if k not in inputs}
        return {k: arrays[k] for k in inputs}, results


def same(ours: tf.Tensor, theirs: np.ndarray, mask: np.ndarray) -> None:
    real = mask == 1 if theirs.ndim == 3 else slice(None)
    np.testing.assert_allclose(ours.numpy()[real], theirs[real], atol=1e-5)
    assert np.abs(theirs).max() > 0.5


@pytest.mark.parametrize("name", HEADS)
def test_heads_and_hidden_states(copied, name):
    folder = copied(name)
    assert BertFolder(folder).heads() == HEADS[name]
    lm = MaskedLM.from_preset(f"bert:{folder}")
    inputs, theirs = expected(name)
    same(lm.backbone(inputs), theirs["hidden"], inputs["padding_mask"])
    assert config_of(f"bert:{folder}") == lm.config
    assert (lm.config.activation, lm.config.intermediate_size) == ("gelu_tanh", 12)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("span_labeler", QuestionAnswerer),
        ("classifier", TextClassifier),
        ("classifier_pooler", TextClassifier),
        ("pretrainer", MaskedLM),
    ],
)
def test_logits(copied, name, cls):
    task = cls.from_preset(f"bert:{copied(name)}")
    inputs, theirs = expected(name)
    same(task(inputs), theirs["logits"], inputs["padding_mask"])
    if cls is TextClassifier:
        assert task.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_whether_a_sentence_follows_has_a_pooler_of_its_own(copied):
    lm = MaskedLM.from_preset(f"bert:{copied('pretrainer')}", sentences="next")
    inputs, theirs = expected("pretrainer")
    pooled = lm.backbone.pooled(lm.backbone(inputs))
    named = lm.named_weights()
    kernel = named["head/next_sentence/kernel"]
    ours = pooled @ kernel + named["head/next_sentence/bias"]
    same(ours, theirs["next_sentence"], inputs["padding_mask"])


def test_bad_folders(copied):
    folder = copied("encoder")
    file = folder / "bert_config.json"
    text = file.read_text()
    file.write_text(text.replace('attention_heads": 2', 'attention_heads": 4'))
    problem = r"layer_0/self_attention/query/kernel is \(8, 2, 4\), wanted \(8, 4, 2\)"
    with pytest.raises(ValueError, match=problem):
        MaskedLM.from_preset(f"bert:{folder}")
    file.write_text(text.replace('hidden_layers": 2', 'hidden_layers": 3'))
    problem = "bert_config.json:\n  missing: transformer/layer_2/self_attention/query/k"
    with pytest.raises(ValueError, match=problem):
        MaskedLM.from_preset(f"bert:{folder}")
    file.unlink()
    with pytest.raises(FileNotFoundError, match="bert_config.json: no such file"):
        MaskedLM.from_preset(f"bert:{folder}")
    file = folder / "params.yaml"
    for text, problem in (("a: [", "not YAML"), ("task: {}", "no task.model.encoder")):
        file.write_text(text)
        with pytest.raises(ValueError, match=f"params.yaml: .*{problem}"):
            MaskedLM.from_preset(f"bert:{folder}")
    folder = copied("pretrainer")
    file = folder / "params.yaml"
    file.write_text(file.read_text().replace("norm_first: false", "norm_first: true"))
    problem = "params.yaml: norm_first=true is not supported; known: false"
    with pytest.raises(ValueError, match=problem):
        MaskedLM.from_preset(f"bert:{folder}")


def test_two_encoders_in_one_checkpoint(copied):
    folder = copied("encoder")
    twice = {
        name: tf.Variable(tf.zeros([37, 8]), name="word_embeddings/embeddings")
        for name in ("teacher", "student")
    }
    objects = {name: tf.train.Checkpoint(tokens=twice[name]) for name in twice}
    for file in folder.glob("bert_model.*"):
        file.unlink()
    tf.train.Checkpoint(**objects).write(str(folder / "bert_model.ckpt"))
    problem = (
        "two variables are called word_embeddings/embeddings: .*student.*, teacher"
    )
    with pytest.raises(ValueError, match=problem):
        MaskedLM.from_preset(f"bert:{folder}")
