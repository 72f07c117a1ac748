"""Marian's two models over one vocabulary."""

from __future__ import annotations

import io
import json

import pytest
import sentencepiece
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras import tokenizers as mt


def trained(lines) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=600,
        hard_vocab_limit=False,
        model_type="bpe",
        minloglevel=2,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def sides(data_dir):
    """The lines of two languages."""
    folder = data_dir / "mt" / "multi30k"
    return [
        (folder / f"val.{code}").read_text(encoding="utf-8").split("\n")[:-1]
        for code in ("en", "de")
    ]


@pytest.fixture(scope="module")
def folder(sides, tmp_path_factory):
    """A folder as Marian's: ids of its own, and some pieces have none."""
    path = tmp_path_factory.mktemp("marian")
    pieces = set()
    for name, lines in zip(("source.spm", "target.spm"), sides, strict=True):
        (path / name).write_bytes(trained(lines))
        side = sentencepiece.SentencePieceProcessor(str(path / name))
        pieces |= {side.id_to_piece(i) for i in range(3, side.vocab_size() - 20)}
    tokens = ["</s>", "<unk>", *sorted(pieces), ">>de<<", ">>nl<<", "<pad>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    config = {"tokenizer_class": "MarianTokenizer", "pad_token": "<pad>"}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def expected(folder, name: str, texts) -> list[list[int]]:
    vocabulary = json.loads((folder / "vocab.json").read_text())
    side = sentencepiece.SentencePieceProcessor(str(folder / name))
    pieces = side.encode(texts, out_type=str)
    return [[vocabulary.get(piece, 1) for piece in row] for row in pieces]


def test_each_side_has_its_model(folder, sides, naughty):
    tokenizer = mt.from_huggingface(folder)
    assert isinstance(tokenizer, mt.TranslationTokenizer)
    assert (tokenizer.eos_id, tokenizer.unk_id, tokenizer.bos_id) == (0, 1, None)
    assert tokenizer.pad_id == tokenizer.vocabulary_size - 1
    assert tokenizer.add_eos and not tokenizer.add_bos
    texts = [*sides[0], *sides[1], *naughty]
    source = expected(folder, "source.spm", texts)
    target = expected(folder, "target.spm", texts)
    assert tokenizer(texts).to_list() == source != target
    assert tokenizer.target_side()(texts).to_list() == target
    assert any(1 in row for row in source[:500])
    known = [i for i, row in enumerate(target[:2000]) if 1 not in row]
    again = tokenizer.detokenize([[*target[i], 0] for i in known]).numpy()
    plain = [" ".join(texts[i].split()) for i in known]
    assert [text.decode() for text in again] == plain and len(known) > 1000


def test_the_language_before_a_text(folder):
    tokenizer = mt.from_huggingface(folder)
    names = [">>de<<", ">>nl<<"]
    german, dutch = map(tokenizer.token_to_id, names)
    hello = expected(folder, "source.spm", ["A man.\nA dog."])[0]
    texts = [f"{name} A man.\nA dog." for name in ("", *names, ">>x<<", " >>de<<")]
    rows = tokenizer(texts).to_list()
    assert rows[:4] == [hello, [german, *hello], [dutch, *hello], [1, *hello]]
    assert rows[4] == expected(folder, "source.spm", texts[4:])[0]
    assert tokenizer(">>de<<").numpy().tolist() == [german]


def test_files_and_saved_models_give_the_same_ids(folder, sides, tmp_path):
    tokenizer, texts = mt.from_huggingface(folder), [*sides[0][:20], ">>de<< A dog."]
    tokenizer.save(tmp_path / "own")
    read = mt.load(tmp_path / "own")
    assert read.fingerprint == tokenizer.fingerprint
    for name, content in mt.huggingface_files(tokenizer).items():
        (tmp_path / name).write_bytes(content)
    again = mt.from_huggingface(tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    rows = tokenizer(texts)
    assert read(texts).to_list() == again(texts).to_list() == rows.to_list()
    assert (
        read.target_side()(texts).to_list() == tokenizer.target_side()(texts).to_list()
    )

    module = tf.Module()
    module.tokenizer = tokenizer
    module.call = tf.function(
        lambda x: tokenizer(x).flat_values,
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    served = tf.saved_model.load(str(tmp_path / "saved")).call(tf.constant(texts))
    assert served.numpy().tolist() == rows.flat_values.numpy().tolist()


def test_pairs_to_learn_from(folder, sides):
    tokenizer = mt.from_huggingface(folder)
    sources, targets = (side[:3] for side in sides)
    rows = data.encode_pairs(tokenizer, sources, targets, 200)
    for name, texts, encoded in zip(
        ("source.spm", "target.spm"), (sources, targets), rows, strict=True
    ):
        ends = [[*row, 0] for row in expected(folder, name, texts)]
        assert [row.tolist() for row in encoded] == ends


def test_what_marian_cannot_be(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"separate_vocabs": true}')
    with pytest.raises(ValueError, match="separate_vocabs=True is not supported"):
        mt.from_huggingface(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "target.spm").write_bytes(b"?")
    with pytest.raises(ValueError, match="target.spm: not a SentencePiece model"):
        mt.from_huggingface(tmp_path)


def test_keras_keeps_both_sides(folder, sides):
    tokenizer = mt.from_huggingface(folder)
    again = mt.TranslationTokenizer.from_config(tokenizer.get_config())
    for one, other in (
        (tokenizer, again),
        (tokenizer.target_side(), again.target_side()),
    ):
        assert one(sides[1][:9]).to_list() == other(sides[1][:9]).to_list()
