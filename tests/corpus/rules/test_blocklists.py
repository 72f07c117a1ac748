"""Block lists of domains, addresses and words."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.url_blocklist import url_blocklist
from massivetext_keras.corpus.rules.word_blocklist import word_blocklist
from massivetext_keras.reading.document import Document


def write(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def published(*urls: str | None) -> Batch:
    return Batch(Document("text", url=url) for url in urls)


def dropped(batch, checks) -> list[str | None]:
    return reasons(checks, len(batch))


@pytest.mark.parametrize(
    ("url", "blocked"),
    [
        ("https://bad.com", True),
        ("http://www.BAD.com:8080/page?x=1#y", True),
        ("https://user@deep.sub.bad.com./", True),
        ("bad.com/page", True),
        ("https://notbad.com/bad.com", False),
        ("https://bad.com.org/", False),
        ("https://schlecht.müller.de/", True),
        ("https://xn--mller-kva.de/", True),
        ("https://example.org/?u=https://bad.com", False),
    ],
)
def test_domains(tmp_path, url, blocked):
    path = write(tmp_path / "domains.txt", "# a comment", "", "bad.com", "müller.de")
    batch = published(url, None)
    expected = "domains" if blocked else None
    assert dropped(batch, url_blocklist(batch, domains=path)) == [expected, None]


def test_addresses(tmp_path):
    path = write(tmp_path / "urls.txt", "https://a.org/One/", "b.org/two?x=1")
    batch = published(
        *("http://A.org/One", "https://a.org/one", "a.org/One#top"),
        *("https://b.org/two?x=1", "https://b.org/two"),
    )
    blocked = [True, False, True, True, False]
    assert dropped(batch, url_blocklist(batch, urls=path)) == [
        "urls" if one else None for one in blocked
    ]


def test_words_soft_words_and_substrings_of_addresses(tmp_path):
    checks = {
        "words": write(tmp_path / "words.txt", "Casino", "赌博"),
        "soft_words": write(tmp_path / "soft.txt", "free", "win", "now"),
        "substrings": write(tmp_path / "sub.txt", "big-prize"),
    }
    batch = published(
        "https://a.org/my-casino_1",
        "https://a.org/my-casino1",  # another word
        "https://a.org/%E8%B5%8C%E5%8D%9A/x",
        "https://a.org/free-free/book",  # one soft word, twice
        "https://a.org/free/WIN",
        "https://a.org/thebig/prizes",
        "https://a.org/big",
    )
    assert dropped(batch, url_blocklist(batch, **checks)) == [
        *("words", None, "words", None, "soft_words", "substrings", None)
    ]
    assert dropped(batch, url_blocklist(batch, **checks, max_soft_words=2))[4] is None


def test_words_at_both_sides_of_the_bounds(tmp_path):
    path = write(tmp_path / "words.txt", "Bad", "very bad thing", "größe", "赌博")
    batch = Batch(
        Document(text)
        for text in [
            "all good here",
            "BAD! and a badge",
            "bad bad.",
            "very bad thing",  # the phrase, and a word within it
            "very bad\nthings",
            "GRÖSSE, Größe",
            "网上赌博，赌一博",
            "",
        ]
    )
    places, shares = word_blocklist(batch, words=path)
    assert places.values.tolist() == [0, 1, 2, 2, 1, 2, 1, 0]
    expected = [0, 1 / 4, 1, 1, 1 / 3, 1, 2 / 7, 0]
    assert np.allclose(shares.values, expected)
    assert places.failed.tolist() == [False] + [True] * 6 + [False]
    kept_one = word_blocklist(batch, words=path, max_words=1)
    assert np.flatnonzero(kept_one[0].failed).tolist() == [2, 3, 5]
    quarter = word_blocklist(batch, words=path, max_words=None, max_share=0.25)
    assert dropped(batch, quarter)[:2] == [None, None]
    less = word_blocklist(batch, words=path, max_words=None, max_share=0.249)
    assert dropped(batch, less)[:2] == [None, "share"]


def test_phrases_do_not_cross_documents(tmp_path):
    path = write(tmp_path / "words.txt", "two words")
    batch = Batch(map(Document, ["two", "words", "two words"]))
    assert word_blocklist(batch, words=path)[0].values.tolist() == [0, 0, 1]


def test_words_by_language_and_kind(tmp_path):
    lists = {
        "en": write(tmp_path / "en.txt", "gift"),
        "de": write(tmp_path / "de.txt", "böse"),
    }
    batch = Batch(
        [
            Document("a gift", language="en"),
            Document("das Gift ist böse, böse", language="de"),
            Document("a gift", language="fr"),
            Document("a gift"),
            Document("gift = 1", language="en", kind="code"),
        ]
    )
    values = word_blocklist(batch, words=lists)[0].values
    assert np.array_equal(values, [1, 2, *[np.nan] * 3], equal_nan=True)


def test_lists_are_read_once(tmp_path):
    path = tmp_path / "words.txt"
    write(path, "bad")
    batch = Batch([Document("bad")])
    before = word_blocklist(batch, words=str(path))[0].values.tolist()
    path.unlink()
    assert word_blocklist(batch, words=str(path))[0].values.tolist() == before == [1]


def test_lists_that_cannot_be_used(tmp_path):
    batch = Batch([Document("text", url="a.org")])
    with pytest.raises(FileNotFoundError, match=r"wrds.txt.*words\.txt"):
        write(tmp_path / "words.txt", "bad")
        word_blocklist(batch, words=str(tmp_path / "wrds.txt"))
    with pytest.raises(ValueError, match="has no entries"):
        url_blocklist(batch, domains=write(tmp_path / "none.txt", "# nothing"))
    with pytest.raises(ValueError, match=r"signs.txt:2: '\*\*\*' has no letter"):
        word_blocklist(batch, words=write(tmp_path / "signs.txt", "ok", "***"))
    with pytest.raises(ValueError, match=r"signs2.txt:1: '///' has nothing"):
        url_blocklist(batch, words=write(tmp_path / "signs2.txt", "///"))


def test_forms_of_unicode_do_not_count(tmp_path):
    path = tmp_path / "blocked.txt"
    path.write_text("cafe\u0301\nﬁx\nstraße\n")
    texts = ["a CAF\u00c9", "a fix", "eine STRASSE", "Ｆｉｘ it", "cafe"]
    batch = Batch(map(Document, texts))
    [places, _] = word_blocklist(batch, words=str(path))
    assert places.values.tolist() == [1, 1, 1, 1, 0]


def test_addresses_are_the_same_however_they_are_escaped(tmp_path):
    path = tmp_path / "blocked.txt"
    path.write_text("example.com/cafe\u0301\n")
    pages = [
        "https://example.com/caf%C3%A9",
        "http://EXAMPLE.com/café/",
        "example.com/",
    ]
    batch = Batch(Document("text", url=url) for url in pages)
    assert url_blocklist(batch, urls=str(path))[0].values.tolist() == [1, 1, 0]
    path = tmp_path / "words.txt"
    path.write_text("cafe\u0301\n")
    assert url_blocklist(batch, words=str(path))[0].values.tolist() == [1, 1, 0]
