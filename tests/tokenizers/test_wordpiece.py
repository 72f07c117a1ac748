"""BERT's WordPiece."""

from __future__ import annotations

import pytest
import tokenizers as hf

from massivetext_keras.tokenizers import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, "un", "##aff", "##able", "cafe", "Café", ",", "'", "日", "本", "["]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(TOKENS)


def test_literal_ids(tokenizer):
    rows = tokenizer(["UNAFFABLE, Café'", "日本 unxaff", "", "[CLS]"]).to_list()
    assert rows == [[5, 6, 7, 10, 8, 11], [12, 13, 1], [], [14, 1, 1]]


def test_cased():
    tokenizer = WordPieceTokenizer(TOKENS, lowercase=False)
    assert tokenizer(["Café cafe UN"]).to_list() == [[9, 8, 1]]


def test_special_ids(tokenizer):
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.mask_id) == (0, 1, 4)
    assert (tokenizer.cls_id, tokenizer.sep_id) == (2, 3)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 3)
    assert tokenizer.special_ids == (0, 2, 3, 4)


def test_detokenize_joins_pieces(tokenizer):
    ids = [[2, 5, 6, 7, 10, 4, 8, 1, 3, 0, 0], [6]]
    assert tokenizer.detokenize(ids).numpy().tolist() == [
        b"unaffable , cafe [UNK]",
        b"##aff",
    ]


def test_vocabulary_file(tmp_path, tokenizer):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join([*TOKENS, "\u2028", ""]).encode())
    read = WordPieceTokenizer(path)
    assert read.vocabulary_size == len(TOKENS) + 1
    assert read.id_to_token(len(TOKENS)) == "\u2028"
    assert read("unaffable").numpy().tolist() == [5, 6, 7]


@pytest.mark.parametrize("lowercase", [True, False])
def test_wikitext_equals_hugging_face(wikitext, lowercase):
    tokenizer = WordPieceTokenizer.train(
        texts=wikitext, vocabulary_size=3000, lowercase=lowercase
    )
    assert tokenizer.vocabulary_size == 3000
    reference = hf.Tokenizer(
        hf.models.WordPiece(vocab=tokenizer._vocabulary.ids, unk_token="[UNK]")
    )
    reference.normalizer = hf.normalizers.BertNormalizer(lowercase=lowercase)
    reference.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    expected = [encoding.ids for encoding in reference.encode_batch(wikitext)]
    assert tokenizer(wikitext).to_list() == expected


def test_wrong_vocabularies():
    with pytest.raises(ValueError, match=r"'\[MASK\]' is not in the vocabulary"):
        WordPieceTokenizer(SPECIAL[:4])
    with pytest.raises(ValueError, match="the token 'a' occurs twice"):
        WordPieceTokenizer([*SPECIAL, "a", "a"])
