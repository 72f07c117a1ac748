"""Scores from gradients: completeness, and equality with a sum by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentSeq2SeqConfig
from massivetext_keras.explain import explain
from massivetext_keras.explain.methods import question_of
from massivetext_keras.explain.questions import base_token
from massivetext_keras.tasks import (
    CausalLM,
    QuestionAnswerer,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from tests.explain.noise import labelled
from tests.tasks.tiny import TINY, byte_lm, encoder_task, randomize

TEXT = "the unbelievable cat sat on, the dog"


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return labelled(num_layers=2)


@pytest.fixture(scope="module")
def tasks(classifier) -> dict:
    tokens = ByteTokenizer()
    pair = TINY.replace(
        stack="encoder_decoder", vocabulary_size=259, num_layers=1, num_decoder_layers=1
    )
    recurrent = RecurrentSeq2SeqConfig(
        vocabulary_size=259, num_layers=1, hidden_size=8, max_length=64
    )
    return {
        "classifier": (classifier, {}),
        "pairs": (classifier, {"beside": "on the mat"}),
        "tagger": (
            encoder_task(TokenClassifier, labels=["PER", "LOC"]),
            {"target": (4, 20, "LOC")},
        ),
        "answerer": (
            encoder_task(QuestionAnswerer),
            {"beside": "sat on", "target": (4, 20)},
        ),
        "embedder": (
            encoder_task(TextEmbedder, prompts={"q": "the dog "}, prompt="q"),
            {"target": "a mat"},
        ),
        "language model": (byte_lm(), {"target": " mat"}),
        "translator": (
            randomize(Seq2SeqLM(pair, tokens, prefix="do: ")),
            {"target": "un"},
        ),
        "recurrent translator": (
            randomize(Seq2SeqLM(recurrent, tokens)),
            {"target": "un"},
        ),
    }


EVERY = [
    "classifier",
    "pairs",
    "tagger",
    "answerer",
    "embedder",
    "language model",
    "translator",
    pytest.param("recurrent translator", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", EVERY)
def test_integrated_gradients_are_complete(tasks, name):
    """The scores sum to the difference of the outputs, which are the task's own."""
    task, how = tasks[name]
    found = explain(task, TEXT[:24], "integrated_gradients", **how)
    wanted = found.output - found.base
    assert wanted != 0.0 and abs(found.gap) <= 0.01 * abs(wanted)
    hidden = explain(task, TEXT[:24], "occlusion", **how)
    np.testing.assert_allclose(
        [hidden.output, hidden.base], [found.output, found.base], rtol=1e-5, atol=1e-5
    )
    starts, ends = found.offsets.T
    assert found.tokens == tuple(TEXT[a:b] for a, b in found.offsets)
    assert (starts[1:] >= starts[:-1]).all() and (ends <= 24).all()


def test_the_output_is_the_logit_of_the_class(classifier):
    found = explain(classifier, TEXT, target="spam")
    logits = classifier.texts_graph.rows([TEXT])["_logits"][0]
    assert found.output == pytest.approx(logits[1], rel=1e-5)
    sure = explain(classifier, TEXT, target="spam", output="probability")
    assert sure.output == pytest.approx(classifier.classify(TEXT).scores["spam"], 1e-5)
    assert abs(sure.gap) <= 0.01 * abs(sure.output - sure.base)


def test_classes_of_two_have_gradients_of_their_own(classifier):
    scores = [
        explain(classifier, TEXT, "gradient_x_input", target=x).scores
        for x in classifier.labels
    ]
    assert abs(scores[0] - scores[1]).max() > 0.01


def test_gradient_x_input_is_that_of_finite_differences(classifier):
    """Vectors a little longer and shorter, given in place of the embedding's rows."""
    question = question_of(classifier, TEXT, "spam")
    found = explain(classifier, TEXT, "gradient_x_input", target="spam")
    features = {k: x[None] for k, x in question.features.items()}
    rows = classifier.backbone.tokens(features["token_ids"]).numpy()

    step, count = 0.01, len(question.places)
    vectors = np.repeat(rows, 2 * count, axis=0)
    for n, at in enumerate(question.places):
        vectors[n, at] *= 1 + step
        vectors[count + n, at] *= 1 - step
    features = {k: np.repeat(x, 2 * count, axis=0) for k, x in features.items()}
    logits = classifier({**features, "token_vectors": vectors})[:, 1].numpy()
    by_hand = (logits[:count] - logits[count:]) / (2 * step)
    np.testing.assert_allclose(found.scores, by_hand, rtol=0.02, atol=3e-4)
    assert abs(found.scores).max() > 0.05


