"""Shards: the bytes on disk, what is wrong with them, and the order of batches."""

from __future__ import annotations

import itertools
import json
import shutil
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.corpus import split_documents
from massivetext_keras.data import Shards, open_shards, read_manifest, write_shards
from massivetext_keras.data.shards.format import MANIFEST, smallest_dtype
from massivetext_keras.tokenizers import ByteTokenizer, CharacterTokenizer

LENGTH = 15


def write(folder: Path, texts: list[str], **options):
    """Shards of bytes; a text is a document."""
    source = folder.with_suffix(".jsonl")
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    source.write_text("".join(lines))
    options = {"sequence_length": LENGTH, "validation_fraction": 0.0} | options
    return write_shards(folder, source, ByteTokenizer(), **options)


def texts(letter: str, count: int) -> list[str]:
    """Documents of 3 to 40 bytes, each with a number of its own."""
    return [f"{letter}{i:02}" + letter * (i * 7 % 38) for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Sixty documents in several files, a fifth of them held out."""
    path = tmp_path_factory.mktemp("shards") / "a"
    frame = 16 + 3 * (LENGTH + 1)
    write(path, texts("a", 60), validation_fraction=0.2, shard_bytes=20 * frame)
    return path


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> list[Path]:
    place = tmp_path_factory.mktemp("others")
    for letter, count in (("b", 25), ("c", 40)):
        write(place / letter, texts(letter, count))
    return [place / "b", place / "c"]


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """A copy that a test may break."""
    return shutil.copytree(folder, tmp_path / "copy")


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def rows_of(batches: list) -> list[bytes]:
    return [row.tobytes() for x, _, _ in batches for row in x["token_ids"]]


def decoded(batches: list) -> Counter:
    """The texts that the segments of the batches hold, but for their last token."""
    found = Counter()
    for features, labels, weights in batches:
        for segments, label, weight in zip(
            features["segment_ids"], labels, weights, strict=True
        ):
            for segment in range(1, segments.max() + 1):
                inside = (segments == segment) & (weight > 0)
                found[bytes(int(i) - 3 for i in label[inside][:-1]).decode()] += 1
    return found


# What lies on the disk


def test_a_record_byte_by_byte(tmp_path):
    manifest = write(tmp_path / "s", ["ab", "c"], sequence_length=6)
    data = (tmp_path / "s" / "train-00000.tfrecord").read_bytes()
    row = struct.pack("<7H", 100, 101, 2, 102, 2, 0, 0) + bytes([1, 1, 1, 2, 2, 0, 0])
    assert data[:8] == struct.pack("<Q", 21)
    assert data[12:33] == row and len(data) == 12 + 21 + 4
    assert manifest.record_dtype.itemsize == 37
    assert json.loads((tmp_path / "s" / MANIFEST).read_text()) == manifest.to_dict()
    assert manifest == read_manifest(tmp_path / "s")
    side = manifest.train
    assert (side.documents, side.tokens, side.predictions) == (2, 5, 3)
    assert (side.examples, side.padding) == (1, pytest.approx(2 / 7))
    assert manifest.validation.examples == 0
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names == {MANIFEST, "train-00000.tfrecord"}


def test_tensorflow_reads_what_is_mapped(folder):
    shards = open_shards(folder)
    manifest = shards.manifests[0]
    assert len(manifest.train.shards) > 2
    paths = [str(folder / name) for name in manifest.train.shards]
    records = [r.numpy() for r in tf.data.TFRecordDataset(paths)]
    assert len(records) == manifest.train.examples
    rows = np.frombuffer(b"".join(records), manifest.row_dtype)
    numbers = tf.range(len(records), dtype=tf.int64)
    tokens, segments = shards._train.gather(numbers)
    assert np.array_equal(tokens, rows["tokens"])
    assert np.array_equal(segments, rows["segments"])
    for number in (0, 19, 20, len(records) - 1):
        assert shards._train[number].tobytes() == records[number]
        path, record = shards._train.name(number).split(":")
        assert paths.index(path) * 20 + int(record) == number


def test_large_vocabularies_and_long_rows_have_wider_numbers(tmp_path, monkeypatch):
    assert smallest_dtype(257, ("|u1", "<u2")) == "<u2"
    monkeypatch.setattr(ByteTokenizer, "vocabulary_size", 65537)
    manifest = write(tmp_path / "s", ["x" * 5] * 300, sequence_length=600)
    assert (manifest.token_dtype, manifest.segment_dtype) == ("<u4", "<u2")
    ((features, labels, weights),) = take(open_shards(tmp_path / "s").training(3), 1)
    assert features["segment_ids"].max() == 100
    assert decoded([(features, labels, weights)]) == {"xxxx": 300}
    assert features["token_ids"][0, :7].tolist() == [123] * 5 + [2, 123]


def test_documents_go_where_split_documents_sends_them(tmp_path, folder):
    train, valid = split_documents(texts("a", 60), 0.2)
    manifest = read_manifest(folder)
    assert manifest.train.documents == len(train)
    assert manifest.validation.documents == len(valid)
    assert manifest.train.tokens == sum(len(text) + 1 for text in train)
    found = decoded(take(open_shards(folder).validation(4), 99))
    pieces = Counter()
    for text in valid:  # the first byte is never predicted; a full row has no end
        for at in range(0, len(text), LENGTH):
            pieces[(text[1:] + " ")[at : at + LENGTH][:-1]] += 1
    assert found == pieces


def test_writing_is_repeatable_and_counts_what_is_too_short(tmp_path):
    first = write(tmp_path / "s", ["long enough", *texts("a", 9)])
    again = write(tmp_path / "s", ["long enough", *texts("a", 9)], overwrite=True)
    assert first == again
    source = tmp_path / "t.jsonl"
    source.write_text('{"text": "a"}\n{"text": "ab"}\n')
    tokenizer = CharacterTokenizer(["<unk>", "a", "b"])  # has no end of text
    manifest = write_shards(tmp_path / "t", source, tokenizer, 4, 0.0)
    assert (manifest.train.documents, manifest.train.too_short) == (1, 1)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"text": "one"}\n{"text": 2}\n')
    with pytest.raises(ValueError, match=r"s.jsonl:2: 'text' is int, not text"):
        write_shards(tmp_path / "s", tmp_path / "s.jsonl", ByteTokenizer(), 4, 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]


# What is found before training starts


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["train-00001.tfrecord", "validation-00000.tfrecord"])
@pytest.mark.parametrize(
    "damage, complaint",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated"),
        (lambda path: flip(path, 40), "was changed after it was written"),
        (Path.unlink, "is missing"),
    ],
)
def test_a_damaged_shard_is_named(copy, name, damage, complaint):
    damage(copy / name)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint) as caught:
        open_shards(copy)
    assert str(copy / name) in str(caught.value)


@pytest.mark.parametrize(
    "text, complaint",
    [
        (None, "manifest.json is missing"),
        ("{", "not JSON"),
        ('{"format": "massivetext_keras shards 9"}', "its format is"),
        ('{"format": "massivetext_keras shards 1", "lenght": 3}', "unknown field"),
        ('{"format": "massivetext_keras shards 1", "seed": "x"}', "must be int"),
    ],
)
def test_a_damaged_manifest_is_named(copy, text, complaint):
    (copy / MANIFEST).unlink()
    if text:
        (copy / MANIFEST).write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint) as caught:
        open_shards(copy)
    assert str(copy / MANIFEST) in str(caught.value)


def test_another_tokenizer_vocabulary_or_length_is_refused(folder):
    shards = open_shards(folder)
    shards.check(ByteTokenizer(), 259, LENGTH, LENGTH)
    shards.check(None, 300, 100)
    with pytest.raises(ValueError, match="another tokenizer: its fingerprint is"):
        shards.check(ByteTokenizer(add_bos=True), 259, LENGTH)
    with pytest.raises(ValueError, match="259 tokens, the model embeds 258"):
        shards.check(None, 258, LENGTH)
    with pytest.raises(ValueError, match="rows of 15 tokens, the model's context is 8"):
        shards.check(None, 259, 8)
    with pytest.raises(ValueError, match="rows of 15 tokens: set sequence_length"):
        shards.check(None, 259, 100, 16)


def test_folders_that_differ_are_refused(folder, tmp_path):
    write(tmp_path / "s", ["text"], sequence_length=4)
    with pytest.raises(ValueError, match="differ in sequence_length: 4 and 15"):
        open_shards([folder, tmp_path / "s"])


# Which files are shards


def test_names_of_shards_and_of_text(folder, others, tmp_path):
    (tmp_path / "text.txt").write_text("text")
    assert open_shards(tmp_path) is open_shards(tmp_path / "text.txt") is None
    assert open_shards(["*.txt", "a=b.txt"]) is None
    assert open_shards(str(folder)).names == ["a"]
    b, c = others
    weighted = open_shards([f"{b}=0.7", f"{c}=0.3"])
    assert (weighted.names, weighted._counts.numpy().tolist()) == (["b", "c"], [7, 3])
    assert open_shards({b: 3, c: 1})._counts.numpy().tolist() == [3, 1]
    for files, complaint in (
        ([folder, tmp_path], "holds no shards"),
        ({tmp_path: 1.0}, "holds no shards"),
        ([f"{b}=0.7", c], "has no weight, others have"),
        ([f"{b}=much", c], "'much' is no weight of shards"),
        ([f"{b}=0", f"{c}=1"], "weights of corpora must be positive"),
    ):
        with pytest.raises(ValueError, match=complaint):
            open_shards(files)


# The order of batches


def test_batches_have_static_shapes_and_say_which_corpus(folder, others):
    features, labels, weights = open_shards(folder).training(4).element_spec
    assert set(features) == {"token_ids", "segment_ids", "positions"}
    for spec in (*features.values(), labels):
        assert (spec.shape, spec.dtype) == ((4, LENGTH), tf.int32)
    assert (weights.shape, weights.dtype) == ((4, LENGTH), tf.float32)
    features, _, _ = open_shards(others).training(4).element_spec
    assert features["corpus_ids"] == tf.TensorSpec([4], tf.int32)


def test_every_row_once_an_epoch_then_in_another_order(folder):
    shards = open_shards(folder)
    count = shards.manifests[0].train.examples
    rows = rows_of(take(shards.training(3, seed=5), count))  # three epochs
    epochs = [rows[i * count : (i + 1) * count] for i in range(3)]
    everything = sorted(epochs[0])
    assert all(sorted(epoch) == everything for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert decoded(take(shards.training(count), 1)).total() > count


def test_start_gives_batch_k_and_the_seed_decides(folder, others):
    for shards in (open_shards(folder), open_shards([folder, *others])):
        batches = take(shards.training(5, seed=2), 30)
        for k in (0, 7, 29):
            (batch,) = take(shards.training(5, seed=2, start=k), 1)
            flat, expected = map(tf.nest.flatten, (batch, batches[k]))
            assert all(map(np.array_equal, flat, expected))
        other = take(shards.training(5, seed=3), 1)
        assert rows_of(other) != rows_of(batches[:1])


def test_examples_names_the_rows_of_a_batch(folder, others):
    shards = open_shards({folder: 2, others[0]: 1})
    ((features, _, _),) = take(shards.training(6, seed=1, start=11), 1)
    names = shards.examples(11, 6, seed=1)
    assert [others[0].name == Path(name).parent.name for name in names] == (
        features["corpus_ids"].astype(bool).tolist()
    )
    for name, row in zip(names, features["token_ids"], strict=True):
        path, record = name.split(":")
        records = np.fromfile(path, shards.manifests[0].record_dtype)
        tokens = records[int(record)]["row"]["tokens"]
        assert np.array_equal(tokens[:-1], row)


def test_the_fingerprint_is_of_what_is_read(folder, others, copy):
    found = [
        Shards([folder]),
        Shards(others),
        Shards(others[::-1]),
        Shards(others, [0.5, 0.5]),
    ]
    assert len({shards.fingerprint for shards in found}) == 4
    assert open_shards(found[0]) is found[0]
    assert Shards([copy]).fingerprint == found[0].fingerprint


def test_a_mixture_is_exact_and_shuffles_each_corpus(folder, others):
    weights = [0.5, 0.3, 0.2]
    shards = Shards([folder, *others], weights)
    batches = take(shards.training(10), 60)
    corpora = np.concatenate([x["corpus_ids"] for x, _, _ in batches])
    n = np.arange(1, len(corpora) + 1)
    rows = rows_of(batches)
    for corpus, weight in enumerate(weights):
        assert (abs(np.cumsum(corpora == corpus) - n * weight) < 1).all()
        own = [row for row, c in zip(rows, corpora, strict=True) if c == corpus]
        size = shards.manifests[corpus].train.examples
        epochs = [sorted(own[i : i + size]) for i in range(0, len(own) - size, size)]
        assert len(epochs) > 1 and all(epoch == epochs[0] for epoch in epochs)
        assert own[:size] != own[size : 2 * size]


def test_workers_are_disjoint_and_cover_the_batch(folder):
    shards = open_shards(folder)
    whole = take(shards.training(6), 5)
    parts = [take(shards.training(6, worker=i, workers=3), 5) for i in range(3)]
    for batch, *some in zip(whole, *parts, strict=True):
        assert rows_of([batch]) == [row for part in some for row in rows_of([part])]
    with pytest.raises(ValueError, match="no equal part of batch_size 6"):
        shards.training(6, worker=0, workers=4)
    with pytest.raises(ValueError, match="no equal part"):
        shards.training(6, worker=3, workers=3)
    with pytest.raises(ValueError, match="batch_size must be positive"):
        shards.training(0)


def test_validation_has_every_row_once(folder, others):
    assert open_shards(others).validation(4) is None
    shards = open_shards(folder)
    count = shards.manifests[0].validation.examples
    batches = take(shards.validation(count - 1), 99)
    assert len(batches) == 2
    real = [w.any() for _, _, weights in batches for w in weights]
    assert real == [True] * count + [False] * (count - 2)
    total = sum(weights.sum() for _, _, weights in batches)
    assert total == shards.manifests[0].validation.predictions
