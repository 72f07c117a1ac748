"""Which tokens are hidden, how many, by what, and that it can be repeated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import Masking, masked_batches
from massivetext_keras.data.objectives.masked import two_texts
from massivetext_keras.tokenizers import (
    ByteTokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
TOKENS = np.arange(5, 5 + 200, dtype="int32")  # a token tells its place


def pieces(count: int = 200, continuing=()) -> WordPieceTokenizer:
    names = [f"##w{i}" if i in continuing else f"w{i}" for i in range(5, 5 + count)]
    return WordPieceTokenizer([*SPECIAL, *names])


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def restored(features, labels, weights) -> np.ndarray:
    """The rows as they were, from what a batch says of them."""
    rows = features["token_ids"].copy()
    for row, positions, ids, real in zip(
        rows, features["masked_positions"], labels, weights, strict=True
    ):
        row[positions[real == 1]] = ids[real == 1]
    return rows


def test_shares_are_those_of_the_paper():
    rows = np.random.default_rng(0).integers(5, 205, [400, 102]).astype("int32")
    rows[:, 0], rows[:, 81], rows[:, 82:] = CLS, SEP, PAD
    features, labels, weights = Masking(pieces(), MASK)(tf.constant(rows), [3, 4])
    features, labels, weights = tf.nest.map_structure(
        lambda x: x.numpy(), (features, labels, weights)
    )
    assert labels.shape == weights.shape == (400, 15)  # 15 % of 102
    assert (weights.sum(axis=1) == 12).all()  # 15 % of the 80 that are text
    assert np.array_equal(restored(features, labels, weights), rows)
    positions = features["masked_positions"]
    assert all(len(set(row)) == 15 for row in positions.tolist())
    chosen = positions[weights == 1]
    assert chosen.min() >= 1 and chosen.max() <= 80
    # Every place as often as another: 4800 choices among 80 places, 60 +- 7.2.
    counts = np.bincount(chosen, minlength=81)[1:]
    assert abs(counts - 60).max() < 5 * 7.2
    now = np.take_along_axis(features["token_ids"], positions, 1)[weights == 1]
    was = labels[weights == 1]
    shares = [(now == MASK).mean(), ((now != MASK) & (now != was)).mean()]
    assert shares == pytest.approx([0.8, 0.1 * 199 / 200], abs=0.025)
    assert now[now != MASK].min() >= 5  # no other special id is put in
    others = now[(now != MASK) & (now != was)]
    assert len(set(others)) > 150


def test_masks_are_a_function_of_the_seeds():
    rows = tf.constant(np.random.default_rng(1).integers(5, 205, [4, 40]), tf.int32)
    masking = Masking(pieces(), MASK)
    first, again, other = (
        masking(rows, seeds)[0]["token_ids"].numpy()
        for seeds in ([1, 2], [1, 2], [1, 3])
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_few_tokens_have_one_mask_and_none_have_none():
    rows = tf.constant([[CLS, 9, SEP, PAD, PAD], [CLS, SEP, PAD, PAD, PAD]])
    features, labels, weights = Masking(pieces(), MASK, mask_share=1, random_share=0)(
        rows, [0, 0]
    )
    assert features["token_ids"].numpy().tolist() == [
        [CLS, MASK, SEP, PAD, PAD],
        [CLS, SEP, PAD, PAD, PAD],
    ]
    assert weights.numpy().tolist() == [[1.0], [0.0]]
    assert labels.numpy()[0].tolist() == [9]


def test_whole_words_are_hidden_or_not():
    tokenizer = pieces(continuing=[i for i in range(5, 205) if i % 3])  # 3 to a word
    rows = np.random.default_rng(2).permutation(66)[:50] * 3 + 6
    rows = (rows[:, None] + np.arange(3)).reshape(3, 50)
    rows = np.concatenate([[[CLS]] * 3, rows, [[SEP]] * 3], axis=1).astype("int32")
    masking = Masking(tokenizer, MASK, 0.3, 1.0, 0.0, whole_words=True)
    begins = tokenizer.begins_word()
    sizes = []
    for k in range(30):
        features, _, weights = masking(tf.constant(rows), [0, k])
        hidden = features["token_ids"].numpy() == MASK
        assert hidden.sum() == weights.numpy().sum()
        for row, mask in zip(rows, hidden, strict=True):
            words, word = {}, 0
            for place, token in enumerate(row):
                word += begins[token] or begins[row[place - 1]] and row[place - 1] < 5
                words.setdefault(word, []).append(mask[place])
            assert all(len(set(word)) == 1 for word in words.values())
            sizes.append(mask.sum())
    assert max(sizes) <= 15 and np.mean(sizes) > 12.5


def test_words_of_tokenizers_whose_tokens_begin_with_spaces():
    texts = ["the cat sat on the mat and the cat ran"] * 5
    tokenizer = SentencePieceTokenizer.train(texts=texts, vocabulary_size=290)
    ids = tokenizer("the cat sat")
    found = np.array(tokenizer.begins_word())[ids.numpy()]
    text = [tokenizer.detokenize([i]).numpy().decode() for i in ids.numpy()]
    assert found.tolist() == [piece.startswith(" ") for piece in text]
    begins = ByteTokenizer().begins_word()
    assert [begins[b + 3] for b in b"a b\nc"] == [False, True, False, True, False]


@pytest.mark.parametrize("validation", [False, True])
def test_rows_are_framed_windows_of_the_text(validation):
    batches = masked_batches(
        TOKENS, 3, 12, Masking(pieces(), MASK), seed=5, validation=validation
    )
    firsts = []
    for features, labels, weights in take(batches, 7):
        real = weights.sum(axis=1) > 0
        rows = restored(features, labels, weights)[real]
        assert (rows[:, 0] == CLS).all() and (rows[:, -1] == SEP).all()
        assert (rows[:, 1:-1] == rows[:, 1:2] + np.arange(10)).all()
        assert features["token_ids"].dtype == labels.dtype == np.int32
        assert set(features) == {"token_ids", "masked_positions"}
        firsts += rows[:, 1].tolist()
    if validation:
        assert firsts == list(range(5, 205, 10))  # all, once, in order
    else:
        assert len(firsts) == 21 and firsts != sorted(firsts)


def test_batches_are_a_function_of_their_number():
    def batches(seed, start=0, count=3):
        masking = Masking(pieces(), MASK)
        dataset = masked_batches(TOKENS, 2, 12, masking, seed=seed, start=start)
        return [x["token_ids"].tolist() for x, _, _ in take(dataset, count)]

    whole = batches(1, count=6)
    assert batches(1, start=4, count=2) == whole[4:]
    assert batches(2, count=6) != whole
    epochs = batches(1, count=19)  # 19 windows of 10, in batches of 2
    assert epochs[0] not in epochs[1:]


@pytest.mark.parametrize("objective", ["next", "order"])
def test_two_texts(objective):
    windows = np.arange(8000, dtype="int32").reshape(1000, 8) + 10
    rows, more = two_texts(pieces(), tf.constant(windows), objective, [0, 1])
    rows, labels = rows.numpy(), more["sentence_labels"].numpy()
    assert rows.shape == (1000, 9) and more["segment_ids"].shape == (1000, 11)
    assert labels.mean() == pytest.approx(0.5, abs=0.06)
    cuts = []
    for i, (row, wrong) in enumerate(zip(rows, labels, strict=True)):
        cut = row.tolist().index(SEP)
        first, second = row[:cut], row[cut + 1 :]
        cuts.append(cut)
        segments = more["segment_ids"][i].numpy().tolist()
        assert segments == [0] * (cut + 2) + [1] * (9 - cut)
        window, before = windows[i].tolist(), windows[i - 1].tolist()
        if not wrong:
            assert [*first, *second] == window
        elif objective == "order":
            assert [*second, *first] == window
        else:
            assert [*first, *before[:0], *second] == window[:cut] + before[cut:]
    assert set(cuts) == {2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0.0}, "rate of masking must be in"),
        ({"mask_share": 0.9, "random_share": 0.2}, "are no shares"),
    ],
    ids=str,
)
def test_shares_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Masking(pieces(), MASK, **arguments)


def test_too_little_text_or_room():
    masking = Masking(pieces(), MASK)
    with pytest.raises(ValueError, match="9 tokens, too few for one window .* 10: "):
        masked_batches(TOKENS[:9], 1, 12, masking)
    with pytest.raises(ValueError, match="sequence_length 3 has no room"):
        masked_batches(TOKENS, 1, 3, masking)
