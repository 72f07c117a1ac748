"""A BiLSTM-CRF with features of characters as a tagger: learnt, kept, exported."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import TokenClassifier
from massivetext_keras.tokenizers import WordTokenizer

EXAMPLES = [
    {"words": ["Ann", "saw", "U.S.", "cars"], "tags": ["B-PER", "O", "B-LOC", "O"]},
    {"words": ["cars", "saw", "Bob", "Lee"], "tags": ["O", "O", "B-PER", "I-PER"]},
]
TEXTS = ["Ann saw U.S. cars", "", "Bob", "x" * 90, "cars saw Bob Lee"]


@pytest.fixture(scope="module")
def tagger() -> TokenClassifier:
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer.train(
        texts=[" ".join(x["words"]) for x in EXAMPLES], split="spaces", spelled=True
    )
    task = TokenClassifier.from_preset(
        "bilstm_cnn_crf",
        tokenizer,
        labels=["PER", "LOC"],
        hidden_size=16,
        embedding_size=8,
        character_size=4,
        character_maps=4,
    )
    train, _ = task.datasets(EXAMPLES * 120, batch_size=4)
    task.compile(keras.optimizers.Adam(0.03))
    task.fit(train, verbose=0)
    return task


def test_a_chain_is_that_of_the_shape(tagger):
    assert tagger.crf and tagger.chain is not None
    assert TokenClassifier(tagger.config, labels=["X"], crf=False).chain is None


def test_spans_are_learnt_and_words_are_those_of_the_tokenizer(tagger):
    found = tagger.tag(TEXTS)
    named = [[(x.text, x.label) for x in spans] for spans in found]
    assert named[0] == [("Ann", "PER"), ("U.S.", "LOC")]
    assert named[1] == [] and named[4] == [("Bob Lee", "PER")]
    measures = tagger.measure(EXAMPLES)
    assert measures["f1"] == 1.0
    assert tagger.tag_words(["Ann", "saw", "U.S."]) == ["B-PER", "O", "B-LOC"]


def test_a_text_has_the_tags_that_it_has_alone(tagger):
    for text, spans in zip(TEXTS, tagger.tag(TEXTS), strict=True):
        alone = tagger.tag(text)
        assert [x[:4] for x in alone] == [x[:4] for x in spans]
        np.testing.assert_allclose(
            [x.score for x in alone], [x.score for x in spans], rtol=1e-4
        )


def test_presets_give_the_same(tagger, tmp_path):
    tagger.save_preset(tmp_path)
    again = TokenClassifier.from_preset(str(tmp_path))
    assert again.crf and again.config == tagger.config
    assert again.tag(TEXTS) == tagger.tag(TEXTS)


@pytest.mark.slow
def test_exports_give_what_the_model_gives(tagger, tmp_path):
    tagger.export(tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    found = loaded.signatures["serving_default"](text=tf.constant(TEXTS))
    for i, spans in enumerate(tagger.tag(TEXTS)):
        count = int(found["counts"][i])
        labels = [x.decode() for x in found["labels"][i, :count].numpy()]
        assert labels == [x.label for x in spans]
        assert found["starts"][i, :count].numpy().tolist() == [x.start for x in spans]
