"""From texts to ids, blocks of neighbours and counts of pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from massivetext_keras.configs import WordVectorsConfig
from massivetext_keras.tasks.word_vectors import glove
from massivetext_keras.tasks.word_vectors.batches import BLOCK, blocks, blocks_of
from massivetext_keras.tasks.word_vectors.vocabulary import Vocabulary, read_words

TEXTS = ["the cat saw the dog\n\nThe end", "a cat , a dog"]


def test_words_by_frequency_and_their_ids():
    vocabulary, stream = read_words(TEXTS, "words", True, 2)
    assert vocabulary.words == ["the", "cat", "dog", "a"]
    assert vocabulary.counts.tolist() == [3, 2, 2, 2]
    mark = 4
    assert stream.array().tolist() == [0, 1, 0, 2, mark, 0, mark, 3, 1, 3, 2, mark]
    again, other = read_words(["dog bird"], "words", False, 1, vocabulary)
    assert again is vocabulary and other.array().tolist() == [2, mark]


def test_words_come_back_from_a_file(tmp_path):
    vocabulary = Vocabulary(["the", "\t", "a\\b", "北", "\u200b"], [9, 4, 3, 2, 1])
    vocabulary.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert again.words == vocabulary.words
    assert again.counts.tolist() == vocabulary.counts.tolist()
    (tmp_path / "words.tsv").write_text("the\t9\ncat\n")
    with pytest.raises(ValueError, match=r"words.tsv:2: no word and its count"):
        Vocabulary.load(tmp_path)


def test_blocks_hold_all_words_in_order():
    config = WordVectorsConfig(sample=0.0, window=3, min_count=1, seed=3)
    text = "\n".join(" ".join(f"w{i * j % 50}" for i in range(j)) for j in range(90))
    vocabulary, stream = read_words([text], "words", False, 1)
    first, *_ = blocks(stream, vocabulary, config).take(1)
    assert blocks_of(stream) == 2
    updates = -(-4005 // (2 * BLOCK))
    assert first["tokens"].shape == (updates, 2, BLOCK + 6)
    own = first["tokens"].numpy()[..., 3:-3].reshape(-1)
    ids = stream.array()
    expected = ids[ids != stream.mark]
    np.testing.assert_array_equal(own[: len(expected)], expected)
    sequences = first["sequences"].numpy()[..., 3:-3].reshape(-1)
    assert np.bincount(sequences[: len(expected)]).tolist() == list(range(1, 90))
    assert set(sequences[len(expected) :]) == {-1}
    behind = first["tokens"].numpy().reshape(-1, BLOCK + 6)[0, -3:]
    np.testing.assert_array_equal(behind, expected[BLOCK : BLOCK + 3])
    reach = first["reach"].numpy()
    assert np.unique(reach).tolist() == [1, 2, 3]


def test_batches_are_functions_of_the_seed_and_their_number():
    vocabulary, stream = read_words(TEXTS * 200, "words", True, 1)

    def batches(seed):
        config = WordVectorsConfig(seed=seed)
        return [x["drawn"].numpy() for x in blocks(stream, vocabulary, config).take(2)]

    one, same, other = batches(1), batches(1), batches(2)
    np.testing.assert_array_equal(one[0], same[0])
    assert np.any(one[0] != one[1]) and np.any(one[0] != other[0])


def test_frequent_words_are_left_out_and_drawn_by_their_frequency():
    rng = np.random.default_rng(0)
    share = np.array([0.6, 0.3, 0.1])
    text = " ".join(f"w{i}" for i in rng.choice(3, 60_000, p=share))
    vocabulary, stream = read_words([text], "words", False, 1)
    config = WordVectorsConfig(sample=0.05)
    (batch,) = blocks(stream, vocabulary, config).take(1)
    own = batch["tokens"].numpy()[..., 5:-5]
    own = own[batch["sequences"].numpy()[..., 5:-5] >= 0]
    ratio = 0.05 / share
    expected = share * np.minimum(np.sqrt(ratio) + ratio, 1.0) * 60_000
    np.testing.assert_allclose(np.bincount(own), expected, rtol=0.05)
    drawn = np.bincount(batch["drawn"].numpy().reshape(-1))
    power = share**0.75 / (share**0.75).sum()
    np.testing.assert_allclose(drawn / drawn.sum(), power, rtol=0.03)


@pytest.mark.parametrize("chunk", [10, 64, 10_000])
def test_cooccurrences_are_those_of_a_dictionary(chunk, tmp_path):
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 9, rng.integers(1, 30)).tolist() for _ in range(20)]
    texts = ["\n".join(" ".join(f"w{i}" for i in row) for row in rows)]
    vocabulary, stream = read_words(texts, "words", False, 1)
    expected = Counter()
    for row in rows:
        ids = [vocabulary.ids[f"w{i}"] for i in row]
        for i, word in enumerate(ids):
            for far in range(1, 5):
                if i + far < len(ids):
                    expected[word, ids[i + far]] += 1 / far
                    expected[ids[i + far], word] += 1 / far
    found = glove.cooccurrences(stream, 4, chunk, tmp_path)
    keys = zip(found.rows.tolist(), found.columns.tolist(), strict=True)
    counted = dict(zip(keys, found.counts.tolist(), strict=True))
    assert counted == pytest.approx(dict(expected), rel=1e-6)


def test_texts_without_frequent_words():
    message = (
        "min_count=5 leaves none of 6 words: the most frequent one, 'the', occurs 2"
    )
    with pytest.raises(ValueError, match=message):
        read_words(TEXTS[:1], "words", False, 5)
    with pytest.raises(ValueError, match="there are no words to learn from"):
        read_words(["", "\n "], "words", False, 1)
    with pytest.raises(ValueError, match="none of the 1 words is known"):
        read_words(["zzz"], "words", False, 1, Vocabulary(["a"], [1]))