def test_own_vectors_are_the_embedding(tasks):
    """`token_vectors` in place of ids give what the ids give, in every model."""
    for task, _ in tasks.values():
        if isinstance(task, Seq2SeqLM):
            ids = tf.constant([[101, 102, 2]])
            given = {"encoder_token_ids": ids, "decoder_token_ids": ids[:, :2]}
            table = getattr(task.backbone, "encoder_tokens", task.backbone.tokens)
            more = {"encoder_token_vectors": table(ids)}
        else:
            ids = tf.constant([[2, 5, 6, 3]])
            given = {"token_ids": ids}
            more = {"token_vectors": task.backbone.tokens(ids)}
        np.testing.assert_array_equal(task(given), task({**given, **more}))
        doubled = {name: 2.0 * x for name, x in more.items()}
        assert not np.allclose(task(given), task({**given, **doubled}))


def test_recurrent_models_read_vectors(classifier):
    task = CausalLM.from_preset(
        "lstm_small",
        tokenizer=ByteTokenizer(),
        num_layers=1,
        hidden_size=8,
        embedding_size=8,
    )
    randomize(task)
    found = explain(task, "the cat", target=" sat")
    assert abs(found.gap) <= 0.01 * abs(found.output - found.base)


def test_texts_of_many_lengths_are_explained_together(classifier):
    """Padding and neighbours in a batch change nothing."""
    texts = [TEXT, "cat", "the dog sat", ""]
    together = explain(classifier, texts, target="ham")
    for text, found in zip(texts, together, strict=True):
        alone = explain(classifier, text, target="ham")
        assert found.text == text and found.tokens == alone.tokens
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
    assert together[3].tokens == () and together[3].output == together[3].base


def test_words_have_the_sums_of_their_tokens(classifier):
    found = explain(classifier, TEXT, target="ham")
    words = found.words()
    assert found.tokens[1:4] == ("un", "believ", "able")
    assert words.tokens[1] == "unbelievable" and words.tokens[5] == ","
    assert words.scores[1] == pytest.approx(found.scores[1:4].sum(), rel=1e-4)
    assert words.offsets[1].tolist() == [4, 16]
    assert words.gap == pytest.approx(found.gap, abs=1e-5)


def test_the_base_is_the_masking_token(classifier):
    assert base_token(classifier.tokenizer) == classifier.tokenizer.mask_id
    padding = explain(classifier, TEXT, target="ham", baseline="[PAD]")
    assert padding.base != explain(classifier, TEXT, target="ham").base
    with pytest.raises(ValueError, match=r"'\[NO\]' is no token"):
        explain(classifier, TEXT, baseline="[NO]")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"method": "integrated"}, "integrated_gradients"),
        ({"target": "hm"}, "ham"),
        ({"output": "logits"}, "logit"),
        ({"unit": "word"}, "is for occlusion, lime, shapley, partition"),
        ({"samples": 3}, "integrated_gradients has no option 'samples'"),
        ({"method": "occlusion", "unit": "words"}, "word"),
    ],
)
def test_what_is_wrong_is_named(classifier, how, message):
    with pytest.raises(ValueError, match=message):
        explain(classifier, TEXT, **how)


def test_what_other_tasks_need_is_named(tasks):
    with pytest.raises(ValueError, match="give it as beside="):
        explain(tasks["answerer"][0], TEXT)
    with pytest.raises(ValueError, match="give it as target="):
        explain(tasks["embedder"][0], TEXT)
    with pytest.raises(ValueError, match="reads no second text"):
        explain(tasks["embedder"][0], TEXT, target="a", beside="b")
    with pytest.raises(ValueError, match="has no word"):
        explain(tasks["tagger"][0], TEXT, target=(3, 4, "LOC"))
