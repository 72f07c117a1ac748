"""Heads in presets, and folders of one task that another one starts from."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from safetensors.numpy import load_file

from massivetext_keras.architecture.weights import head_layout
from massivetext_keras.tasks import (
    MaskedLM,
    ReplacedTokenDetector,
    TextClassifier,
    TextEmbedder,
)
from tests.tasks.tiny import encoder_task

IDS = {"token_ids": np.arange(12, dtype="int32").reshape(2, 6)}


@pytest.mark.parametrize(
    ("cls", "options", "head"),
    [
        (MaskedLM, {}, "masked_lm"),
        (MaskedLM, {"pooler": True, "sentences": "order"}, "pretraining"),
        (
            MaskedLM,
            {"embedding_size": 8, "shared_layers": True, "num_layers": 2},
            "masked_lm",
        ),
        (ReplacedTokenDetector, {"generator_size": 0.5}, "discriminator"),
        (TextEmbedder, {"pooling": "cls", "temperature": 0.1}, None),
    ],
)
def test_a_task_comes_back_with_its_head_and_options(tmp_path, cls, options, head):
    task = encoder_task(cls, **options)
    task.save_preset(tmp_path)
    again = cls.from_preset(tmp_path)
    np.testing.assert_allclose(again(IDS), task(IDS), rtol=1e-5, atol=1e-6)
    assert again.chosen() == task.chosen()
    assert cls.from_config(task.get_config()).chosen() == task.chosen()
    stored = load_file(tmp_path / "model.safetensors")
    names = {name for name in stored if name.startswith("head/")}
    assert names == (set(head_layout(task.config, head)) if head else set())


def test_another_task_takes_the_backbone_and_begins_with_a_new_head(tmp_path, caplog):
    lm = encoder_task(MaskedLM)
    lm.save_preset(tmp_path / "lm")
    with caplog.at_level(logging.WARNING):
        embedder = TextEmbedder.from_preset(tmp_path / "lm", pooling="max")
        assert caplog.text == "" and embedder.pooling == "max"
        np.testing.assert_allclose(
            embedder.backbone(IDS), lm.backbone(IDS), rtol=1e-5, atol=1e-6
        )
        detector = ReplacedTokenDetector.from_preset(tmp_path / "lm")
    assert caplog.text.count("has no 'head' for this ReplacedTokenDetector") == 1
    np.testing.assert_allclose(
        detector.backbone(IDS), lm.backbone(IDS), rtol=1e-5, atol=1e-6
    )
    embedder.save_preset(tmp_path / "embedder")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again = MaskedLM.from_preset(tmp_path / "embedder")
    assert "its weights are random, to be trained" in caplog.text
    np.testing.assert_allclose(
        again.backbone(IDS), lm.backbone(IDS), rtol=1e-5, atol=1e-6
    )
    assert not np.array_equal(again(IDS), lm(IDS))


def test_an_objective_on_sentences_may_join_a_trained_head(tmp_path, caplog):
    lm = encoder_task(MaskedLM, pooler=True)
    lm.save_preset(tmp_path)
    with caplog.at_level(logging.WARNING):
        joined = MaskedLM.from_preset(tmp_path, sentences="next")
    assert "has no 'head/next_sentence' for this MaskedLM" in caplog.text
    np.testing.assert_allclose(joined(IDS), lm(IDS), rtol=1e-5, atol=1e-6)


def test_a_damaged_backbone_is_refused(tmp_path):
    encoder_task(MaskedLM).save_preset(tmp_path)
    path = tmp_path / "config.json"
    header = json.loads(path.read_text())
    header["model"]["num_layers"] = 2
    path.write_text(json.dumps(header))
    with pytest.raises(ValueError, match="missing: stack/block_1/"):
        MaskedLM.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (MaskedLM, {}),
        (MaskedLM, {"pooler": True, "sentences": "next"}),
        (ReplacedTokenDetector, {"generator_size": 0.5}),
        (TextEmbedder, {"pooler": True}),
    ],
)
def test_to_hugging_face_and_back(tmp_path, caplog, cls, options):
    task = encoder_task(cls, **{"activation": "gelu", **options})
    task.save_preset(tmp_path, format="huggingface")
    with caplog.at_level(logging.WARNING):
        again = cls.from_preset(f"hf:{tmp_path}", **task.chosen())
    assert caplog.text == ""
    np.testing.assert_allclose(again(IDS), task(IDS), atol=1e-6)
    assert again.tokenizer("the cats").numpy().tolist() == [5, 6, 11]
    with pytest.raises(ValueError, match="unknown format 'hugginface'"):
        task.save_preset(tmp_path, format="hugginface")


def test_a_head_tells_the_labels_that_it_has_learnt(tmp_path, caplog):
    model = encoder_task(TextClassifier, labels=["no", "yes"], pooler=True)
    model.save_preset(tmp_path)
    model.save_preset(tmp_path / "hf", format="huggingface")
    known = model.classify("the cat")
    for source in (tmp_path, f"hf:{tmp_path / 'hf'}"):
        again = TextClassifier.from_preset(source, labels=["yes", "no"])
        assert again.classify("the cat").scores == pytest.approx(known.scores)
        assert "has no 'head'" not in caplog.text
        other = TextClassifier.from_preset(source, labels=["bad", "good"])
        assert other.labels == ("bad", "good")
        kernel = other.classifier.classes.kernel.numpy()
        assert abs(kernel - model.classifier.classes.kernel.numpy()).max() > 0.01
        assert "has no 'head' for this TextClassifier" in caplog.text
        caplog.clear()
