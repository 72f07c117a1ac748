"""Spans of characters: found, learnt, and never shifted."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.data import Span, TaggedText
from massivetext_keras.support.tags import spans_of_tags, tags_of_spans
from massivetext_keras.tasks import TokenClassifier
from massivetext_keras.tasks.tagging.decoding import TagSet
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import adamw
from tests.processes import last_line_of
from tests.tasks.tiny import ENCODER, encoder_task

pytestmark = pytest.mark.usefixtures("without_xla")

LABELS = ["animal", "place"]
TEXTS = ["the cat sat on the mat", "", "unbelievable dogs , the", "the dog " * 30]
KINDS = [{}, {"scheme": "BIOES"}, {"crf": True}, {"crf": True, "scheme": "BIOES"}]


def tagger(tokenizer=None, seed: int = 0, loud=False, **options) -> TokenClassifier:
    """One that is `loud` finds something wherever it looks."""
    options = {"labels": LABELS, "num_layers": 1, **options}
    task = encoder_task(TokenClassifier, tokenizer, seed, **options)
    if loud:
        random = np.random.default_rng(seed)
        task.head.kernel.assign(random.normal(0.0, 2.0, task.head.kernel.shape))
        ids = task.tokenizer(TEXTS[0])[None]
        task.head.bias.assign_sub(tf.reduce_mean(task(ids), axis=[0, 1]))
        outside = np.eye(task.head.units)[0]
        task.head.bias.assign_sub(3.0 * outside)
    return task


def on_bytes(**options) -> TokenClassifier:
    return tagger(ByteTokenizer(), vocabulary_size=259, max_length=48, **options)


def example(text: str, *spans: tuple[int, int, str], **more) -> TaggedText:
    spans = tuple(Span(text[a:b], label, a, b) for a, b, label in spans)
    return TaggedText(text, spans, **more)


EXAMPLES = [
    example("the cat sat on the mat", (4, 7, "animal"), (19, 22, "place")),
    example("the dog , the cat", (4, 7, "animal"), (14, 17, "animal")),
    example("on the mat sat the dog", (3, 10, "place"), (19, 22, "animal")),
    example("unbelievable"),
]


def by_hand(task, text: str) -> list[Span]:
    """Spans of a text that fits into the context, word by word."""
    ids, starts, ends = (
        x.numpy().tolist() for x in task.tokenizer.tokenize_with_offsets(text)
    )
    words = text.split()
    places, at = [], 0
    for word in words:
        at = text.index(word, at)
        places.append((at, at + len(word)))
        at += len(word)
    logits = task({"token_ids": np.array([[2, *ids, 3]])})[0].numpy()
    logits = np.array([logits[1 + starts.index(start)] for start, _ in places])
    if task.crf:
        mask = np.ones([1, len(words)])
        tags = task.chain.decode(logits[None], mask)[0].numpy()
        probabilities = task.chain.marginals(logits[None], mask)[0].numpy()
    else:
        tags = logits.argmax(axis=1)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = [task.tag_set.names[tag] for tag in tags]
    return [
        Span(
            text[places[a][0] : places[b - 1][1]],
            label,
            places[a][0],
            places[b - 1][1],
            pytest.approx(
                np.mean([probabilities[i, tags[i]] for i in range(a, b)]), abs=1e-4
            ),
        )
        for a, b, label in spans_of_tags(names)
    ]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_spans_are_those_of_each_words_first_token(options):
    task = tagger(seed=1, loud=True, **options)
    found = task.tag(TEXTS[:3])
    for text, spans in zip(TEXTS[:3], found, strict=True):
        assert spans == (by_hand(task, text) if text else [])
        assert task.tag(text) == [
            span._replace(score=pytest.approx(span.score, abs=1e-5)) for span in spans
        ]
    assert sum(map(len, found)) >= 2
    assert task.tag([]) == [] and task.tag("") == []


@pytest.fixture(scope="module")
def naughty(data_dir) -> list[str]:
    return json.loads((data_dir / "bad" / "naughty_strings.json").read_text())


@functools.cache
def noisy(kind: int) -> TokenClassifier:
    return on_bytes(loud=True, **KINDS[kind])


@pytest.mark.parametrize("kind", [0, 3])
@given(
    texts=st.lists(
        st.text(max_size=60) | st.text("ab é北京e\u0301\t\n\x00,😀\u200d", max_size=60),
        min_size=1,
        max_size=3,
    )
)
def test_spans_are_parts_of_their_text(kind, texts):
    for text, spans in zip(texts, noisy(kind).tag(texts), strict=True):
        check(text, spans)


def check(text: str, spans: list[Span]) -> None:
    for span in spans:
        assert text[span.start : span.end] == span.text and span.text.strip()
        assert span.label in LABELS and 0.0 <= span.score <= 1.0
    for span, following in zip(spans, spans[1:], strict=False):
        assert span.end <= following.start


@pytest.mark.parametrize(
    "task", [lambda: noisy(0), lambda: tagger(loud=True)], ids=["b", "w"]
)
def test_hostile_strings(naughty, task):
    texts = [*naughty, "\ud800 a\udfff b"]
    found = task().tag(texts)
    for text, spans in zip(texts, found, strict=True):
        check(text, spans)
    assert sum(map(len, found)) > 100


def test_nothing_of_a_long_text_is_lost():
    task = tagger(scheme="BIO")
    task.head.bias.assign([-99.0, 99.0, 0.0, 0.0, 0.0])  # every word is an animal
    text = "the dog sat , on the unbelievable mat " * 20
    found = task.tag(text)
    assert [span.text for span in found] == text.split()
    assert all(text[s.start : s.end] == s.text for s in found)


def test_broken_tags_begin_spans_as_in_conlleval():
    tags = TagSet(["X", "Y"], "BIOES")
    names = ["I-X", "I-Y", "E-Y", "E-Y", "O", "S-X", "I-X", "O"]
    row = tf.ragged.constant([[tags.ids[name] for name in names], []])
    starts = tf.ragged.range([8, 0]).with_row_splits_dtype(tf.int64)
    row = starts.with_flat_values(row.flat_values)
    scores = starts.with_flat_values(tf.range(8.0))
    found = tags.spans(row, scores, starts, starts + 1)
    spans = [*zip(*(x.to_list()[0] for x in found), strict=True)]
    assert [(a, b, tags.labels[c]) for a, b, c, _ in spans] == spans_of_tags(names)
    assert [score for *_, score in spans] == [0.0, 1.5, 3.0, 5.0, 6.0]
    assert found[0].to_list()[1] == []


@pytest.mark.parametrize(
    "options", [KINDS[0], pytest.param(KINDS[3], marks=pytest.mark.slow)], ids=str
)
def test_tags_can_be_learnt(options):
    task = tagger(scale=0.2, **options)
    train, valid = task.datasets(EXAMPLES, EXAMPLES, batch_size=4)
    task.compile(adamw(0.01, weight_decay=0.0))
    task.fit(train, steps_per_epoch=80, epochs=1, verbose=0)
    assert task.evaluate(valid, verbose=0) < 0.2
    found = task.tag([x.text for x in EXAMPLES])
    for example_, spans in zip(EXAMPLES, found, strict=True):
        assert [s._replace(score=1.0) for s in spans] == list(example_.spans)
    measures = task.measure(EXAMPLES)
    assert next(iter(measures)) == "f1" and measures["f1"] == 1.0
    assert measures["f1/place"] == 1.0


def test_batches_as_literals():
    task = tagger()
    rows = [example("unbelievable cat , dogs", (0, 16, "animal"), (19, 23, "animal"))]
    ((features, labels, weights),) = task.example_batches(
        rows, batch_size=1, training=False
    ).validation()
    ids = features["token_ids"].numpy().tolist()
    assert ids == [[2, 12, 13, 14, 6, 15, 10, 11, 3]]
    assert "segment_ids" not in features and labels.dtype == tf.int32
    assert weights.numpy().tolist() == [[0, 1, 0, 0, 1, 1, 1, 0, 0]]
    assert labels.numpy().tolist() == [[0, 1, 0, 0, 2, 0, 1, 0, 0]]
    task = tagger(predicate=True, scheme="BIOES")
    rows = [rows[0]._replace(predicate=(0, 12))]
    ((features, labels, _),) = task.example_batches(
        rows, 1, training=False
    ).validation()
    assert features["segment_ids"].numpy().tolist() == [[0, 1, 1, 1, 0, 0, 0, 0, 0]]
    assert labels.numpy().tolist() == [[0, 1, 0, 0, 3, 0, 4, 0, 0]]


@pytest.mark.parametrize("crf", [False, True])
def test_the_loss_is_a_mean_over_words(crf):
    task = tagger(crf=crf)
    task.compile()
    total = count = 0
    for features, labels, weights in task.example_batches(
        EXAMPLES, 4, training=False
    ).validation():
        logits = task(features).numpy()
        for row, tags, mask in zip(
            logits, labels.numpy(), weights.numpy() > 0, strict=True
        ):
            if crf:
                alone = row[mask][None], tags[mask][None], np.ones([1, mask.sum()])
                total -= task.chain.log_likelihood(*alone).numpy()[0]
            else:
                scores = row[mask] - np.log(np.exp(row[mask]).sum(-1, keepdims=True))
                total -= scores[np.arange(mask.sum()), tags[mask]].sum()
            count += mask.sum()
        found = task.test_step((features, labels, weights))["loss"]
    assert count == 18
    assert float(found) == pytest.approx(total / count, rel=1e-4)


def test_given_words_have_a_tag_each():
    task = tagger(seed=3, loud=True)
    words = ["the", "unbelievable", "cat", "sat"]
    tags = task.tag_words(words)
    assert len(tags) == 4 and {*tags} <= {*task.tag_set.names} and {*tags} != {"O"}
    places = [(0, 3), (4, 16), (17, 20), (21, 24)]
    spans = [(s.start, s.end, s.label) for s in task.tag(" ".join(words))]
    assert tags == tags_of_spans(places, spans)
    assert task.tag_words([words, ["dog"]]) == [tags, task.tag_words(["dog"])]
    assert task.tag_words([]) == []
    roles = tagger(seed=3, loud=True, predicate=True)
    found = roles.tag("the cat sat", (4, 7))
    spans = [(s.start, s.end, s.label) for s in found]
    wanted = tags_of_spans([(0, 3), (4, 7), (8, 11)], spans)
    assert roles.tag_words(["the", "cat", "sat"], 1) == wanted
    for bad, message in [("the cat", "words are a list"), (["a", ""], "empty word")]:
        with pytest.raises(ValueError, match=message):
            task.tag_words(bad)


def test_a_predicate_changes_what_is_found():
    task = tagger(seed=3, loud=True, predicate=True)
    text = TEXTS[0]
    one, other = task.tag([text, text], [(4, 7), (8, 11)])
    assert one != other
    assert task.tag(text, (8, 11)) == [
        s._replace(score=pytest.approx(s.score, abs=1e-5)) for s in other
    ]
    check(text, one)
    far = task.tag("the dog " * 60, (476, 479))
    assert all(span.start > 300 for span in far)
    with pytest.raises(ValueError, match=r"predicate \(4, 99\) is not in a text of 22"):
        task.tag(text, (4, 99))
    with pytest.raises(ValueError, match="0 predicates for 1 texts"):
        task.tag(text)
    with pytest.raises(ValueError, match="this task has no predicates"):
        tagger().tag(text, (0, 3))


def test_a_preset_keeps_labels_and_chain(tmp_path):
    task = tagger(crf=True, scheme="BIOES")
    task.save_preset(tmp_path)
    again = TokenClassifier.from_preset(tmp_path)
    assert again.labels == ("animal", "place") and again.scheme == "BIOES"
    for spans, wanted in zip(again.tag(TEXTS), task.tag(TEXTS), strict=True):
        assert spans == [
            s._replace(score=pytest.approx(s.score, abs=1e-5)) for s in wanted
        ]


def test_examples_of_records():
    spans = (Span("cat", "animal", 4, 7),)
    words = ((0, 3), (4, 7))
    for fields in (
        {"text": "the cat", "entities": [[4, 7, "animal"]]},
        {"text": "the cat", "entities": [{"start": 4, "end": 7, "label": "animal"}]},
        {"text": "the cat", "entities": '[[4, 7, "animal"]]'},
    ):
        assert TokenClassifier.example(fields) == TaggedText("the cat", spans)
    fields = {"words": ["the", "cat"], "tags": ["O", "I-animal"]}
    assert TokenClassifier.example(fields) == TaggedText("the cat", spans, words)
    assert TokenClassifier.example({"text": "[1]"}) == TaggedText("[1]")
    with pytest.raises(ValueError, match="no example has entities or tags to learn"):
        TokenClassifier.options_for([TaggedText("the cat")])
    assert TokenClassifier.options_for(EXAMPLES) == {
        "labels": ["animal", "place"],
        "predicate": False,
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "neither a 'text' nor 'words'"),
        ({"text": "a", "entities": [[0, 2, "X"]]}, "an entity that is not in its text"),
        ({"text": "a", "entities": [[0.0, 1, "X"]]}, "an entity that is not in its"),
        ({"text": "ab", "entities": [[0, 2, "X"], [1, 2, "Y"]]}, "entities that over"),
        ({"text": "a", "entities": [[0, 1]]}, "an entity that is no start, end and"),
        ({"text": "a", "entities": [[0, 1, None]]}, "an entity without a label"),
        ({"text": "a", "entities": 3}, "entities that are no list"),
        ({"words": ["a"], "tags": ["O", "O"]}, "tags that do not match the words"),
        ({"words": ["a", ""], "tags": ["O", "O"]}, "an empty word"),
        ({"text": "a", "predicate": [0, 2]}, "a predicate that is not in its text"),
    ],
)
def test_records_that_are_no_examples(fields, message):
    with pytest.raises(ValueError, match=message):
        TokenClassifier.example(fields)


def test_bad_input(caplog):
    with pytest.raises(ValueError, match="labels must be some, each once"):
        TokenClassifier(ENCODER)
    with pytest.raises(ValueError, match="unknown scheme 'BOI': did you mean 'BIO'"):
        TokenClassifier(ENCODER, labels=["X"], scheme="BOI")
    with pytest.raises(ValueError, match="needs a config with segment_types=2"):
        config = ENCODER.replace(segment_types=0)
        TokenClassifier(config, labels=["X"], predicate=True)
    task = tagger()
    other = [*EXAMPLES, example("the cat", (4, 7, "anima"))]
    with pytest.raises(ValueError, match="'anima' is not one.*did you mean 'animal'"):
        task.example_batches(other)
    task.measure(other)
    assert "that the task has not learnt, such as 'anima' (did" in caplog.text
    known = task.measure(EXAMPLES)
    assert task.measure([*EXAMPLES, TaggedText("the cat sat")]) == known
    assert "1 examples without entities or tags" in caplog.text
    with pytest.raises(ValueError, match="no example has entities or tags to comp"):
        task.measure([TaggedText("the cat")])
    with pytest.raises(ValueError, match="no examples with spans"):
        task.example_batches([TaggedText("the cat")])
    with pytest.raises(ValueError, match="an example has no predicate"):
        tagger(predicate=True).example_batches(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"crf": True}, {"predicate": True}], ids=str)
def test_an_export_tags_as_the_model(tmp_path, options):
    task = on_bytes(loud=True, **options)
    task.export(tmp_path / "1")
    script = f"""
