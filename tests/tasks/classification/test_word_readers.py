"""Classic readers of words as classifiers: what they learn, keep, export and refuse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tokenizers import WordTokenizer

SHAPES = ["cnn_rand", "bigru_rand"]
GOOD, BAD = ["a good film", "good fun , all of it"], ["a bad film", "bad and dull"]
TEXTS = ["good", "", "  ", "unheard", "A bad film", "good fun ! " * 30]


def made(shape: str, **changes) -> TextClassifier:
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer.train(texts=GOOD + BAD)
    return TextClassifier.from_preset(
        shape, tokenizer, labels=["no", "yes"], hidden_size=8, **changes
    )


@pytest.fixture(scope="module", params=SHAPES)
def learnt(request) -> TextClassifier:
    task = made(request.param)
    task.compile(keras.optimizers.Adam(0.03))
    x, y = np.array(GOOD + BAD), np.array(["yes"] * 2 + ["no"] * 2)
    task.fit(np.tile(x, 60), np.tile(y, 60), batch_size=8, verbose=0)
    return task


def test_texts_are_told_apart(learnt):
    answers = learnt.classify([*GOOD, *BAD, "good", "bad"])
    assert [x.label for x in answers] == ["yes", "yes", "no", "no", "yes", "no"]
    for answer in learnt.classify(TEXTS):  # empty, of one word, of an unknown one
        assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-5)


def test_a_text_has_the_scores_that_it_has_alone(learnt):
    together = learnt.classify(TEXTS)
    for text, answer in zip(TEXTS, together, strict=True):
        assert learnt.classify(text).scores == pytest.approx(answer.scores, abs=1e-5)


def test_presets_and_files_of_keras_give_the_same(learnt, tmp_path):
    learnt.save_preset(tmp_path / "preset")
    learnt.save(tmp_path / "task.keras")
    expected = [x.scores["yes"] for x in learnt.classify(TEXTS)]
    for again in (
        TextClassifier.from_preset(str(tmp_path / "preset")),
        keras.models.load_model(tmp_path / "task.keras"),
    ):
        assert again.head == learnt.head and again.config == learnt.config
        found = [x.scores["yes"] for x in again.classify(TEXTS)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
def test_exports_give_what_the_model_gives(learnt, tmp_path):
    learnt.export(tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    found = loaded.signatures["serving_default"](text=tf.constant(TEXTS))
    for row, answer in zip(
        found["scores"].numpy(), learnt.classify(TEXTS), strict=True
    ):
        np.testing.assert_allclose(row, [*answer.scores.values()], rtol=1e-4)


def test_a_head_is_that_of_the_shape_unless_it_is_asked_for():
    assert made("cnn_rand").head == "convolution"
    assert made("bilstm_rand", head="ends").head == "ends"
    with pytest.raises(ValueError, match="unknown head 'convolutions': did you mean"):
        made("cnn_rand", head="convolutions")


def test_the_norms_of_classes_are_bounded():
    task = made("cnn_rand")
    task.classifier.classes.kernel.assign(np.full([300, 2], 2.0, "float32"))
    task.compile(keras.optimizers.SGD(1e-6))
    task.fit(np.array(GOOD), np.array(["yes", "no"]), batch_size=2, verbose=0)
    norms = np.linalg.norm(task.classifier.classes.kernel.numpy(), axis=0)
    np.testing.assert_allclose(norms, 3.0, rtol=1e-4)


def test_spelling_is_for_taggers_and_their_tokenizers():
    sizes = {"character_size": 4, "character_maps": 3}
    with pytest.raises(ValueError, match="train a WordTokenizer with spelled=True"):
        made("cnn_rand", **sizes)
    spelled = WordTokenizer.train(texts=GOOD, spelled=True)
    with pytest.raises(ValueError, match="a classifier reads words and not their b"):
        TextClassifier.from_preset("cnn_rand", spelled, labels=["a", "b"], **sizes)
