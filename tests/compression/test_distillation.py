"""A student learns the formula's loss, and nothing else of it changes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.compression import Distiller, student_of
from massivetext_keras.models.hidden import attention_maps, hidden_states
from massivetext_keras.tasks import (
    CausalLM,
    QuestionAnswerer,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import adamw
from tests.tasks.tiny import TINY, encoder_task, randomize

TEXTS, LABELS = ["the cat sat", "the dog sat on the mat", "un"], ["a", "b", "a"]
IDS = np.array([[2, 5, 6, 7, 3], [2, 5, 3, 0, 0]], np.int32)
FEATURES = {"token_ids": IDS, "padding_mask": (IDS > 0).astype(np.int32)}


def classifier(seed: int = 0, **changes) -> TextClassifier:
    changes = {"labels": ["a", "b"], "head_dropout": 0.0, "num_layers": 2, **changes}
    return encoder_task(TextClassifier, seed=seed, **changes)


def log_softmax(x):
    x = np.asarray(x, np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def kl(logits, wanted, temperature):
    found, right = (log_softmax(np.asarray(x) / temperature) for x in (logits, wanted))
    return (np.exp(right) * (right - found)).sum(-1)


def losses_of(distiller, *batch):
    features, labels, weights = tf.nest.map_structure(tf.constant, batch)
    if labels.dtype == tf.int64:
        labels = tf.cast(labels, tf.int32)
    return distiller.losses(features, labels, weights)


def test_the_loss_is_that_of_hinton():
    teacher, student = classifier(1), classifier(2)
    labels, weights = np.array([0, 1]), np.array([1.0, 0.5], np.float32)
    distiller = Distiller(teacher, student, temperature=3.0, alpha=0.3)
    (total,), rows, tallies = losses_of(distiller, FEATURES, labels, weights)
    logits, wanted = student(FEATURES).numpy(), teacher(FEATURES).numpy()
    own = -log_softmax(logits)[np.arange(2), labels]
    right = weights * (0.3 * own + 0.7 * 9.0 * kl(logits, wanted, 3.0))
    np.testing.assert_allclose(rows, right, rtol=1e-5)
    np.testing.assert_allclose(total, right.sum(), rtol=1e-5)
    assert tallies.shape == (1, 2)


def test_hidden_states_are_compared_where_there_are_tokens():
    teacher = classifier(1, num_layers=4)
    student = classifier(2, hidden_size=8, num_heads=2)
    weights = np.array([1.0, 0.5], np.float32)
    distiller = Distiller(teacher, student, alpha=1.0, hidden=True, hidden_weight=0.1)
    assert distiller.blocks == {0: 1, 1: 3}
    (total,), *_ = losses_of(distiller, FEATURES, np.array([0, 1]), weights)
    with hidden_states() as own:
        logits = student(FEATURES).numpy()
    with hidden_states() as wanted:
        teacher(FEATURES)
    right = (-log_softmax(logits)[[0, 1], [0, 1]] * weights).sum()
    mask = FEATURES["padding_mask"]
    for i, (one, other) in enumerate(distiller.blocks.items()):
        kernel = distiller.projections[i].numpy()
        squares = ((own[one] @ kernel - wanted[other]) ** 2).numpy().mean(-1)
        means = (squares * mask).sum(1) / mask.sum(1)
        right += 0.1 * 0.5 * (means * weights).sum()
    np.testing.assert_allclose(total, right, rtol=1e-5)


def test_attention_is_compared_where_tokens_look():
    teacher, student = classifier(1, num_layers=4), classifier(2)
    weights = np.array([1.0, 0.5], np.float32)
    how = {"alpha": 1.0, "attention": {1: 2}, "attention_weight": 0.3}
    distiller = Distiller(teacher, student, **how)
    (total,), *_ = losses_of(distiller, FEATURES, np.array([0, 1]), weights)
    maps = []
    for task in (student, teacher):
        with attention_maps() as found:
            logits = task(FEATURES).numpy()
        maps.append([x.numpy().astype(np.float64) for x in found])
        if task is student:
            right = (-log_softmax(logits)[[0, 1], [0, 1]] * weights).sum()
    own, wanted, mask = maps[0][1], maps[1][2], FEATURES["padding_mask"]
    assert own.shape == (2, 4, 5, 5)
    np.testing.assert_allclose(own.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(own[1, :, :, 3:], 0)  # padding
    ratio = np.log(np.maximum(wanted, 1e-30) / np.maximum(own, 1e-30))
    apart = (wanted * ratio).sum(-1).mean(1)
    right += 0.3 * ((apart * mask).sum(1) / mask.sum(1) * weights).sum()
    np.testing.assert_allclose(total, right, rtol=1e-5)
    with pytest.raises(ValueError, match="the teacher has 4 heads, the student 2"):
        Distiller(teacher, classifier(2, num_heads=2), attention=True)


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_with_alpha_1_it_is_plain_training(micro_batches):
    plain, taught = classifier(2, dropout=0.1), classifier(2, dropout=0.1)
    taught.randomness.state.assign(plain.randomness.state)  # of dropout
    for task in (plain, taught):
        task.compile(adamw(1e-2), micro_batches=micro_batches)
    how = {"batch_size": 3, "epochs": 3, "verbose": 0, "shuffle": False}
    plain.fit(TEXTS, LABELS, **how)
    with Distiller(classifier(1), taught, alpha=1.0):
        taught.fit(TEXTS, LABELS, **how)
    for one, other in zip(plain.weights, taught.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_student_comes_to_say_what_its_teacher_says(tmp_path):
    teacher = classifier(1, num_layers=4)
    before = [w.numpy() for w in teacher.weights]
    student = student_of(teacher, [1, 3])
    names = [w.path for w in student.weights]
    student.compile(adamw(1e-2))
    logits = teacher.predict(TEXTS, verbose=0)
    first = kl(student.predict(TEXTS, verbose=0), logits, 1.0).mean()
    with Distiller(teacher, student, alpha=0.0, hidden=True):
        student.fit(TEXTS, LABELS, epochs=60, verbose=0)
    found = student.predict(TEXTS, verbose=0)
    assert kl(found, logits, 1.0).mean() < 0.02 * first
    for weight, old in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert [w.path for w in student.weights] == names
    student.save_preset(tmp_path / "student")
    loaded = TextClassifier.from_preset(str(tmp_path / "student"))
    np.testing.assert_allclose(loaded.predict(TEXTS, verbose=0), found, atol=1e-6)


def test_projections_are_trained_with_the_student():
    student = classifier(2, hidden_size=8, num_heads=2)
    student.compile(adamw(1e-2))
    with Distiller(classifier(1), student, hidden={1: 1}) as distiller:
        (kernel,) = distiller.projections
        before = kernel.numpy()
        assert any(kernel is weight for weight in student.trainable_variables)
        student.fit(TEXTS, LABELS, verbose=0)
        assert np.abs(kernel - before).max() > 1e-3
    assert not any(kernel is weight for weight in student.trainable_variables)
    student.compile(adamw(1e-2))
    student.fit(TEXTS, LABELS, verbose=0)


def pair(make):
    return make(1), make(2)


def test_taggers():
    labels = np.array([[0, 1, 2, 0, 0], [0, 1, 0, 0, 0]])
    weights = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]], np.float32)
    for crf in (False, True):
        teacher, student = pair(
            lambda seed, crf=crf: encoder_task(
                TokenClassifier, seed=seed, labels=["PER"], crf=crf
            )
        )
        distiller = Distiller(teacher, student, alpha=0.0)
        (total,), *_ = losses_of(distiller, FEATURES, labels, weights)
        soft = kl(student(FEATURES), teacher(FEATURES), 2.0)
        np.testing.assert_allclose(total, 4.0 * (soft * weights).sum(), rtol=1e-5)


def test_answerers_of_whose_choices_padding_is_none():
    teacher, student = pair(lambda seed: encoder_task(QuestionAnswerer, seed=seed))
    ids = np.array([[2, 5, 3, 6, 7, 3, 0]], np.int32)
    segments = np.array([[0, 0, 0, 1, 1, 1, 0]], np.int32)
    features = {"token_ids": ids, "padding_mask": np.int32(ids > 0)}
    features["segment_ids"] = segments
    distiller = Distiller(teacher, student, alpha=0.0)
    batch = features, np.array([[3, 4]]), np.ones([1], np.float32)
    (total,), *_ = losses_of(distiller, *batch)
    pairs = [x.choices(x(features), features).numpy() for x in (student, teacher)]
    assert (pairs[0][0, :, [1, 2, 6]] < -1e3).all()
    np.testing.assert_allclose(total, 4.0 * kl(*pairs, 2.0).mean(), rtol=1e-5)


def test_language_models_and_translators():
    ids = np.array([[5, 6, 7, 8]])
    weights = np.array([[1.0, 1.0, 0.0, 2.0]], np.float32)
    lm = [randomize(CausalLM(TINY), seed) for seed in (1, 2)]
    config = TINY.replace(stack="encoder_decoder", num_layers=1)
    translators = [randomize(Seq2SeqLM(config), seed) for seed in (1, 2)]
    texts = {"encoder_token_ids": ids[:, :3], "decoder_token_ids": ids}
    for (teacher, student), features in (
        (lm, {"token_ids": ids}),
        (translators, texts),
    ):
        distiller = Distiller(teacher, student, alpha=0.25, temperature=1.0)
        (total,), *_ = losses_of(distiller, features, ids, weights)
        (own,), *_ = student.summed_loss(features, ids, weights, True)
        soft = kl(student(features), teacher(features), 1.0)
        right = 0.25 * own + 0.75 * (soft * weights).sum()
        np.testing.assert_allclose(total, right, rtol=1e-5)
    with pytest.raises(ValueError, match="hidden: blocks are compared of one stack"):
        Distiller(*translators, hidden=True)


def test_several_labels_are_choices_each():
    teacher, student = pair(lambda seed: classifier(seed, problem="multi_label"))
    distiller = Distiller(teacher, student, alpha=0.0, temperature=1.0)
    labels, weights = np.ones([2, 2], np.float32), np.ones([2], np.float32)
    (total,), *_ = losses_of(distiller, FEATURES, labels, weights)
    found, right = (1 / (1 + np.exp(-x(FEATURES))) for x in (student, teacher))
    soft = right * np.log(right / found) + (1 - right) * np.log(
        (1 - right) / (1 - found)
    )
    np.testing.assert_allclose(total, soft.mean(1).sum(), rtol=1e-4)


def test_a_student_of_all_blocks_is_its_teacher():
    teacher = classifier(1, num_layers=3)
    same = student_of(teacher, [0, 1, 2])
    np.testing.assert_array_equal(same(FEATURES), teacher(FEATURES))
    upper = student_of(teacher, [2], dropout=0.3)
    assert upper.config == teacher.config.replace(num_layers=1, dropout=0.3)
    found = upper.named_weights()["stack/block_0/feed_forward/up/kernel"]
    right = teacher.named_weights()["stack/block_2/feed_forward/up/kernel"]
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer": ByteTokenizer(), "vocabulary_size": 259}, "another vocabulary"),
        ({"labels": ["b", "a"]}, r"the student's \['b', 'a'\]"),
    ],
)
def test_pairs_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Distiller(classifier(), classifier(**change))


def test_bad_input():
    teacher, student = pair(classifier)
    with pytest.raises(ValueError, match="its own teacher"):
        Distiller(teacher, teacher)
    with pytest.raises(ValueError, match="is a TextClassifier, the student a Token"):
        Distiller(teacher, encoder_task(TokenClassifier, labels=["PER"]))
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        Distiller(teacher, student, temperature=0)
    with pytest.raises(ValueError, match="alpha must be from 0 to 1, got 2"):
        Distiller(teacher, student, alpha=2)
    with pytest.raises(ValueError, match="teacher has blocks 0 to 1, not 2"):
        Distiller(teacher, student, hidden={0: 2})
    with pytest.raises(ValueError, match="some of 0 to 1, rising"):
        student_of(teacher, [1, 0])
    embedders = pair(lambda seed: encoder_task(TextEmbedder, seed=seed))
    with pytest.raises(ValueError, match="gives no probabilities"):
        Distiller(*embedders)
    with Distiller(teacher, student), pytest.raises(ValueError, match="another teach"):
        Distiller(teacher, student).__enter__()
