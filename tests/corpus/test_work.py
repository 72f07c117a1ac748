"""A build begins anew where anything has changed that decides its bytes."""

from __future__ import annotations

import os

import fsspec
import pytest

from massivetext_keras.corpus.inputs import stamp
from massivetext_keras.corpus.pipeline import build
from massivetext_keras.corpus.recipes import Recipe
from tests.corpus import own_rules
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.small_corpus import documents

ITEM = "who wrote the play that is about a prince of denmark and a skull"
OTHER = "which river flows through the capital of the country with most sheep"


def test_an_item_that_was_added_is_looked_for(tmp_path):
    (tmp_path / "ev").mkdir()
    (tmp_path / "ev/q.txt").write_text(ITEM)
    for name, text in {"a": ITEM, "b": OTHER, "c": "one more text"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    files = [f"{tmp_path}/ev/*.txt"]
    recipe = Recipe("mine", {"contamination": {"files": files, "ngram": 8}})
    what = tmp_path / "*.txt", tmp_path / "corpus", recipe
    first = build(*what, PlainEngine())
    assert sorted(row["text"] for row in documents(tmp_path / "corpus")) == [
        "one more text",
        OTHER,
    ]
    assert build(*what, PlainEngine()).run == first.run  # nothing to do
    (tmp_path / "ev/q.txt").write_text(OTHER)
    with pytest.raises(FileExistsError, match="another recipe"):
        build(*what, PlainEngine())
    build(*what, PlainEngine(), overwrite=True)
    assert sorted(row["text"] for row in documents(tmp_path / "corpus")) == [
        "one more text",
        ITEM,
    ]
    (tmp_path / "ev/r.txt").write_text(ITEM)
    with pytest.raises(FileExistsError, match="another recipe"):
        build(*what, PlainEngine())


def test_lists_are_read_once_for_the_same_contents(tmp_path):
    own_rules.READ.clear()
    (tmp_path / "q.txt").write_text(ITEM)
    for name in "abcdefgh":
        (tmp_path / f"{name}.md").write_text(f"one of the texts, {name}")
    step = "tests.corpus.own_rules:listed"
    recipe = Recipe("mine", {step: {"file": f"{tmp_path}/q.txt"}})
    build(tmp_path / "*.md", tmp_path / "corpus", recipe, PlainEngine())
    (tmp_path / "q.txt").write_text("one of the texts, b")
    manifest = build(tmp_path / "*.md", tmp_path / "other", recipe, PlainEngine())
    assert manifest.dropped["listed.known"]["documents"] == 1
    assert [f"{tmp_path}/q.txt"] * 2 == own_rules.READ


def test_a_remote_file_has_a_stamp():
    system = fsspec.filesystem("memory")
    system.pipe_file("/stamps/a.txt", b"one")
    before = stamp("memory://stamps/a.txt")
    assert before == stamp("memory://stamps/a.txt")
    system.pipe_file("/stamps/a.txt", b"two")
    assert stamp("memory://stamps/a.txt") != before
    system.rm("/stamps", recursive=True)


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        ({"ETag": '"1"', "url": "signed?7"}, {"ETag": '"2"'}),
        ({"LastModified": "noon"}, {"LastModified": "night"}),
        ({"Last-Modified": "noon"}, {"Last-Modified": "night"}),
        ({"last_modified": "noon"}, {"last_modified": "night"}),
        ({"generation": 1, "md5Hash": "a"}, {"generation": 2}),
        ({"sha": "a"}, {"sha": "b"}),
        ({"mtime": 1.0}, {"mtime": 2.0}),
        ({"CRC": 1}, {"CRC": 2}),
        ({"content_md5": "a"}, {"content_md5": "b"}),
    ],
)
def test_what_stores_tell_of_a_file(monkeypatch, told, changes):
    memory = type(fsspec.filesystem("memory"))
    about = {"name": "a", "size": 3, "type": "file", **told}
    monkeypatch.setattr(memory, "info", lambda self, path, **more: about)
    before = stamp("memory://a")
    about["url"] = "signed?8"
    assert stamp("memory://a") == before
    about.update(changes)
    assert stamp("memory://a") != before


def test_a_store_that_tells_nothing_is_read(monkeypatch):
    memory = type(fsspec.filesystem("memory"))
    fsspec.filesystem("memory").pipe_file("/silent.txt", b"one")
    about = {"name": "a", "size": 3, "type": "file", "ETag": None}
    monkeypatch.setattr(memory, "info", lambda self, path, **more: about)
    before = stamp("memory://silent.txt")
    fsspec.filesystem("memory").pipe_file("/silent.txt", b"two")
    assert stamp("memory://silent.txt") != before


def test_a_local_file_has_the_time_of_its_change(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    os.utime(path, ns=(7, 1234567890))
    assert stamp(str(path)) == 1234567890
    assert stamp(str(tmp_path / "gone")) == 0


def test_a_remote_input_that_was_changed_is_another_build(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe_file("/raw/a.jsonl", b'{"text": "one"}\n')
    what = "memory://raw/*.jsonl", tmp_path / "corpus", Recipe("plain", {})
    first = build(*what, PlainEngine())
    assert build(*what, PlainEngine()).run == first.run  # nothing to do
    system.pipe_file("/raw/a.jsonl", b'{"text": "two"}\n')  # of the same size
    with pytest.raises(FileExistsError, match="other inputs"):
        build(*what, PlainEngine())
    build(*what, PlainEngine(), overwrite=True)
    assert [row["text"] for row in documents(tmp_path / "corpus")] == ["two"]
    system.rm("/raw", recursive=True)
