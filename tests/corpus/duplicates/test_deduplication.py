"""Duplicates that were planted, and what survives of them."""

from __future__ import annotations

import random
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.duplicates.deduplication import (
    find_duplicates,
    largest_clusters,
)
from massivetext_keras.reading.document import Document
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.planted import SortedEngine, pair_at, rows, text_id, write_parts

WORDS = " ".join(f"{a}{b}" for a in string.ascii_lowercase for b in "aeiou").split()


def verdicts(folder, parts, engine=None, ngram=13, **options):
    """(source, position) -> (reason, survivor) of what is dropped."""
    documents = write_parts(folder / "documents", parts, ngram)
    found = find_duplicates(
        engine or SortedEngine(), documents, folder / "work", ngram=ngram, **options
    )
    return {
        (row["source"], row["position"]): (row["reason"], row["survivor"])
        for row in rows(found)
    }


def listed(texts, source="a"):
    return [
        Document(text, "web", source, position) for position, text in enumerate(texts)
    ]


@pytest.mark.parametrize("jaccard", [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
def test_planted_duplicates_are_found_and_others_are_not(tmp_path, jaccard):
    rng = np.random.default_rng(0)
    pairs = 500 if jaccard >= 0.7 else 250
    texts = [text for _ in range(pairs) for text in pair_at(rng, jaccard)]
    found = verdicts(tmp_path, [listed(texts)])
    if jaccard < 0.8:
        assert found == {}
    else:
        assert len(found) >= 0.99 * pairs
        for (_, position), (reason, survivor) in found.items():
            ids = {text_id(texts[position]), text_id(texts[position ^ 1])}
            assert (reason, survivor) == ("deduplication.fuzzy", min(ids))


def test_of_equal_texts_the_first_place_survives(tmp_path):
    found = verdicts(
        tmp_path,
        [
            [Document("one two", "web", "b", 0), Document("one  two", "web", "b", 7)],
            [Document("one two", "books", "z", 3), Document("one two", "web", "a", 9)],
            [Document("one two", "a", "0", 0, columns={"reason": "quality.words"})],
        ],
        fuzzy=False,
    )
    same = ("deduplication.exact", text_id("one two"))
    assert found == {("b", 0): same, ("a", 9): same}


def test_all_copies_name_the_one_that_survives(tmp_path):
    rng = np.random.default_rng(1)
    least, other = sorted(pair_at(rng, 0.9), key=text_id)
    found = verdicts(tmp_path, [listed([other, least, other, least])])
    assert found == {
        ("a", 0): ("deduplication.fuzzy", text_id(least)),
        ("a", 2): ("deduplication.exact", text_id(least)),
        ("a", 3): ("deduplication.exact", text_id(least)),
    }


def test_a_chain_is_one_cluster(tmp_path):
    words = np.char.mod("w%d", np.arange(140))
    # Each has 6 shingles that the next one has not, of 106.
    texts = [" ".join(words[start : start + 112]) for start in range(0, 24, 6)]
    found = verdicts(tmp_path, [listed(texts)])
    assert len(found) == 3
    assert {survivor for _, survivor in found.values()} == {min(map(text_id, texts))}


def test_a_text_that_thousands_share_makes_few_pairs(tmp_path):
    rng = random.Random(0)
    page = " ".join(f"w{n}" for n in range(120))
    texts = [f"{page} visitor {rng.random()}" for _ in range(3000)]
    found = verdicts(tmp_path, [listed(texts)])
    assert len(found) == 2999
    sent = rows((tmp_path / "work" / "sent").glob("*.parquet"))
    assert len(sent) < 30 * 3000


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("Der Rat der Stadt hat beschlossen , die Brücke zu öffnen . ", "Straße"),
        ("国家统计局今天发布的数据显示今年前三个季度经济总体平稳", "城"),
    ],
)
def test_german_and_chinese(tmp_path, text, changed):
    text = "".join(f"{text}{number} " for number in range(30))
    other = text.replace("15 ", f"15 {changed} ")
    assert len(verdicts(tmp_path, [listed([text, other, text[::-1]])], ngram=5)) == 1


@st.composite
def corpora(draw):
    """Documents in parts: few words, so that copies and near-copies are common."""
    base = [draw(st.lists(st.sampled_from(WORDS), max_size=60)) for _ in range(3)]
    texts = []
    for _ in range(draw(st.integers(0, 8))):
        text = list(draw(st.sampled_from(base)))
        for place in draw(st.lists(st.integers(0, 59), max_size=2)):
            text[place : place + 1] = ["x"]
        texts.append(" ".join(text))
    documents = listed(texts)
    for document in documents:
        document.subset = draw(st.sampled_from(["a", "b"]))
        if draw(st.integers(0, 9)) == 0:
            document.columns["reason"] = "quality.words"
    return documents


def in_parts(documents, count, seed):
    documents = random.Random(seed).sample(documents, len(documents))
    return [documents[part::count] for part in range(count)]


@given(corpora(), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_verdicts_depend_on_neither_order_nor_parts(
    tmp_path_factory, documents, parts, seed
):
    first, second, third = (tmp_path_factory.mktemp("run") for _ in range(3))
    found = verdicts(first, [documents], ngram=3)
    shuffled = in_parts(documents, parts, seed)
    assert verdicts(second, shuffled, ngram=3) == found
    assert verdicts(third, shuffled, PlainEngine(), ngram=3) == found


def test_a_corpus_without_documents(tmp_path):
    assert verdicts(tmp_path, [[], []]) == {}


def test_the_largest_clusters(tmp_path):
    rng = np.random.default_rng(2)
    first, other = sorted(pair_at(rng, 0.9), key=text_id)
    parts = [listed(["one", "one", "two", "two", "two"]), listed([first, other], "b")]
    documents = write_parts(tmp_path / "documents", parts)
    work = tmp_path / "work"
    found = find_duplicates(SortedEngine(), documents, work)
    clusters = largest_clusters(SortedEngine(), found, documents, work, most=2)
    assert clusters[0]._asdict() == {
        "survivor": text_id("two").hex(),
        "documents": 3,
        "exact": 2,
        "fuzzy": 0,
        "subset": "web",
        "source": "a",
        "position": 2,
        "excerpt": "two",
    }
    assert [cluster.documents for cluster in clusters] == [3, 2]
    assert clusters[1].survivor == min(text_id("one"), text_id(first)).hex()
