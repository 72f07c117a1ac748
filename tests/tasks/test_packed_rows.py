"""Documents of a packed row don't see each other, and cost what they cost alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.corpus import split_documents
from massivetext_keras.data import write_shards
from massivetext_keras.data.shards.reader import packed_example
from massivetext_keras.tasks import CausalLM, MaskedLM
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import TINY, byte_lm

pytestmark = pytest.mark.usefixtures("without_xla")

TEXTS = ["a cat sat", "on", "the mat and looked at the dog", "", "who slept"]
FAMILIES = [
    {},
    {"position": "rotary", "num_key_value_heads": 2, "norm": "rms_norm"},
    {"position": "relative", "window": 4},
    {"position": "sinusoidal", "num_layers": 2},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed")
    lines = (json.dumps({"text": text}) + "\n" for text in [*TEXTS, "of late"] * 4)
    (path / "text.jsonl").write_text("".join(lines))
    write_shards(path / "shards", path / "text.jsonl", ByteTokenizer(), 20, 0.25)
    return path / "shards"


def logits(lm: CausalLM, tokens: np.ndarray, segments: np.ndarray) -> np.ndarray:
    features, _, _ = packed_example(tf.constant(tokens), tf.constant(segments))
    return lm(features).numpy()


@pytest.mark.parametrize("changes", FAMILIES)
def test_another_first_document_leaves_the_second_as_it_was(changes):
    lm, random = byte_lm(**changes), np.random.default_rng(0)
    segments = np.repeat([1, 2, 3, 0], [7, 9, 3, 2])[None].astype("int32")
    tokens = random.integers(3, 259, segments.shape).astype("int32") * (segments > 0)
    changed = np.where(segments == 1, 258 - tokens, tokens)
    before, after = (logits(lm, ids, segments) for ids in (tokens, changed))
    assert (before[0, :7] != after[0, :7]).any()
    np.testing.assert_array_equal(before[0, 7:], after[0, 7:])
    # and the first does not depend on what follows it
    changed = np.where(segments == 2, 258 - tokens, tokens)
    found = logits(lm, changed, segments)
    np.testing.assert_array_equal(before[0, :7], found[0, :7])
    np.testing.assert_array_equal(before[0, 16:], found[0, 16:])


@pytest.mark.parametrize("changes", FAMILIES[:3])  # tables of positions are alike
def test_a_packed_row_is_its_documents_alone(folder, changes):
    lm = byte_lm(**changes)
    train, _ = lm.datasets(folder, batch_size=4)
    features, labels, weights = next(iter(train))
    packed = lm(features).numpy()
    loss, alone, documents = 0.0, 0.0, 0
    loss = float(lm.summed_loss(features, labels, weights, training=False)[0][0])
    for row, segments in enumerate(features["segment_ids"].numpy()):
        for segment in range(1, segments.max() + 1):
            inside = segments == segment
            ids = features["token_ids"].numpy()[row, inside][None]
            found = lm({"token_ids": ids}).numpy()[0]
            np.testing.assert_allclose(packed[row, inside], found, atol=1e-5)
            expected = labels.numpy()[row, inside][None], weights.numpy()[row, inside]
            found, _ = lm.summed_loss({"token_ids": ids}, *expected, training=False)
            alone += float(found[0])
            documents += 1
    assert documents > 8
    assert loss == pytest.approx(alone, rel=1e-6)


def test_the_loss_counts_every_token_but_the_first_of_a_document(folder):
    lm = byte_lm()
    _, valid = lm.datasets(folder, batch_size=3, sequence_length=20)
    lm.compile()
    found = lm.evaluate(valid, return_dict=True, verbose=0)
    summed = count = 0.0
    manifest = json.loads((folder / "manifest.json").read_text())
    for features, labels, weights in valid:
        ended = weights.numpy() > 0
        chances = tf.nn.log_softmax(lm(features)).numpy()
        picked = np.take_along_axis(chances, labels.numpy()[..., None], 2)[..., 0]
        summed, count = summed - picked[ended].sum(), count + ended.sum()
    assert count == manifest["validation"]["predictions"] > 0
    assert found["loss"] == pytest.approx(summed / count, rel=1e-5)


def test_what_does_not_fit_the_shards_is_refused(folder):
    with pytest.raises(ValueError, match="rows of 20 tokens: set sequence_length"):
        byte_lm().datasets(folder, sequence_length=16)
    with pytest.raises(ValueError, match="the model's context is 16"):
        byte_lm(max_length=16).datasets(folder)
    with pytest.raises(ValueError, match="another tokenizer"):
        byte_lm(tokenizer=ByteTokenizer(add_bos=True)).datasets(folder)
    with pytest.raises(ValueError, match="a prefix language model takes text"):
        byte_lm(stack="prefix").datasets(folder)
    encoder = MaskedLM(TINY.replace(stack="encoder", vocabulary_size=260))
    with pytest.raises(ValueError, match="are shards; a MaskedLM takes text"):
        encoder.datasets(folder)


def test_the_loss_of_each_corpus_is_logged(folder, tmp_path):
    other = tmp_path / "other"
    write_shards(other, folder.parent / "text.jsonl", ByteTokenizer(), 20, 0.25)
    lm = byte_lm()
    train, valid = lm.datasets({folder: 0.75, other: 0.25}, batch_size=4)
    lm.compile()
    history = lm.fit(train, validation_data=valid, steps_per_epoch=2, verbose=0)
    logs = {name: values[0] for name, values in history.history.items()}
    by_corpus = [logs["loss/shards"], logs["loss/other"]]
    assert min(by_corpus) < logs["loss"] < max(by_corpus)
    # The same text on both sides.
    assert logs["val_loss/shards"] == pytest.approx(logs["val_loss/other"], rel=1e-5)


def test_without_a_fraction_there_is_no_validation(folder):
    assert byte_lm().datasets(folder, validation_fraction=0.0)[1] is None


def test_texts_of_like_length_for_fine_tuning(folder):
    text = folder.parent / "text.jsonl"
    lm = byte_lm()
    train, valid = lm.datasets(text, batch_tokens=64, validation_fraction=0.25)
    lm.compile()
    lm.fit(train, validation_data=valid, steps_per_epoch=2, verbose=0)
    assert all(np.size(labels) < 64 for _, labels, _ in train.take(9))
    lines = text.read_text().splitlines()
    kept = [json.loads(line)["text"] for line in lines]
    kept = split_documents([text for text in kept if text], 0.25)[1]
    total = sum(weights.numpy().sum() for _, _, weights in valid)
    assert total == sum(len(text) for text in kept)
