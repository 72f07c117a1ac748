"""Numbers of documents, against plain Python."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.rules.statistics import COLUMNS, statistics
from massivetext_keras.corpus.text.perplexity import NgramModel
from massivetext_keras.reading.document import Document

texts = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.text("aB1.,! \n\t中文Ⅷ٣ÄßΩ𝒳", max_size=40),
    ),
    min_size=1,
    max_size=5,
)


def share(text: str, holds) -> float:
    return round(sum(map(holds, text)) / max(len(text), 1), 4)


@given(texts)
def test_equals_plain_python(texts):
    batch = Batch(map(Document, texts))
    statistics(batch)
    for text, document in zip(texts, batch.documents, strict=True):
        columns = document.columns
        assert columns["characters"] == len(text)
        assert columns["lines"] == sum(bool(line.strip()) for line in text.split("\n"))
        assert columns["digit_share"] == share(text, str.isdecimal)
        assert columns["upper_share"] == share(
            text, lambda c: unicodedata.category(c) == "Lu"
        )
        assert columns["punctuation_share"] == share(
            text, lambda c: unicodedata.category(c)[0] in "PS"
        )
        assert "perplexity" not in columns


@given(st.lists(st.text("aB1.,! \n\t", max_size=40), min_size=1, max_size=5))
def test_words_equal_split(texts):
    batch = Batch(map(Document, texts))
    statistics(batch)
    for text, document in zip(texts, batch.documents, strict=True):
        parts = text.split()
        mean = round(sum(map(len, parts)) / max(len(parts), 1), 4)
        assert document.columns["words"] == len(parts)
        assert document.columns["mean_word_length"] == mean


def test_literal_numbers_in_three_languages():
    batch = Batch(
        [
            Document("The Tempest, 1611.\n\nAct I\n"),
            Document("Über 30 Räuber!"),
            Document("天下3分。Yes"),
        ]
    )
    checks = statistics(batch)
    rows = [
        [document.columns.get(name) for name in COLUMNS] for document in batch.documents
    ]
    assert rows == [
        [26, 5, 2, 4.0, 0.1538, 0.0769, 0.1538, None],
        [15, 3, 1, 4.3333, 0.1333, 0.0667, 0.1333, None],
        [8, 6, 1, 1.3333, 0.125, 0.125, 0.125, None],
    ]
    assert [check.name for check in checks] == list(COLUMNS)
    assert not any(check.failed.any() for check in checks)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("ngram") / "en.npz"
    NgramModel(order=2).fit(["to be or not to be"] * 3 + ["once"]).save(path)
    return str(path)


def test_perplexity_is_a_column_and_may_drop(model):
    batch = Batch(
        [
            Document("to be or not to be", language="en"),
            Document("wood bees buzz", language="en"),
            Document("sein oder nicht sein", language="de"),
            Document("for be in to:", language="en", kind="code"),
            Document(" ", language="en"),
        ]
    )
    *_, check = statistics(batch, ngram_model={"en": model}, max_perplexity=5)
    assert check.name == "perplexity" and check.bounds == "<= 5"
    assert check.failed.tolist() == [False, True, False, False, False]
    assert np.isnan(check.values).tolist() == [False, False, True, True, True]
    expected = NgramModel.load(model).perplexity(batch)
    assert batch.documents[0].columns["perplexity"] == round(expected[0], 4)
    assert ["perplexity" in document.columns for document in batch.documents] == [
        *(True, True, False, False, False)
    ]
    *_, check = statistics(batch, ngram_model=model)
    assert np.isnan(check.values).tolist() == [False, False, False, True, True]
    assert not check.failed.any()
