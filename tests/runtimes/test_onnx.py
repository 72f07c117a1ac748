"""Folders for onnxruntime: tasks, tokenizers, the script that answers texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.heads.classification import HEADS
from massivetext_keras.runtimes.onnx_graphs.check import Session
from massivetext_keras.runtimes.onnx_graphs.serve import Served
from massivetext_keras.tasks import (
    CausalLM,
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.every import SEQ2SEQ
from tests.tasks.tiny import encoder_task, randomize

pytest.importorskip("onnx", reason="pip install 'massivetext-keras[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'massivetext-keras[onnx]'")
pytest.importorskip("tokenizers", reason="pip install tokenizers")

TEXTS = ["the cat sat", "", "unbelievable dogs, the mat"]
POOLINGS = ["mean", "cls", "max", "mean_sqrt_length", "weighted_mean", "last"]


def exported(task, folder, **options) -> Served:
    task.export(folder / "onnx", format="onnx", **options)
    return Served(folder / "onnx")


def test_classes_of_texts_and_pairs(tmp_path):
    labels = ["no", "yes", "perhaps"]
    task = encoder_task(TextClassifier, labels=labels, temperature=0.7)
    served = exported(task, tmp_path)
    for texts, second in ((TEXTS, None), (TEXTS, TEXTS[::-1])):
        asked = texts if second is None else [*zip(texts, second, strict=True)]
        found = served.answer(asked)
        for answer, own in zip(found, task.classify(texts, second), strict=True):
            assert answer["label"] == own.label
            assert answer["scores"] == pytest.approx(own.scores, abs=1e-4)


@pytest.mark.parametrize(
    ("head", "traits"),
    [
        ("pooled", {"pooler": True}),
        ("pooled_relu", {}),
        ("pooled_gelu", {"segment_types": 0}),
        ("convolution", {}),
        ("mean", {}),
        ("max", {}),
        ("ends", {}),
    ],
)
def test_heads(tmp_path, head, traits):
    """The export compares the scores; wrong ones would raise."""
    task = encoder_task(TextClassifier, labels=["a", "b"], head=head, **traits)
    exported(task, tmp_path)


def test_several_labels_and_numbers(tmp_path):
    several = {"labels": ["a", "b", "c"], "problem": "multi_label", "threshold": 0.4}
    task = encoder_task(TextClassifier, **several)
    (found,) = exported(task, tmp_path / "1").answer(["the cat"])
    own = task.classify("the cat")
    assert found["scores"] == pytest.approx(own.scores, abs=1e-4)
    assert tuple(found["labels"]) == own.label
    task = encoder_task(TextClassifier, problem="regression")
    (found,) = exported(task, tmp_path / "2").answer(["the cat"])
    assert found == pytest.approx(task.classify("the cat"), abs=1e-4)


@pytest.mark.parametrize("pooling", ["mean", POOLINGS])
def test_vectors(tmp_path, pooling):
    """Of several, each has its part of the vector, which has any length."""
    unit = pooling == "mean"
    task = encoder_task(TextEmbedder, pooling=pooling, unit_length=unit)
    served = exported(task, tmp_path)
    np.testing.assert_allclose(served.answer(TEXTS), task.embed(TEXTS), atol=1e-4)


def test_prompts_and_short_rows(tmp_path):
    options = {"prompts": {"q": "the cat "}, "prompt": "q", "sequence_length": 6}
    task = encoder_task(TextEmbedder, **options)
    served, texts = exported(task, tmp_path), ["sat on the mat on the mat", "dog"]
    np.testing.assert_allclose(served.answer(texts), task.embed(texts), atol=1e-4)


def test_numbers_of_tokens(tmp_path):
    lm = encoder_task(MaskedLM, num_layers=2)
    (found,) = exported(lm, tmp_path / "lm").answer(["the cat"])
    ids = [[2, *lm.tokenizer("the cat").numpy().tolist(), 3]]
    own = lm({"token_ids": ids}).numpy()[0, 1:-1]
    np.testing.assert_allclose(found["logits"], own, atol=1e-4)
    detector = encoder_task(ReplacedTokenDetector)
    (found,) = exported(detector, tmp_path / "rtd").answer(["the cat"])
    own = [score for _, score in detector.detect("the cat")]
    np.testing.assert_allclose(1 / (1 + np.exp(-np.array(found["logits"]))), own, 1e-3)
    tagger = encoder_task(TokenClassifier, labels=["PER"], scheme="BIOES")
    served = exported(tagger, tmp_path / "ner")
    assert np.shape(served.answer(["the cat"])[0]["logits"]) == (2, 5)
    assert served.head["tags"] == list(tagger.tag_set.names)
    answerer = encoder_task(QuestionAnswerer, stride=8)
    (found,) = exported(answerer, tmp_path / "qa").answer([("the cat", "dog sat")])
    assert set(found) == {"start_logits", "end_logits"}


@pytest.mark.slow
def test_greedy_text_of_an_encoder_decoder(tmp_path, plain_loop):
    lm = Seq2SeqLM(SEQ2SEQ.replace(num_decoder_layers=2), ByteTokenizer(), prefix="x:")
    randomize(lm.backbone, 0, 0.3)
    served = exported(lm, tmp_path)
    names = sorted(path.name for path in (tmp_path / "onnx").glob("*.onnx"))
    assert names == ["decoder_model.onnx", "encoder_model.onnx"]
    for text in ("Hi there", "Über"):
        ids = lm.tokenizer("x:" + text).numpy().tolist() + [lm.tokenizer.eos_id]
        wanted = lm.generate_ids([ids], max_new_tokens=12).to_list()[0]
        found = served._answered(served.ids_of(text), 12)
        assert found == [x for x in wanted if x != lm.tokenizer.eos_id]


def test_real_stories_by_the_script(data_dir, tmp_path):
    """What the folder's own script writes in a process without this package."""
    folder = data_dir / "weights/stories260K"
    lm = CausalLM.from_preset(f"hf:{folder}")
    lm.export(tmp_path / "1", format="onnx")
    served, prompt = Served(tmp_path / "1"), "Once upon a time"
    wanted = (folder / "greedy.txt").read_text()
    count = len(lm.tokenizer(wanted)) - len(lm.tokenizer(prompt))
    assert served.written(prompt, count) == wanted
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "serve.py", prompt, "Lily saw"],
        capture_output=True,
        text=True,
        cwd=tmp_path / "1",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line) for line in done.stdout.splitlines()]
    assert wanted.startswith(texts[0]) and len(texts[0]) > 100
    assert texts[1] == served.written("Lily saw") and texts[1].startswith("Lily saw ")


