"""Words of lists are counted as a plain search counts them, in a fair sample."""

from __future__ import annotations

import re

import orjson
import pytest
import zstandard

from massivetext_keras.corpus.report.identity import IDENTITY
from massivetext_keras.corpus.report.terms import (
    Terms,
    count_terms,
    identity_lists,
    lists_of,
)
from massivetext_keras.corpus.text.folding import caseless
from massivetext_keras.reading.document import Document


def counted(documents, lists):
    terms = Terms()
    terms.add(documents, {"kind": lists})
    return terms.found["kind"]


def test_groups_in_three_languages():
    texts = {
        "en": ["The WOMEN, a woman; an old man.", "nobody", "black cats, black people"],
        "de-AT": ["Alte Menschen und Frauen. Alt."],
        "zh": ["妇女和老年人都来了，女性也来了"],
        "fr": ["un gay"],
    }
    documents = [
        Document(text, language=language)
        for language, own in texts.items()
        for text in own
    ]
    found = counted(documents, identity_lists())
    women = found["women"]
    assert (women.documents, women.places, women.of_documents) == (3, 5, 5)
    assert dict(women.entries) == {
        **{"women": 1, "woman": 1, "frauen": 1},
        **{"妇女": 1, "女性": 1},
    }
    assert women.of_words == 7 + 1 + 4 + 5 + 14
    old = found["old people"]
    assert (old.documents, old.places) == (3, 3)
    assert found["Black people"].places == 1
    assert found["gay and lesbian people"].places == 0  # no list is in French


def test_entries_of_our_lists_are_there_once():
    for language, groups in IDENTITY.items():
        assert groups.keys() == IDENTITY["en"].keys()
        for name, words in groups.items():
            folded = [caseless(entry) for entry in words.split(", ")]
            assert len(set(folded)) == len(folded) and "" not in folded, (
                language,
                name,
            )


def test_a_list_as_a_plain_search_has_it(tmp_path):
    (tmp_path / "list.txt").write_text("# mine\nbad\nvery bad\nbad-word\n")
    texts = ["Bad. A very bad day, bad word", "badly", "very, bad", "good"]
    [only] = lists_of({"mine": str(tmp_path / "list.txt")})
    found = counted([Document(text) for text in texts], [only])["mine"]
    plain = [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
    entries = {
        entry: sum(len(re.findall(rf"\b{entry}\b", text)) for text in plain)
        for entry in ("bad", "very bad", "bad word")
    }
    assert entries == {"bad": 4, "very bad": 2, "bad word": 1}
    assert {k.replace("-", " "): n for k, n in found.entries.items()} == entries
    # "bad" and "bad word" begin at the same word.
    assert (found.documents, found.places) == (2, 6)


@pytest.fixture
def shards(tmp_path):
    """File -> entry in the manifest, of two shards of unequal size."""
    entries = {}
    for name, count in (("a/train-00000-of-00001.jsonl.zst", 40), ("b.jsonl.zst", 10)):
        rows = [{"text": f"word{i:04d} one", "language": "en"} for i in range(count)]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with zstandard.open(tmp_path / name, "wb") as file:
            file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        entries[name] = {"documents": count, "bytes": 12 * count}
    return entries


def test_the_first_documents_of_each_shard_are_the_sample(tmp_path, shards):
    (tmp_path / "list.txt").write_text("one\n")
    lists = {"kind": lists_of({"ones": str(tmp_path / "list.txt")})}
    whole = count_terms(tmp_path, shards, lists, 10_000)
    assert (whole.documents, whole.bytes, whole.share) == (50, 600, 1.0)
    assert whole.found["kind"]["ones"].places == 50
    part = count_terms(tmp_path, shards, lists, 120)
    assert (part.documents, part.bytes, part.share) == (10, 120, 0.2)


def test_a_shard_that_is_gone(tmp_path, shards):
    (tmp_path / "b.jsonl.zst").unlink()
    with pytest.raises(ValueError, match=r"b\.jsonl\.zst: unreadable"):
        count_terms(tmp_path, shards, {}, 10_000)


def test_lists_that_cannot_be_used(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="has no entries"):
        lists_of({"mine": str(tmp_path / "empty.txt")})
    with pytest.raises(FileNotFoundError, match="none.txt"):
        lists_of({"mine": str(tmp_path / "none.txt")})
