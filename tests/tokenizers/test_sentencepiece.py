"""SentencePiece models, ours and others'."""

from __future__ import annotations

import random

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.tokenizers import SentencePieceTokenizer


@pytest.fixture(scope="module")
def llama(data_dir):
    path = data_dir / "weights" / "stories260K" / "tokenizer.model"
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return SentencePieceTokenizer(path), reference


@pytest.fixture(scope="module")
def trained(all_tokenizers):
    tokenizer = all_tokenizers["sentencepiece"]
    proto = tokenizer._files()["tokenizer.model"]
    return tokenizer, sentencepiece.SentencePieceProcessor(model_proto=proto)


def test_special_newline_and_byte_pieces(trained):
    tokenizer, _ = trained
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 3)
    assert tokenizer.special_ids == (0, 2, 3) and tokenizer.lossless
    assert tokenizer("\n\x00▁").numpy().tolist() == [
        4,
        5,
        5 + 0xE2,
        5 + 0x96,
        5 + 0x81,
    ]


def test_merges_cross_no_word_and_pieces_hold_spaces(trained):
    tokenizer, _ = trained
    pieces = [tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size)]
    assert " the" in pieces and not any("▁" in piece for piece in pieces)
    assert not any(" " in piece.strip(" ") for piece in pieces)
    assert tokenizer(" the the").numpy().tolist() == [pieces.index(" the")] * 2


@given(st.lists(st.text(max_size=40), max_size=8))
def test_bpe_gives_the_ids_of_the_package(trained, texts):
    tokenizer, reference = trained
    assert tokenizer(texts).to_list() == [reference.encode(text) for text in texts]


def test_equal_text_gives_an_equal_model(lines, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(lines[:8]) + "\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(lines[8:]), encoding="utf-8")
    files = SentencePieceTokenizer.train(f"{tmp_path}/*.txt", vocabulary_size=330)
    texts = SentencePieceTokenizer.train(texts=lines, vocabulary_size=330)
    assert files.fingerprint == texts.fingerprint
    assert str(tmp_path).encode() not in files._files()["tokenizer.model"]


def test_user_defined_symbols(lines):
    tokenizer = SentencePieceTokenizer.train(
        texts=lines, vocabulary_size=340, user_defined_symbols=["<user>", "a, b"]
    )
    assert tokenizer("<user>a, b\n").numpy().tolist() == [5, 6, 4]
    assert tokenizer.detokenize([5, 6, 4]).numpy() == b"<user>a, b\n"


def test_without_byte_fallback_unknown_characters_are_unk(lines):
    tokenizer = SentencePieceTokenizer.train(
        texts=lines, vocabulary_size=90, byte_fallback=False
    )
    assert not tokenizer.lossless
    assert tokenizer("ж").numpy().tolist() == [tokenizer.unk_id]
    assert tokenizer.detokenize([tokenizer.unk_id]).numpy().decode() == " ⁇ "


def test_vocabulary_beyond_the_text(lines):
    train = SentencePieceTokenizer.train
    with pytest.raises(ValueError, match="=263: this text supports at most 262; ask"):
        train(texts=["a"], vocabulary_size=263)
    soft = train(texts=["a"], vocabulary_size=263, hard_vocabulary_limit=False)
    assert soft.vocabulary_size == 262
    with pytest.raises(ValueError, match="=200: .* need at least 3[0-9][0-9]; ask"):
        train(texts=lines, vocabulary_size=200)


def test_wrong_arguments(tmp_path):
    train = SentencePieceTokenizer.train
    with pytest.raises(ValueError, match="there is no text to train"):
        train(texts=["", "\n"], vocabulary_size=300)
    with pytest.raises(ValueError, match="'word' is not 'bpe' or 'unigram'"):
        train(texts=["a"], model_type="word")
    with pytest.raises(ValueError, match=r"U\+2581 in 'a▁'"):
        train(texts=["a"], user_defined_symbols=["a▁"])
    with pytest.raises(FileNotFoundError, match="no.model"):
        SentencePieceTokenizer(tmp_path / "no.model")
    for content in (b"", b"\xff\x00 not a model"):
        (tmp_path / "bad.model").write_bytes(content)
        with pytest.raises(ValueError, match="bad.model: not a SentencePiece model"):
            SentencePieceTokenizer(tmp_path / "bad.model")


def test_training_is_quiet(lines, capfd):
    SentencePieceTokenizer.train(texts=lines, vocabulary_size=330)
    errors = capfd.readouterr().err.splitlines()
    assert [
        line for line in errors if "precompiled_charsmap is empty" not in line
    ] == []


def test_llama_vocabulary(llama):
    tokenizer, _ = llama
    assert (tokenizer.pad_id, tokenizer.unk_id) == (None, 0)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)
    assert tokenizer.special_ids == (1, 2) and tokenizer.vocabulary_size == 512
    assert tokenizer("Once upon a time").numpy().tolist() == [403, 407, 261, 378]
    assert not tokenizer.lossless


@given(st.lists(st.text(max_size=40), max_size=8))
def test_llama_gives_the_ids_and_text_of_the_package(llama, texts):
    tokenizer, reference = llama
    ids = [reference.encode(text) for text in texts]
    assert tokenizer(texts).to_list() == ids
    again = [text.decode() for text in tokenizer.detokenize(tokenizer(texts)).numpy()]
    assert again == [reference.decode(row) for row in ids]


def test_llama_decodes_any_sequence_as_the_package(llama):
    # <unk>, <s>, </s>, "&", "A", a space, pieces that begin with spaces or not
    tokenizer, reference = llama
    choices = [0, 1, 2, 3 + 38, 3 + 65, 410, 410, 261, 267, 300, 403]
    pick = random.Random(0)
    rows = [
        [pick.choice(choices) for _ in range(pick.randint(0, 8))] for _ in range(999)
    ]
    texts = [text.decode() for text in tokenizer.detokenize(rows).numpy()]
    assert texts == [reference.decode(row) for row in rows]


def test_wikitext_ids_of_the_package(llama, trained, wikitext):
    for tokenizer, reference in (llama, trained):
        assert tokenizer(wikitext).to_list() == reference.encode(wikitext)


def test_an_added_token_that_is_not_there_is_named(trained):
    proto = trained[0]._files()["tokenizer.model"]
    with pytest.raises(ValueError, match="added_tokens: '<x>' is not in the voc"):
        SentencePieceTokenizer(proto, added_tokens=["<x>"])
