"""Word vectors: what they learn, answer, keep and export."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.tasks import TextClassifier, WordVectors, from_vectors
from massivetext_keras.tasks.word_vectors.neighbours import Neighbours
from massivetext_keras.tokenizers import WordPieceTokenizer

GROUPS = [
    ["cat", "dog", "cow", "horse"],
    ["Berlin", "Wien", "Zürich", "Graz"],
    ["山", "水", "木", "石"],
]


def texts(count=600, seed=0):
    """Sentences, each of the words of one group."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(GROUPS[i % 3], 8)) for i in range(count)]


WAYS = {
    "skipgram": {},
    "cbow": {"method": "cbow"},
    "skipgram, tree": {"loss": "hierarchical"},
    "cbow, tree": {"method": "cbow", "loss": "hierarchical"},
    "skipgram, parts": {"min_ngram": 2, "max_ngram": 3, "buckets": 5000},
    "glove": {"method": "glove", "x_max": 10.0},
}


@pytest.fixture(scope="module")
def learnt():
    """Small vectors by each way, made when they are asked for."""
    made = {}

    def learn(way):
        if way not in made:
            made[way] = WordVectors(size=8, sample=0, seed=1, **WAYS[way])
            made[way].compile(0.1)
            made[way].fit(texts(), epochs=30 if way == "glove" else 10, verbose=0)
        return made[way]

    return learn


@pytest.mark.parametrize("way", WAYS)
def test_words_of_a_group_are_near(learnt, way):
    vectors = learnt(way)
    assert sorted(vectors.words) == sorted(sum(GROUPS, []))
    for group in GROUPS:
        for word in group:
            near = [found for found, _ in vectors.similar(word, 3)]
            assert sorted([word, *near]) == sorted(group)
    assert vectors.doesnt_match(["cat", "Wien", "dog", "cow"]) == "Wien"


def test_the_loss_falls_and_learning_repeats_itself():
    def run():
        vectors = WordVectors(size=8, sample=0, seed=3)
        losses = vectors.fit(texts(), epochs=4, verbose=0).history["loss"]
        return vectors, losses

    (one, losses), (other, again) = run(), run()
    assert losses[-1] < losses[0] * 0.999
    np.testing.assert_allclose(losses, again, rtol=1e-5)
    np.testing.assert_allclose(one.vectors, other.vectors, rtol=1e-3, atol=1e-5)


def test_analogies_by_hand():
    vectors = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1], [-1, 0, 0]]) * 2.0
    near = Neighbours(["king", "man", "woman", "queen", "far"], vectors)
    assert near.analogy("king - man + woman", 1) == [
        ("queen", pytest.approx(0.9586, abs=1e-3))
    ]
    assert near.similarity("man", "far") == pytest.approx(-1)
    asked = [["man", "king", "woman"]]
    assert near.fourth_words(asked, 5) == ["queen"]
    assert near.fourth_words(asked, 3) == ["king"]  # all others are in the question


def test_means_of_words(learnt):
    vectors = learnt("skipgram")
    table = dict(zip(vectors.words, vectors.vectors, strict=True))
    found = vectors.embed(["cat 山水", "unknown", ""])
    expected = (table["cat"] + table["山"] + table["水"]) / 3
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    assert not found[1:].any()
    np.testing.assert_array_equal(vectors.embed("cat"), table["cat"])


def test_a_new_word_has_the_vector_of_its_parts(learnt):
    vectors = learnt("skipgram, parts")
    (near, _), *_ = vectors.similar("horses", 1)
    assert near == "horse"
    with pytest.raises(ValueError, match="unknown word 'horses': did you mean 'horse'"):
        learnt("skipgram").similar("horses")


