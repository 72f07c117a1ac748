"""Tokenizers of Hugging Face folders."""

from __future__ import annotations

import io
import json
import shutil

import pytest
import sentencepiece
import tokenizers as hf

from massivetext_keras.tokenizers import (
    BytePairTokenizer,
    CharacterTokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
    from_huggingface,
)
from massivetext_keras.tokenizers.byte_pair import byte_symbols

BYTES = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
END = {"id": 257, "content": "<|endoftext|>", "special": True}
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##able", "cafe", "Café"]


def write(folder, **files) -> None:
    """Writes objects to `<name>.json`."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def gpt2(**changes) -> dict:
    """A `tokenizer.json` like GPT-2's with one merge."""
    document = {
        "added_tokens": [END],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {**BYTES, "he": 256}, "merges": [["h", "e"]]},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = document
        for parent in parents:
            target = target[parent]
        target[last] = value
    return document


@pytest.fixture
def llama(data_dir, tmp_path):
    shutil.copy(data_dir / "weights" / "stories260K" / "tokenizer.model", tmp_path)
    return tmp_path


def test_llama(data_dir):
    tokenizer = from_huggingface(data_dir / "weights" / "stories260K")
    assert isinstance(tokenizer, SentencePieceTokenizer)
    assert tokenizer("Once upon a time").numpy().tolist() == [403, 407, 261, 378]
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, None)
    assert tokenizer.add_bos and not tokenizer.add_eos


def test_llama_flags_and_class(llama):
    write(llama, tokenizer_config={"tokenizer_class": "LlamaTokenizerFast"})
    assert from_huggingface(llama).add_bos
    write(llama, tokenizer_config={"add_bos_token": False, "add_eos_token": True})
    tokenizer = from_huggingface(llama)
    assert (tokenizer.add_bos, tokenizer.add_eos) == (False, True)
    write(llama, tokenizer_config={"tokenizer_class": "XGLMTokenizer"})
    assert not from_huggingface(llama).add_bos


def test_llama_with_added_tokens(llama):
    added = {"512": {"content": "[PAD]", "special": True}, "1": {"content": "<s>"}}
    config = {"pad_token": "[PAD]", "eos_token": {"content": "<s>"}}
    write(llama, tokenizer_config={"added_tokens_decoder": added, **config})
    tokenizer = from_huggingface(llama)
    assert tokenizer.vocabulary_size == 513
    assert (tokenizer.pad_id, tokenizer.eos_id) == (512, 1)
    assert tokenizer("Once upon a time").numpy().tolist() == [403, 407, 261, 378]
    write(llama, added_tokens={"[PAD]": 600})
    with pytest.raises(ValueError, match=r"added token '\[PAD\]' with id 600 is not"):
        write(llama, tokenizer_config={})
        from_huggingface(llama)