import json, tensorflow as tf, tensorflow_text
served = tf.saved_model.load({str(tmp_path / "1")!r})
second = "x" if {"predicate" in options} else ""
inputs = dict(text=tf.constant(["Über 😀 x", second]))
if second:
    inputs |= dict(start=tf.constant([0, 0]), end=tf.constant([4, 1]))
found = served.signatures["tag"](**inputs)
none = served.signatures["tag"](**{{k: x[:0] for k, x in inputs.items()}})
assert none["texts"].shape[0] == none["counts"].shape[0] == 0
print(json.dumps([found["starts"].numpy().tolist(), found["counts"].numpy().tolist()]))
"""
    starts, counts = last_line_of("-c", script)
    predicates = [(0, 4)] if "predicate" in options else None
    wanted = [span.start for span in task.tag(["Über 😀 x"], predicates)[0]]
    assert counts[0] == len(wanted) and starts[0][: counts[0]] == wanted
    if not predicates:
        assert counts[1] == 0 and all(start == -1 for start in starts[1])


REPLICAS = """
from tests.tasks.replicas import report
from tests.tasks.tagging.test_task import EXAMPLES, tagger

report(
    lambda: tagger(scale=0.2, crf=True),
    lambda x: x.datasets(EXAMPLES, EXAMPLES, batch_size=4),
    steps=3,
)
"""


@pytest.mark.slow
def test_replicas_and_parts_of_a_batch_learn_the_same():
    (one, *others), apart = last_line_of("-c", REPLICAS)
    assert others == [pytest.approx(one, rel=1e-5)] * 2
    assert max(apart) < 1e-5
