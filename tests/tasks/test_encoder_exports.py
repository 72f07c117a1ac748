"""Exports of tasks on encoders: strings in, what the model gives out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.saving.export import Probe
from massivetext_keras.tasks import (
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    TextEmbedder,
)
from tests.tasks.tiny import encoder_task

pytestmark = pytest.mark.slow


def exported(task, folder) -> tuple:
    task.export(folder / "1")
    loaded = tf.saved_model.load(str(folder / "1"))
    config = json.loads((folder / "1" / "config.json").read_text())
    return loaded, loaded.signatures, config["signatures"]


def test_gaps_and_scores(tmp_path):
    lm = encoder_task(MaskedLM, dtype="mixed_bfloat16")
    _keep, signatures, described = exported(lm, tmp_path)
    assert described["serving_default"] == {
        "inputs": ["text"],
        "outputs": ["filled", "score", "token"],
    }
    texts = ["the [MASK] sat", "[MASK] , dog"]
    fills = lm.fill_mask(texts, top_k=5)
    given = signatures["serving_default"](text=tf.constant(texts))
    for i, row in enumerate(fills):
        assert [f.text for f in row] == [t.decode() for t in given["filled"].numpy()[i]]
        scores = [f.score for f in row]
        np.testing.assert_allclose(given["score"][i], scores, rtol=1e-4)
    scores = signatures["score"](text=tf.constant(texts))["log_probability"]
    np.testing.assert_allclose(scores, lm.score(texts), rtol=1e-4)
    for count in (0, -1, 99):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="top_k must be between"
        ):
            signatures["fill_mask"](text=tf.constant(texts), top_k=tf.constant(count))
    with pytest.raises(tf.errors.InvalidArgumentError, match="every text needs one"):
        signatures["serving_default"](text=tf.constant(["[MASK] [MASK]", "[MASK]"]))


def test_vectors(tmp_path):
    embedder = encoder_task(TextEmbedder, unit_length=False)
    _keep, signatures, described = exported(embedder, tmp_path)
    assert described["embed"] == {"inputs": ["text"], "outputs": ["embedding"]}
    texts = ["the cat", "", "unbelievable dogs"]
    for name in ("embed", "serving_default"):
        given = signatures[name](text=tf.constant(texts))["embedding"]
        np.testing.assert_allclose(given, embedder.embed(texts), rtol=1e-4, atol=1e-5)


def test_replaced_tokens(tmp_path):
    detector = encoder_task(ReplacedTokenDetector)
    _keep, signatures, _ = exported(detector, tmp_path)
    given = signatures["serving_default"](text=tf.constant(["the cat", "sat"]))
    assert given["token"].numpy().tolist() == [[b"the", b"cat"], [b"sat", b""]]
    scores = [score for _, score in detector.detect("the cat")]
    np.testing.assert_allclose(given["score"][0], scores, rtol=1e-4)
    assert given["score"].numpy()[1, 1] == -1.0


@pytest.mark.parametrize(("unanswerable", "threshold"), [(False, 0.0), (True, -0.5)])
def test_answers(tmp_path, unanswerable, threshold):
    options = {"stride": 8, "unanswerable": unanswerable, "null_threshold": threshold}
    answerer = encoder_task(QuestionAnswerer, dtype="mixed_bfloat16", **options)
    _keep, signatures, described = exported(answerer, tmp_path)
    assert (
        described["serving_default"]
        == described["answer"]
        == {
            "inputs": ["question", "context"],
            "outputs": ["end", "score", "start", "text"],
        }
    )
    questions = ["the cat", "dog", "", "sat", "on"]
    contexts = ["the dog sat on mat " * 9, "", "é cat 🙂 dog", " \n\u3000", "sat\0on"]
    wanted = answerer.answer(questions, contexts)
    assert any(answer.text for answer in wanted)
    for name in ("answer", "serving_default"):
        asked = {"question": tf.constant(questions), "context": tf.constant(contexts)}
        given = signatures[name](**asked)
        assert [t.decode() for t in given["text"].numpy()] == [x.text for x in wanted]
        places = zip(given["start"].numpy(), given["end"].numpy(), strict=True)
        assert list(places) == [(x.start, x.end) for x in wanted]
        np.testing.assert_allclose(given["score"], [x.score for x in wanted], rtol=1e-3)
        nothing = signatures[name](**{key: x[:0] for key, x in asked.items()})
        assert nothing["text"].shape == nothing["start"].shape == [0]


def test_answers_of_equal_scores_are_not_taken_for_errors(tmp_path):
    """A head that knows nothing: all spans are equal but for the last bits."""
    answerer = encoder_task(QuestionAnswerer, stride=8)
    answerer.head.kernel.assign(answerer.head.kernel * 1e-7)
    answerer.export(tmp_path / "1")


def test_what_an_export_gives_is_compared_with_the_model(tmp_path, monkeypatch):
    embedder = encoder_task(TextEmbedder)
    other = Probe("embed", {"text": ["a"]}, {"embedding": np.zeros([1, 16])})
    monkeypatch.setattr(embedder, "probes", lambda: [other])
    with pytest.raises(RuntimeError, match="the export's embed.* gives embedding="):
        embedder.export(tmp_path / "1")
    assert list(tmp_path.iterdir()) == []
