"""A folder for each class: labels are the names of folders."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import TextClassifier


@pytest.fixture
def acl(tmp_path):
    """As aclImdb lies on a disk: parts, classes, texts without a class, and lists."""
    for part in ("train", "test"):
        for name in ("pos", "neg", *(["unsup"] if part == "train" else [])):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}_7.txt").write_text(f"{part} {name} {i}\n")
        (tmp_path / part / "urls_pos.txt").write_text("http://a\n")
    (tmp_path / "README").write_text("about")
    return tmp_path


def test_labels_are_the_names_of_folders(acl):
    found = TextClassifier.read_examples(acl / "train")
    assert [(x.text, x.label) for x in found] == [
        ("train neg 0", "neg"),
        ("train neg 1", "neg"),
        ("train pos 0", "pos"),
        ("train pos 1", "pos"),
        ("train unsup 0", None),
        ("train unsup 1", None),
    ]
    options = TextClassifier.options_for(found)
    assert options == {"labels": ("neg", "pos"), "problem": "single_label"}
    assert len(TextClassifier.examples_of(str(acl / "test"))) == 4


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_texts_are_in_the_encoding_that_is_said_or_marked(acl, encoding):
    (acl / "test" / "pos" / "0_7.txt").write_text("gut für uns", encoding=encoding)
    said = {"latin-1": encoding}.get(encoding, "utf-8")
    found = TextClassifier.read_examples(acl / "test", encoding=said)
    assert [x.text for x in found if x.label == "pos"][0] == "gut für uns"


def test_what_is_no_text_is_named(acl):
    (acl / "test" / "pos" / "0_7.txt").write_bytes(b"%PDF-1.7 a b")
    with pytest.raises(ValueError, match=r"pos/0_7.txt is no text, but a PDF"):
        TextClassifier.read_examples(acl / "test")


def test_parts_are_to_be_named(acl):
    with pytest.raises(ValueError, match="has parts .* give .*test or .*train"):
        TextClassifier.read_examples(acl)
