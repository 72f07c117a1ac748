"""What holds for every tokenizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras import tokenizers as mt

NAMES = ["byte", "character", "byte_pair", "sentencepiece", "unigram", "wordpiece"]
LOSSLESS = ["byte", "byte_pair", "sentencepiece", "unigram"]
TEXTS = ["The cat sat", "", "  a\tb\n\x00c ▁ 日本😀"]

LOAD = """
import json, sys
import tensorflow as tf, tensorflow_text
folder, *names = sys.argv[1:]
served = tf.saved_model.load(folder)
texts = tf.constant(json.load(sys.stdin))
answers = {}
for name in names:
    encoded = served.signatures["encode_" + name](text=texts)
    decoded = served.signatures["decode_" + name](ids=encoded["ids"])
    answers[name] = [
        encoded["ids"].numpy().tolist(),
        [text.decode() for text in decoded["text"].numpy()],
    ]
print(json.dumps(answers))
"""


@pytest.fixture(params=NAMES)
def tokenizer(request, all_tokenizers) -> mt.Tokenizer:
    return all_tokenizers[request.param]


def decoded(text: tf.Tensor) -> list[str]:
    return [value.decode() for value in text.numpy()]


@pytest.mark.parametrize("name", LOSSLESS)
@given(texts=st.lists(st.text(max_size=30), max_size=8))
def test_every_string_comes_back(all_tokenizers, name, texts):
    tokenizer = all_tokenizers[name]
    assert decoded(tokenizer.detokenize(tokenizer(texts))) == texts


@pytest.mark.parametrize("name", LOSSLESS)
def test_hostile_strings_come_back(all_tokenizers, naughty, name):
    tokenizer = all_tokenizers[name]
    assert decoded(tokenizer.detokenize(tokenizer(naughty))) == naughty


@given(texts=st.lists(st.binary(max_size=12), max_size=8))
def test_invalid_utf8_reads_as_its_replacement(all_tokenizers, texts):
    for name in NAMES:
        tokenizer = all_tokenizers[name]
        mended = tf.strings.unicode_transcode(
            tf.constant(texts, tf.string),
            "UTF-8",
            "UTF-8",
            replace_control_characters=False,
        )
        assert tokenizer(texts).to_list() == tokenizer(mended).to_list()
        if name in LOSSLESS:
            text = tokenizer.detokenize(tokenizer(texts))
            assert text.numpy().tolist() == mended.numpy().tolist()


@given(rows=st.lists(st.lists(st.integers(-5, 500), max_size=12), min_size=1))
def test_detokenized_text_is_valid_utf8(all_tokenizers, rows):
    for tokenizer in all_tokenizers.values():
        decoded(tokenizer.detokenize(tf.ragged.constant(rows, tf.int64, 1)))


def test_scalar_batch_and_dense_agree(tokenizer):
    rows = tokenizer(TEXTS)
    assert rows.dtype == tf.int32 and rows.row_splits.dtype == tf.int64
    for text, row in zip(TEXTS, rows.to_list(), strict=True):
        one = tokenizer(text)
        assert one.dtype == tf.int32 and one.numpy().tolist() == row
        assert tokenizer.detokenize(one) == tokenizer.detokenize([row])[0]
    assert tokenizer([]).to_list() == []
    dense = rows.to_tensor(-1)
    for form in (dense, tf.cast(dense, tf.int64), dense.numpy(), rows.to_list()):
        same = tokenizer.detokenize(form) == tokenizer.detokenize(rows)
        assert tf.reduce_all(same)


def test_special_and_unknown_ids_give_no_text(tokenizer):
    ids = tokenizer("cat").numpy().tolist()
    special = [*tokenizer.special_ids, -1, tokenizer.vocabulary_size, 2**40]
    assert len(special) >= 4
    noisy = [special[0], *ids, *special]
    assert tokenizer.detokenize([noisy]).numpy().tolist() == [b"cat"]


def test_names_and_ids_are_inverse(tokenizer):
    for index in range(tokenizer.vocabulary_size):
        assert tokenizer.token_to_id(tokenizer.id_to_token(index)) == index
    assert tokenizer.token_to_id("no such token") is None
    with pytest.raises(ValueError, match=r"id -1 is outside \[0, "):
        tokenizer.id_to_token(-1)


def test_other_ranks_are_refused(tokenizer):
    with pytest.raises(ValueError, match=r"shape \[batch\] or \[\], not \(1, 1\)"):
        tokenizer.tokenize([["a"]])
    with pytest.raises(ValueError, match=r"\[batch, length\] or \[length\], not \(\)"):
        tokenizer.detokenize(3)


def test_works_in_a_dataset_and_a_function(tokenizer):
    expected = tokenizer(TEXTS).to_list()
    data = tf.data.Dataset.from_tensor_slices(TEXTS)
    assert [row.tolist() for row in data.map(tokenizer).as_numpy_iterator()] == expected
    (batch,) = data.batch(3).map(tokenizer)
    assert batch.to_list() == expected
    assert tf.function(tokenizer)(tf.constant(TEXTS)).to_list() == expected


def test_saved_and_loaded(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new" / "folder")
    loaded = mt.load(tmp_path / "new" / "folder")
    assert type(loaded) is type(tokenizer)
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded(TEXTS).to_list() == tokenizer(TEXTS).to_list()
    for name in ("pad_id", "bos_id", "eos_id", "unk_id", "special_ids", "add_bos"):
        assert getattr(loaded, name) == getattr(tokenizer, name)
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"tokenizer_config.json", *tokenizer._files()}


def test_config_round_trip_is_json(tokenizer):
    config = json.loads(json.dumps(tokenizer.get_config()))
    copy = type(tokenizer).from_config(config)
    assert copy.get_config() == tokenizer.get_config()
    assert copy.fingerprint == tokenizer.fingerprint


def test_keras_file_round_trip(all_tokenizers, tmp_path):
    text = keras.Input((), dtype="string")
    model = keras.Model(text, {n: t(text) for n, t in all_tokenizers.items()})
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    for name, ids in restored(tf.constant(TEXTS)).items():
        assert ids.to_list() == all_tokenizers[name](TEXTS).to_list()


def test_exported_without_this_package(all_tokenizers, tmp_path):
    root = tf.Module()
    root.tokenizers = all_tokenizers
    signatures = {}
    for name, tokenizer in all_tokenizers.items():

        def encode(text, tokenizer=tokenizer):
            return {"ids": tokenizer(text).to_tensor(-1)}

        def decode(ids, tokenizer=tokenizer):
            return {"text": tokenizer.detokenize(ids)}

        text, ids = (
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None] * 2, tf.int32),
        )
        signatures[f"encode_{name}"] = tf.function(encode).get_concrete_function(
            text=text
        )
        signatures[f"decode_{name}"] = tf.function(decode).get_concrete_function(
            ids=ids
        )
    tf.saved_model.save(root, str(tmp_path), signatures)
    answer = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path), *NAMES],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    for name, (ids, texts) in json.loads(answer.stdout).items():
        expected = all_tokenizers[name](TEXTS)
        assert ids == expected.to_tensor(-1).numpy().tolist()
        assert texts == decoded(all_tokenizers[name].detokenize(expected))


def test_fingerprints_tell_tokenizers_apart(all_tokenizers):
    prints = {tokenizer.fingerprint for tokenizer in all_tokenizers.values()}
    prints.add(mt.ByteTokenizer().fingerprint)
    assert len(prints) == len(NAMES) + 1
    assert all(len(value) == 16 and int(value, 16) >= 0 for value in prints)
    assert mt.ByteTokenizer(name="other").fingerprint == mt.ByteTokenizer().fingerprint


def test_flags_need_their_tokens():
    with pytest.raises(ValueError, match="add_bos and add_eos need a bos and an eos"):
        mt.CharacterTokenizer(["<unk>", "a"], add_eos=True)


def test_load_names_what_is_wrong(tmp_path):
    config = tmp_path / "tokenizer_config.json"
    with pytest.raises(FileNotFoundError, match=f"{config}: no tokenizer was saved"):
        mt.load(tmp_path)
    config.write_text('{"type": "Byte')
    with pytest.raises(ValueError, match=f"{config}: not JSON, perhaps half written"):
        mt.load(tmp_path)
    config.write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(ValueError, match="is read by from_huggingface"):
        mt.load(tmp_path)
    config.write_text('{"type": "BytesTokenizer", "files": {}}')
    with pytest.raises(ValueError, match="'BytesTokenizer': did you mean 'ByteToken"):
        mt.load(tmp_path)


def test_damaged_and_missing_model_files(all_tokenizers, tmp_path):
    all_tokenizers["sentencepiece"].save(tmp_path)
    model = tmp_path / "tokenizer.model"
    model.write_bytes(model.read_bytes()[:-7])
    with pytest.raises(ValueError, match=f"{model}: damaged or of another tokenizer"):
        mt.load(tmp_path)
    model.unlink()
    with pytest.raises(FileNotFoundError, match=str(model)):
        mt.load(tmp_path)


def test_saving_over_another_tokenizer(all_tokenizers, tmp_path):
    for tokenizer in all_tokenizers.values():
        tokenizer.save(tmp_path)
        assert mt.load(tmp_path).fingerprint == tokenizer.fingerprint