@pytest.mark.parametrize("way", ["skipgram", "skipgram, parts", "glove"])
def test_presets_come_back_and_learn_on(learnt, way, tmp_path):
    vectors = learnt(way)
    vectors.save_preset(tmp_path / "saved")
    again = WordVectors.load(tmp_path / "saved")
    assert again.config == vectors.config and again.words == vectors.words
    np.testing.assert_array_equal(again.vectors, vectors.vectors)
    np.testing.assert_array_equal(again.context.numpy(), vectors.context.numpy())
    again.fit(texts(), epochs=1, verbose=0)
    assert np.abs(again.vectors - vectors.vectors).max() > 1e-4


@pytest.mark.parametrize("way", ["skipgram", "glove"])
def test_exports_answer_as_the_vectors(learnt, way, tmp_path):
    vectors = learnt(way)
    vectors.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    asked = ["cat 山水", "unknown", "Graz\nWien"]
    found = served["serving_default"](text=tf.constant(asked))["embedding"]
    np.testing.assert_allclose(found, vectors.embed(asked), rtol=1e-5, atol=1e-7)
    found = served["similar"](word=tf.constant(["cat", "水"]), k=tf.constant(2))
    for row, word in enumerate(["cat", "水"]):
        words, scores = zip(*vectors.similar(word, 2), strict=True)
        assert [x.decode() for x in found["words"].numpy()[row]] == list(words)
        np.testing.assert_allclose(found["scores"][row], scores, rtol=1e-5)
    sums = ["cat - dog + Wien", "Graz + 山"]
    found = served["analogy"](expression=tf.constant(sums), k=tf.constant(1))
    expected = [vectors.analogy(text, 1)[0][0] for text in sums]
    assert [x.decode() for x in found["words"].numpy()[:, 0]] == expected
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown word"):
        served["similar"](word=tf.constant(["cats"]), k=tf.constant(2))


def test_vectors_are_the_first_embedding_of_a_task(learnt):
    vectors = learnt("skipgram")
    words = [*sum(GROUPS, []), "other"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = WordPieceTokenizer(tokens, lowercase=False)
    config = preset("bert_tiny").replace(
        vocabulary_size=len(tokens), hidden_size=8, num_heads=2
    )
    task = TextClassifier(config, tokenizer, labels=["a", "b"])
    before = task.backbone.tokens.embeddings.numpy()
    assert from_vectors(task, vectors, trainable=False) == 12
    after = task.backbone.tokens.embeddings.numpy()
    np.testing.assert_array_equal(
        after[[0, 1, 2, 3, 4, 17]], before[[0, 1, 2, 3, 4, 17]]
    )
    rows = [tokens.index(word) for word in vectors.words]
    ratio = after[rows] / vectors.vectors
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    names = [weight.path for weight in task.trainable_variables]
    assert not any("tokens" in name for name in names)
    with pytest.raises(ValueError, match="the vectors have 8 numbers, the embedding"):
        from_vectors(
            TextClassifier(config.replace(hidden_size=4), tokenizer, labels=["a", "b"]),
            vectors,
        )


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="method='skipgrams': did you mean 'skipgram'"):
        WordVectors(method="skipgrams")
    with pytest.raises(ValueError, match="give such as 3 and 6"):
        WordVectors(min_ngram=3)
    with pytest.raises(RuntimeError, match="fit the vectors, or load some"):
        WordVectors().similar("a")
    with pytest.raises(ValueError, match="min_count=5 leaves none of 3 words"):
        WordVectors().fit(["a b", "c"], verbose=0)
    with pytest.raises(ValueError, match="no two words occur together"):
        WordVectors(method="glove", min_count=1).fit(["a", "b", ""], verbose=0)
    WordVectors(min_count=1).fit(["a", "b"], verbose=0)  # nothing to learn, no error
    vectors = WordVectors(size=4, min_count=1)
    vectors.fit(["a b c"], epochs=1, verbose=0)
    with pytest.raises(ValueError, match="'a - ': give words|unknown word"):
        vectors.analogy("a - ")
    with pytest.raises(FileNotFoundError):
        WordVectors.load(tmp_path / "none")