def test_eight_bits_are_near(tmp_path):
    task = encoder_task(TextEmbedder, scale=0.1)
    served = exported(task, tmp_path, weight_type="int8")
    config = json.loads((tmp_path / "onnx/config.json").read_text())
    assert config["weight_type"] == "int8" and 0 < config["largest_difference"] < 0.1
    near = np.sum(np.array(served.answer(TEXTS)) * task.embed(TEXTS), axis=1)
    assert near.min() > 0.99


def test_what_is_in_the_folder(tmp_path):
    task = encoder_task(TextEmbedder)
    exported(task, tmp_path)
    folder = tmp_path / "onnx"
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "model.onnx",
        "serve.py",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }
    config = json.loads((folder / "config.json").read_text())
    assert TransformerConfig.from_dict(config["model"]) == task.config
    session = Session(folder / "model.onnx")
    assert session.inputs == ["input_ids", "attention_mask", "token_type_ids"]
    assert config["graphs"]["model.onnx"]["outputs"] == session.outputs
    with pytest.raises(FileExistsError, match="is not empty"):
        task.export(folder, format="onnx")


def test_what_it_cannot_hold_is_named(tmp_path):
    tagger = encoder_task(TokenClassifier, labels=["PER"], crf=True)
    with pytest.raises(ValueError, match=r"TokenClassifier: crf=True.*savedmodel"):
        tagger.export(tmp_path / "1", format="onnx")
    reader = encoder_task(TextClassifier, labels=["a", "b"], head="lstm")
    with pytest.raises(ValueError, match=r"head='lstm'; give it one of pooled, "):
        reader.export(tmp_path / "1", format="onnx")
    words = TextClassifier.from_preset("cnn_rand", labels=["a", "b"])
    with pytest.raises(ValueError, match="stack='word_encoder'"):
        words.export(tmp_path / "1", format="onnx")
    embedder = encoder_task(TextEmbedder)
    for options, line in {
        ("onxx", None): "unknown format 'onxx': did you mean 'onnx'",
        ("onnx", "int4"): "unknown weight_type 'int4': did you mean 'int8'",
    }.items():
        with pytest.raises(ValueError, match=line):
            embedder.export(tmp_path / "1", format=options[0], weight_type=options[1])
    with pytest.raises(ValueError, match="xla is no option of the format 'onnx', but"):
        embedder.export(tmp_path / "1", format="onnx", xla=False)
    assert list(tmp_path.iterdir()) == []


def test_every_head_is_known_or_refused():
    from massivetext_keras.runtimes.onnx_graphs.heads import _READINGS

    assert HEADS.keys() - _READINGS.keys() == {"lstm", "gru"}
