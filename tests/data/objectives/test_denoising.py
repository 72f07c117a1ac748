"""Damage can be undone, has the size that was asked for, and is repeatable."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data.objectives.denoising import denoising_batches
from massivetext_keras.data.objectives.infilling import Infilling, permute_sentences
from massivetext_keras.data.objectives.spans import SpanCorruption
from massivetext_keras.tokenizers import ByteTokenizer

TEXTS = tf.reshape(tf.range(1, 401), [4, 100])


def restored(source, target, sentinel) -> list[int]:
    """Puts every span of the target where the source has its sentinel."""
    spans, number = {}, None
    for token in target:
        if token > 900:
            number = token
            spans[number] = []
        else:
            spans[number].append(token)
    assert list(spans) == list(range(sentinel, sentinel - len(spans), -1))
    parts = [spans.pop(token) if token > 900 else [token] for token in source]
    assert not spans
    return list(itertools.chain(*parts))


def test_span_corruption_moves_15_percent_in_spans_of_3():
    damage = SpanCorruption(sentinel_id=999)
    seen = []
    for k in range(50):
        sources, targets = damage(TEXTS, tf.constant([0, k]))
        # 85 kept, 15 left out, 5 spans
        assert sources.shape == (4, 90)
        assert targets.shape == (4, 20)
        for row, source, target in zip(TEXTS, sources, targets, strict=True):
            source, target = source.numpy().tolist(), target.numpy().tolist()
            assert restored(source, target, 999) == row.numpy().tolist()
            assert target[0] == 999
            seen += [token % 100 for token in target if token < 900]
    # The first token is always kept, every other one may be left out.
    assert set(seen) == set(range(100)) - {1}


def test_published_lengths_of_span_corruption():
    # T5 corrupts 568 tokens to make 512, its end included, and 114 targets.
    damage = SpanCorruption(sentinel_id=32099)
    sources, targets = damage(tf.zeros([1, 568], tf.int32), tf.constant([0, 0]))
    assert (sources.shape[1] + 1, targets.shape[1] + 1) == (512, 114)


def test_infilling_hides_30_percent_in_poisson_spans():
    sizes = []
    for k in range(60):
        sources, targets = Infilling(mask_id=0)(TEXTS, tf.constant([1, k]))
        np.testing.assert_array_equal(targets, TEXTS)
        for row, source in zip(TEXTS.numpy(), sources.to_list(), strict=True):
            kept = [token for token in source if token]
            assert len(kept) == 70
            assert kept == sorted(kept), "what stays is in order"
            assert not any(a == b == 0 for a, b in itertools.pairwise(source))
            ends = [row[0] - 1, *source, row[-1] + 1]
            sizes += [
                after - before - 1
                for before, token, after in zip(ends, ends[1:], ends[2:], strict=False)
                if token == 0
            ]
    assert np.mean(sizes) == pytest.approx(3.0, abs=0.15)
    share = np.bincount(sizes, minlength=4)[:4] / len(sizes)
    np.testing.assert_allclose(share, [0.05, 0.149, 0.224, 0.224], atol=0.04)


def test_sentences_are_permuted_whole():
    text, orders = tf.constant([[1, 2, 9, 3, 9, 4, 5]]), set()
    for k in range(30):
        row = permute_sentences(text, tf.constant([0, k]), (9,)).numpy()[0].tolist()
        orders.add(tuple(row))
    sentences = [(1, 2, 9), (3, 9), (4, 5)]
    all_orders = {
        tuple(itertools.chain(*order)) for order in itertools.permutations(sentences)
    }
    assert orders == all_orders


@pytest.mark.parametrize(
    ("damage", "widths"),
    [(SpanCorruption(999), (19, 5)), (Infilling(0, sentence_ends=(7,)), (21, 21))],
    ids=["spans", "infilling"],
)
def test_batches_are_functions_of_the_seed_and_k(damage, widths):
    tokens = np.arange(3, 203, dtype=np.int32)
    arguments = (tokens, 4, 20, damage, ByteTokenizer(), 0)

    def made(count, **options):
        batches = denoising_batches(*arguments, **options).take(count)
        return list(batches.as_numpy_iterator())

    first = made(5, seed=3)
    for one, other in zip(first[2:], made(3, seed=3, start=2), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    features, labels, weights = first[0]
    assert features["encoder_token_ids"].shape == (4, widths[0])
    assert labels.shape == weights.shape == (4, widths[1])
    ends = features["encoder_padding_mask"].sum(1) - 1
    assert features["encoder_token_ids"][range(4), ends].tolist() == [2] * 4
    assert labels[:, -1].tolist() == [2] * 4
    assert features["decoder_token_ids"][:, 0].tolist() == [0] * 4
    np.testing.assert_array_equal(features["decoder_token_ids"][:, 1:], labels[:, :-1])
    assert not np.array_equal(labels, made(1, seed=4)[0][1])


def test_validation_has_every_window_once():
    tokens = np.arange(3, 263, dtype=np.int32) % 200 + 3
    for damage in (SpanCorruption(999), Infilling(0)):
        batches = denoising_batches(tokens, 4, 50, damage, ByteTokenizer(), 0, None)
        found = list(batches.as_numpy_iterator())
        assert len(found) == 2
        rows = np.concatenate([weights.any(1) for _, _, weights in found])
        assert rows.tolist() == [True] * 5 + [False] * 3
        again = list(batches.as_numpy_iterator())
        tf.nest.map_structure(np.testing.assert_array_equal, found, again)


@pytest.mark.parametrize("kind", [SpanCorruption, Infilling])
def test_too_much_damage_is_refused(kind):
    with pytest.raises(ValueError, match=r"density must be in \(0, 0.5\]"):
        kind(1, density=0.6)
