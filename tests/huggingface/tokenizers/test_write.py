"""Tokenizers into Hugging Face folders: the ids of `tokenizers`, and back."""

from __future__ import annotations

import io
import json

import pytest
import sentencepiece
import tensorflow as tf
import tokenizers as hf

from massivetext_keras import tokenizers as mt
from massivetext_keras.tasks.classification.encoding import rows_graph
from massivetext_keras.text.passages import passages

NAMES = ("byte", "byte_pair", "character", "sentencepiece", "unigram", "wordpiece")
TEXTS = [
    "The cat sat",
    "",
    "  two  spaces ",
    "naïve café\n\t日本語 😀",
    "x\x00y",
]


def reference(tokenizer: mt.Tokenizer) -> hf.Tokenizer:
    files = mt.huggingface_files(tokenizer)
    return hf.Tokenizer.from_str(files["tokenizer.json"].decode())


def ids(tokenizer: hf.Tokenizer, texts, special: bool = False) -> list[list[int]]:
    encodings = tokenizer.encode_batch(texts, add_special_tokens=special)
    return [encoding.ids for encoding in encodings]


def elsewhere(lines, **options) -> mt.SentencePieceTokenizer:
    """A model with SentencePiece's own defaults: NFKC, and a space before a text."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        minloglevel=2,
        hard_vocab_limit=False,
        **options,
    )
    return mt.SentencePieceTokenizer(model.getvalue())


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_of_tokenizers(all_tokenizers, lines, name):
    tokenizer = all_tokenizers[name]
    texts = [*lines[:3], *TEXTS, *(["<0x41>"] if name != "unigram" else [])]
    theirs = reference(tokenizer)
    assert ids(theirs, texts) == tokenizer(texts).to_list()
    text = "naïve café 😀" if name != "wordpiece" else "The cat"
    row = tokenizer(text).numpy().tolist()
    assert theirs.decode(row) == tokenizer.detokenize(row).numpy().decode()


@pytest.mark.parametrize("name", ["sentencepiece", "byte_pair", "wordpiece"])
def test_ids_on_real_and_naughty_text(wikitext, naughty, name):
    kinds = {
        "sentencepiece": mt.SentencePieceTokenizer,
        "byte_pair": mt.BytePairTokenizer,
        "wordpiece": mt.WordPieceTokenizer,
    }
    tokenizer = kinds[name].train(texts=wikitext[:500], vocabulary_size=1000)
    texts = [*wikitext[500:1500], *naughty]
    assert ids(reference(tokenizer), texts) == tokenizer(texts).to_list()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_as_the_same_tokenizer(all_tokenizers, tmp_path, name):
    for file, data in mt.huggingface_files(all_tokenizers[name]).items():
        (tmp_path / file).write_bytes(data)
    read = mt.from_huggingface(tmp_path)
    assert type(read) is type(all_tokenizers[name])
    assert read.fingerprint == all_tokenizers[name].fingerprint


def test_what_is_put_around_a_text(all_tokenizers):
    for name, around in {
        "byte": ([1], [2]),
        "character": ([1], []),
        "unigram": ([], [3]),
        "sentencepiece": ([], []),
    }.items():
        tokenizer = all_tokenizers[name]
        row = tokenizer("cat").numpy().tolist()
        assert ids(reference(tokenizer), ["cat"], special=True) == [
            around[0] + row + around[1]
        ]
    bert = mt.WordPieceTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"],
        add_bos=True,
        add_eos=True,
    )
    pair = reference(bert).encode("a [MASK]", "b")
    assert pair.ids == [2, 5, 4, 3, 6, 3]
    assert pair.type_ids == [0, 0, 0, 0, 1, 1]
    config = json.loads(
        mt.huggingface_files(bert, model_max_length=7)["tokenizer_config.json"]
    )
    assert config["mask_token"] == "[MASK]" and config["cls_token"] == "[CLS]"
    assert "bos_token" not in config and config["model_max_length"] == 7


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("strip", [False, True])
def test_models_from_elsewhere(lines, model_type, byte_fallback, strip):
    tokenizer = elsewhere(
        lines,
        model_type=model_type,
        byte_fallback=byte_fallback,
        vocab_size=340 if byte_fallback else 90,
        remove_extra_whitespaces=strip,
    )
    texts = [*lines[:3], *TEXTS, "ﬁve ① ｆｕｌｌ", " ▁ a", "zzqq☃☃ q☃z"]
    assert ids(reference(tokenizer), texts) == tokenizer(texts).to_list()


def test_llama_is_written_as_it_is(data_dir, wikitext, naughty):
    tokenizer = mt.from_huggingface(data_dir / "weights" / "stories260K")
    texts = [*wikitext[:300], *naughty]
    theirs = reference(tokenizer)
    assert ids(theirs, texts) == tokenizer(texts).to_list()
    assert ids(theirs, ["Once"], special=True)[0][0] == tokenizer.bos_id == 1


def test_what_cannot_be_written_is_said(lines):
    symbols = elsewhere(lines, vocab_size=90, user_defined_symbols=["<x>"])
    with pytest.raises(ValueError, match="no words for user-defined symbols with a pr"):
        mt.huggingface_files(symbols)
    words = elsewhere(lines, vocab_size=40, model_type="word")
    with pytest.raises(ValueError, match="no words for its model type"):
        mt.huggingface_files(words)

    class Other(mt.ByteTokenizer):
        pass

    with pytest.raises(ValueError, match="a Other has no form at Hugging Face"):
        mt.huggingface_files(Other())


@pytest.mark.parametrize("count", [1, 2])
def test_pairs_are_put_together_as_tokenizers_does(tmp_path, count):
    own = mt.ByteTokenizer(add_bos=True, add_eos=True, separators=count)
    files = mt.huggingface_files(own)
    document = json.loads(files["tokenizer.json"])
    begin, end = ([own.id_to_token(i), i] for i in (own.bos_id, own.eos_id))
    kind = ["BertProcessing", "RobertaProcessing"][count - 1]
    marked = {"type": kind, "sep": end, "cls": begin}
    if count == 2:
        marked |= {"trim_offsets": True, "add_prefix_space": False}
    for processor in (document["post_processor"], marked):
        document["post_processor"] = processor
        theirs = hf.Tokenizer.from_str(json.dumps(document)).encode("ab", "c").ids
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / "tokenizer.json").write_text(json.dumps(document))
        read = mt.from_huggingface(tmp_path)
        assert read.fingerprint == own.fingerprint
        rows, segments, cut = rows_graph(read, 16, *map(tf.constant, (["ab"], ["c"])))
        assert rows.to_list() == [theirs] and not cut[0]
        assert sum(segments.to_list()[0]) == 2
        size = len(theirs)  # what just fits, and what does not
        for length, too_long in ((size, False), (size - 1, True)):
            rows, _, cut = rows_graph(read, length, *map(tf.constant, (["ab"], ["c"])))
            assert bool(cut[0]) is too_long and rows.row_lengths()[0] == length
        found = passages(read, *(read(x) for x in (["ab"], ["c" * 99])), size + 4, 2)
        assert set(found.rows.row_lengths().numpy()) == {size + 4}
        first = found.rows.to_list()[0]
        assert first[int(found.before[0]) :] == [*read("ccccc").numpy(), own.eos_id]
