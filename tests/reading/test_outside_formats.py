"""A format from outside, read for a corpus, for training and as examples."""

from __future__ import annotations

import pytest

from massivetext_keras.corpus import expand, read_documents
from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.pipeline import build
from massivetext_keras.corpus.recipes import Recipe
from massivetext_keras.data.records import read_records
from massivetext_keras.reading.find import find
from massivetext_keras.reading.formats import FORMATS, by_suffix, format
from massivetext_keras.tokenizers.texts import read_lines
from tests.outside import installed

MODULE = '''
from massivetext_keras.reading.document import Document, problem
from massivetext_keras.reading.formats import format


@format(suffixes=[".fortune"], textual=True, begins=lambda head: head[:2] == b"%%")
def fortune(stream, options):
    """Sayings between lines of %; one that is signed has an author."""
    for text in stream.read().decode().removeprefix("%%\\n").split("\\n%\\n"):
        text, _, author = text.strip().partition("\\n-- ")
        if text.startswith("?"):
            yield problem("bad_record", f"a riddle: {text}")
        else:
            yield Document(text, columns={"label": author} if author else {})


def not_registered(stream, options):
    return []
'''
SAYINGS = "One.\n-- Ada\n%\nTwo.\n%\nThree.\n-- Bob\n"


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The name of an installed module that declares a format."""
    folder, points = (
        tmp_path_factory.mktemp("site"),
        {"massivetext_keras.formats:fortune": "fortune"},
    )
    folder = tmp_path_factory.mktemp("site")
    with installed(folder, "formats_from_outside", MODULE, points) as name:
        yield name


@pytest.fixture
def sayings(outside, tmp_path):
    path = tmp_path / "raw/a.fortune"
    path.parent.mkdir()
    path.write_text(SAYINGS)
    (path.parent / "b.txt").write_text("Four.")
    return path


def test_a_corpus_is_built_from_it_by_workers(sayings, tmp_path):
    assert [source.format for source in find(sayings.parent)] == ["fortune", "text"]
    with LocalEngine(2) as engine:
        arguments = sayings.parent, tmp_path / "corpus", Recipe("mine"), engine
        manifest = build(*arguments, test_fraction=0)
    assert manifest.documents == {"read": 4, "kept": 4}


def test_training_and_tokenizers_read_the_same(sayings):
    assert by_suffix(".fortune") == "fortune"
    assert expand(sayings) == [sayings]
    assert list(read_documents(sayings)) == ["One.", "Two.", "Three."]
    assert list(read_lines(sayings)) == ["One.", "Two.", "Three."]
    sayings.write_text("One.\n%\n?")
    texts = read_documents(sayings)
    assert next(texts) == "One."
    with pytest.raises(ValueError, match=r"a\.fortune: a riddle: \?"):
        next(texts)


def test_examples_have_its_columns_as_fields(sayings):
    records = list(read_records(sayings, ("text", "label")))
    assert [record.fields for record in records] == [
        {"text": "One.", "label": "Ada"},
        {"text": "Two."},
        {"text": "Three.", "label": "Bob"},
    ]
    assert records[2].where == f"{sayings}:3"


def test_its_content_and_its_place_name_it_too(outside, tmp_path):
    path = tmp_path / "sayings"
    path.write_text("%%\n" + SAYINGS)
    assert list(read_documents(path)) == ["One.", "Two.", "Three."]
    named = read_records(path, format=f"{outside}:fortune")
    assert [record.fields["text"] for record in named] == ["One.", "Two.", "Three."]
    with pytest.raises(ValueError, match="not registered: decorate it with @format"):
        list(read_records(path, format=f"{outside}:not_registered"))


def test_a_suffix_has_one_format():
    with pytest.raises(ValueError, match=r"\.csv is the suffix of 'csv'"):
        format(name="other", suffixes=[".csv"])(lambda stream, options: [])
    assert "other" not in FORMATS


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", "text,label\none,x\ntwo,y\n", ["one", "two"]),
        ("a.tsv", "label\ttext\nx\tone\ny\ttwo\n", ["one", "two"]),
        ("a.ndjson", '{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
        ("a.json", '[{"text": "one"},\n {"text": "two"}]', ["one", "two"]),
        ("a.po", 'msgid ""\nmsgstr "a\\n"\n\nmsgid "x"\nmsgstr "one"\n', ["one"]),
    ],
)
def test_a_suffix_means_the_same_to_all(tmp_path, name, content, texts):
    path = tmp_path / name
    path.write_text(content)
    assert list(read_documents(path)) == texts
    assert list(read_lines(path)) == texts
    assert [record.fields["text"] for record in read_records(path, ("text",))] == texts
    with LocalEngine(1) as engine:
        arguments = path, tmp_path / "corpus", Recipe("mine"), engine
        assert build(*arguments, test_fraction=0).documents["kept"] == len(texts)


def test_a_column_alone_needs_no_name(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("one\ntwo\n")
    assert list(read_documents(path)) == ["one", "two"]
    path.write_text("one\tx\ntwo\ty\n")
    with pytest.raises(
        ValueError, match="a.tsv:1: no field text, .*; there are one, x"
    ):
        list(read_documents(path))
