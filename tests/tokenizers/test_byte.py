"""Bytes as tokens."""

from __future__ import annotations

from massivetext_keras.tokenizers import ByteTokenizer


def test_ids_are_bytes_plus_three():
    rows = ByteTokenizer()(["\x00a\n", "", "é😀"]).to_list()
    assert rows == [[3, 100, 13], [], [198, 172, 243, 162, 155, 131]]


def test_invalid_byte_is_the_replacement_character():
    assert ByteTokenizer()(b"a\xff").numpy().tolist() == [100, 242, 194, 192]


def test_vocabulary():
    tokenizer = ByteTokenizer.train(texts=["anything"], add_eos=True)
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2)
    assert tokenizer.unk_id is None and tokenizer.special_ids == (0, 1, 2)
    assert tokenizer.vocabulary_size == 259 and tokenizer.add_eos
    assert tokenizer.id_to_token(258) == "<0xFF>"


def test_cut_character_becomes_valid_text():
    tokenizer = ByteTokenizer()
    assert tokenizer.detokenize([100, 243, 162, 155]).numpy().decode() == "a\ufffd"