@pytest.fixture
def t5(lines, tmp_path):
    """A folder of T5's kind: pad 0, eos 1, unk 2."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=60,
        minloglevel=2,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    (tmp_path / "spiece.model").write_bytes(model.getvalue())
    write(tmp_path, config={"model_type": "t5"})
    return tmp_path


def test_t5_has_its_sentinels_at_the_end(t5, lines):
    reference = sentencepiece.SentencePieceProcessor(str(t5 / "spiece.model"))
    tokenizer = from_huggingface(t5)
    assert tokenizer.vocabulary_size == 160
    assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id) == (0, 1, 2)
    assert tokenizer.add_eos and not tokenizer.add_bos
    assert tokenizer(lines[:3]).to_list() == reference.encode(lines[:3])
    first, last = "<extra_id_0>", "<extra_id_99>"
    assert (tokenizer.token_to_id(first), tokenizer.token_to_id(last)) == (159, 60)
    assert {60, 159} <= set(tokenizer.special_ids)
    write(t5, tokenizer_config={"tokenizer_class": "T5Tokenizer", "extra_ids": 0})
    assert from_huggingface(t5).vocabulary_size == 60
    write(t5, tokenizer_config={"tokenizer_class": "AlbertTokenizer"})
    with pytest.raises(ValueError, match="AlbertTokenizer does to case and accents is"):
        from_huggingface(t5)


@pytest.mark.parametrize("name", ["addformer", "subformer"])
def test_mathformer(data_dir, name):
    tokenizer = from_huggingface(data_dir / "weights" / "mathformer" / name)
    assert isinstance(tokenizer, CharacterTokenizer)
    assert tokenizer(["1+2=", "x"]).to_list() == [[5, 14, 6, 18], [3]]
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2)
    assert not tokenizer.add_bos and not tokenizer.add_eos


def test_gpt2_tokenizer_json_equals_hugging_face(lines, tmp_path):
    reference = hf.Tokenizer(hf.models.BPE())
    reference.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=["<|endoftext|>", "<|x|>"],
        initial_alphabet=list(byte_symbols()),
        show_progress=False,
    )
    reference.train_from_iterator(lines, trainer)
    reference.add_tokens(["never", " read"])
    reference.save(str(tmp_path / "tokenizer.json"))
    write(tmp_path, config={"eos_token_id": [0, 1]})
    tokenizer = from_huggingface(tmp_path)
    assert isinstance(tokenizer, BytePairTokenizer)
    assert tokenizer.vocabulary_size == reference.get_vocab_size() > 300
    assert tokenizer.special_ids == (0, 1) and tokenizer.eos_id == 0
    expected = [encoding.ids for encoding in reference.encode_batch(lines)]
    assert tokenizer(lines).to_list() == expected
    last = tokenizer.vocabulary_size - 1
    assert tokenizer.detokenize([0, last, last - 1]).numpy() == b" readnever"


def test_gpt2_merges_of_both_forms(tmp_path):
    for merges in (["h e"], [["h", "e"]]):
        write(tmp_path, tokenizer=gpt2(model__merges=merges))
        tokenizer = from_huggingface(tmp_path)
        assert tokenizer("he").numpy().tolist() == [256]
        assert tokenizer.bos_id == tokenizer.eos_id == 257
        assert tokenizer.pad_id is None and not tokenizer.add_bos


def test_post_processors_say_what_is_added(tmp_path):
    end = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    roberta = {"type": "RobertaProcessing", "cls": ["he", 256], "sep": ["a", 64]}
    before = {"type": "TemplateProcessing", "single": [end, text]}
    nested = {"type": "Sequence", "processors": [{"type": "ByteLevel"}, before]}
    after = {"type": "TemplateProcessing", "single": [text, end]}
    for processor, bos, eos in (
        (before, True, False),
        (nested, True, False),
        (after, False, True),
        (roberta, True, True),
    ):
        write(tmp_path, tokenizer=gpt2(post_processor=processor))
        tokenizer = from_huggingface(tmp_path)
        assert (tokenizer.add_bos, tokenizer.add_eos) == (bos, eos)
    assert tokenizer.id_to_token(tokenizer.bos_id) == "he"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalizer": {"type": "Strip"}}, "the normalizer 'Strip' is not supported"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "the pre_tokenizer 'Whitespace' "),
        ({"pre_tokenizer__use_regex": False}, "ByteLevel without its pattern, or with"),
        ({"model__byte_fallback": True}, "the model's byte_fallback=True is not"),
        ({"model__type": "Words"}, "the model 'Words' is not supported"),
        ({"model__merges": ["x y"]}, "merges: 'x y' is not made of known tokens"),
        ({"model__vocab": {"a": 0, "b": 2}, "added_tokens": []}, "1 is missing"),
    ],
)
def test_tokenizer_json_that_cannot_be_carried_out(tmp_path, changes, message):
    write(tmp_path, tokenizer=gpt2(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        from_huggingface(tmp_path)
    assert "\n" not in str(caught.value)


def test_vocabulary_and_merges(tmp_path):
    vocabulary = {**BYTES, "he": 256, "<|endoftext|>": 257, "<s>": 258, "</s>": 259}
    write(tmp_path, vocab={**vocabulary, "<mask>": 260})
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\n")
    tokenizer = from_huggingface(tmp_path)
    assert tokenizer("he").numpy().tolist() == [256]
    assert tokenizer.bos_id == tokenizer.eos_id == 257 and not tokenizer.add_bos
    named = {"bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
    write(tmp_path, tokenizer_config={"tokenizer_class": "RobertaTokenizer"} | named)
    tokenizer = from_huggingface(tmp_path)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (258, 259)
    assert tokenizer.add_bos and tokenizer.add_eos
    assert tokenizer.special_ids == (258, 259, 260)


def test_bert_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(BERT) + "\n", encoding="utf-8")
    tokenizer = from_huggingface(tmp_path)
    assert isinstance(tokenizer, WordPieceTokenizer)
    assert tokenizer("Café").numpy().tolist() == [7]
    assert tokenizer.add_bos and tokenizer.add_eos
    write(tmp_path, tokenizer_config={"do_lower_case": False})
    assert from_huggingface(tmp_path)("Café").numpy().tolist() == [8]
    write(tmp_path, tokenizer_config={"strip_accents": False})
    assert from_huggingface(tmp_path)("Café").numpy().tolist() == [1]


def test_bert_tokenizer_json(tmp_path):
    vocabulary = {token: i for i, token in enumerate(BERT)}
    reference = hf.Tokenizer(hf.models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    reference.normalizer = hf.normalizers.BertNormalizer(lowercase=False)
    reference.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    reference.save(str(tmp_path / "tokenizer.json"))
    tokenizer = from_huggingface(tmp_path)
    assert tokenizer("unable Café").numpy().tolist() == [5, 6, 8]
    reference.normalizer = hf.normalizers.BertNormalizer(handle_chinese_chars=False)
    reference.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="leaving Chinese characters together is not"):
        from_huggingface(tmp_path)


def test_folders_without_a_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: no such folder"):
        from_huggingface(tmp_path / "none")
    with pytest.raises(
        ValueError, match=r"tokenizer.model, .*, vocab.json \+ merges.txt, "
    ):
        from_huggingface(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model":')
    with pytest.raises(ValueError, match=r"tokenizer.json: not JSON"):
        from_huggingface(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    write(tmp_path, vocab={"hello": 0, "<unk>": 1})
    with pytest.raises(ValueError, match="without merges.txt, the token 'hello' is"):
        from_huggingface(tmp_path)
    write(tmp_path, vocab={"h": 0})
    with pytest.raises(ValueError, match="character vocabulary without unk_token is"):
        from_huggingface(tmp_path)
