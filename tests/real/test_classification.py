"""Classes of real texts: what a small model learns, and what no text breaks."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import training
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tokenizers import WordPieceTokenizer
from tests.tasks.tiny import encoder_task

pytestmark = pytest.mark.usefixtures("grappler")

pytest.importorskip("tokenizers")
pytest.importorskip("sklearn")


def test_files_are_read_whole(data_dir):
    dev = TextClassifier.read_examples(f"{data_dir}/cls/sst2/dev.tsv")
    labels = [example.label for example in dev]
    assert len(dev) == 872 and labels.count("1") == 444
    columns = {"label": 0, "text": 1}
    folder = data_dir / "cls/sms_spam"
    sms = TextClassifier.read_examples(folder / "SMSSpamCollection.tsv", None, columns)
    assert len(sms) == 5574 and sum(x.label == "spam" for x in sms) == 747


@pytest.mark.slow
def test_convolutions_learn_what_films_are_like(data_dir):
    keras.utils.set_random_seed(0)
    train, dev = (
        TextClassifier.read_examples(f"{data_dir}/cls/sst2/{part}.tsv")
        for part in ("train", "dev")
    )
    task = TextClassifier.from_preset(
        "word_embeddings",
        WordPieceTokenizer.train(texts=[example.text for example in train]),
        head="convolution",
        hidden_size=100,
        **TextClassifier.options_for(train),
    )
    measures = training.fine_tune(
        task, train, dev, epochs=2, learning_rate=2e-3, batch_size=50
    )
    assert measures["accuracy"] > 0.74  # 0.51 is the share of the larger class
    assert measures["f1/1"] > 0.7 and measures["f1/0"] > 0.7
    temperature = task.calibrate(dev)
    before, after = measures, task.measure(dev)
    assert temperature != 1.0 and after["accuracy"] == before["accuracy"]
    error = "expected_calibration_error"
    assert after[error] < max(before[error], 0.05)


@pytest.mark.slow
def test_no_text_breaks_an_export(data_dir, tmp_path):
    texts = json.loads((data_dir / "bad/naughty_strings.json").read_text())
    task = encoder_task(TextClassifier, labels=["no", "yes"], head="mean")
    task.export(tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    text, second = tf.constant(texts), tf.constant(texts[::-1])
    for given, answers in [
        (loaded.signatures["classify"](text=text), task.classify(texts)),
        (
            loaded.signatures["classify_pairs"](text=text, second=second),
            task.classify(texts, texts[::-1]),
        ),
    ]:
        scores = [list(answer.scores.values()) for answer in answers]
        np.testing.assert_allclose(given["scores"], scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.sum(scores, axis=1), 1.0, rtol=1e-5)
