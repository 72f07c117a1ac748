"""Entities and roles that people marked: read, and said in tags of our own words."""

from __future__ import annotations

import pytest
import tensorflow as tf

from massivetext_keras.evaluation.spans import span_scores
from massivetext_keras.support.tags import spans_of_tags, tags_of_spans
from massivetext_keras.tasks import TokenClassifier
from massivetext_keras.tasks.tagging.records import spans_in
from massivetext_keras.text.words import word_offsets

pytestmark = pytest.mark.usefixtures("grappler")


def through_tags(examples, scheme: str) -> list[list[tuple[int, int, str]]]:
    """The spans of examples, as tags of our words can say them."""
    starts, ends = word_offsets(tf.constant([x.text for x in examples]))
    found = []
    for example, *words in zip(examples, starts.to_list(), ends.to_list(), strict=True):
        words = [*zip(*words, strict=True)]
        tags = tags_of_spans(words, spans_in(example.spans), scheme)
        spans = spans_of_tags(tags)
        found.append([(words[a][0], words[b - 1][1], label) for a, b, label in spans])
    return found


@pytest.mark.parametrize(
    ("path", "format", "count", "labels"),
    [
        ("ner/wnut17/wnut17train.conll", None, 3394, 6),
        ("ner/wnut17/emerging.dev.conll", None, 1009, 6),
        ("ner/wikiann_en/en_dev", "conll", 10000, 3),
    ],
)
def test_entities_are_said_exactly(data_dir, path, format, count, labels):
    examples = TokenClassifier.read_examples(data_dir / path, format)
    assert len(examples) == count
    assert len(TokenClassifier.options_for(examples)["labels"]) == labels
    assert not any(example.text.startswith("en:") for example in examples)
    for scheme in ("BIO", "BIOES"):
        assert through_tags(examples, scheme) == [spans_in(x.spans) for x in examples]


@pytest.mark.parametrize(
    ("path", "count", "least"),
    [("srl/en_ewt-up-dev.conllu", 4977, 0.99), ("srl/zh-up-dev.conllu", 1257, 1.0)],
)
def test_roles_are_said_in_words_of_people(data_dir, path, count, least):
    """`n't` is a word there, and here the apostrophe is one."""
    examples = TokenClassifier.read_examples(data_dir / path)
    assert len(examples) == count
    for example in examples:
        start, end = example.predicate
        assert (start, end) in example.words
    scores = span_scores(
        [spans_in(x.spans) for x in examples],
        through_tags(examples, "BIO"),
        [x.words for x in examples],
    )
    assert scores["f1"] >= least
