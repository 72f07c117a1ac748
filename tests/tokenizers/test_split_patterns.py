"""Byte-level BPE with the split patterns of Llama 3, Qwen and others."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
import tokenizers as hf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras import tokenizers as mt
from massivetext_keras.tokenizers.byte_pair import byte_symbols
from massivetext_keras.tokenizers.parts.splitting import PATTERNS, pre_tokenizers

ODD = " \t\n\r\x0b\x0c\x00\x1c\x85\xa0\u200b\u2003\u2028\u3000aaBtsrévéS1²ⅷ'',.!/_▁日😀"
STRINGS = st.lists(
    st.text(st.sampled_from(ODD + "\u0301\u0338ſ\u212b<>"), max_size=30), max_size=8
)
SPACES = [hf.AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)]
CALL = hf.AddedToken("<tool>", normalized=False)
# pattern -> what else is published with it
FAMILIES = {
    "gpt2": {"normalizer": {"type": "NFC"}, "added": SPACES},
    "gpt2_digits": {},
    "llama3": {"ignore_merges": True},
    "qwen2": {"normalizer": {"type": "NFC"}, "added": [CALL]},
    "qwen3_5": {"normalizer": {"type": "NFC"}},
    "gpt4o": {},
    "tekken": {},
}


def stand_in(lines, pattern, *, normalizer=None, added=(), ignore_merges=False):
    """A tokenizer of the family, trained on other text."""
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|end|>"],
        initial_alphabet=list(byte_symbols()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    document = json.loads(tokenizer.to_str())
    document["normalizer"] = normalizer
    level = document["pre_tokenizer"]
    if steps := pre_tokenizers(pattern):
        level = level | {"use_regex": pattern == "gpt2_digits"}
        document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*steps]}
        document["pre_tokenizer"]["pretokenizers"].append(level)
    if ignore_merges:
        document["model"]["ignore_merges"] = True
        # words that only this rule finds
        document["model"]["merges"] = document["model"]["merges"][:-100]
    tokenizer = hf.Tokenizer.from_str(json.dumps(document))
    tokenizer.decoder = hf.decoders.ByteLevel()
    tokenizer.add_tokens(list(added))
    return tokenizer


def ids(tokenizer: hf.Tokenizer, texts) -> list[list[int]]:
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


@pytest.fixture(scope="module", params=PATTERNS)
def pair(request, lines, tmp_path_factory):
    """Hugging Face's tokenizer, and ours of its folder."""
    theirs = stand_in(lines, request.param, **FAMILIES[request.param])
    folder = tmp_path_factory.mktemp(request.param)
    theirs.save(str(folder / "tokenizer.json"))
    return theirs, mt.from_huggingface(folder)


@given(texts=STRINGS)
def test_ids_of_odd_strings(pair, texts):
    theirs, ours = pair
    assert ours(texts).to_list() == ids(theirs, texts)


def test_ids_of_real_and_hostile_texts(pair, wikitext, naughty, data_dir):
    theirs, ours = pair
    german = (data_dir / "mt/multi30k/val.de").read_text(encoding="utf-8").split("\n")
    chinese = (data_dir / "mt/en_zh/tatoeba.tsv").read_text(encoding="utf-8")
    texts = [*wikitext[:1500], *naughty, *german, *chinese.split("\n")[:500]]
    texts += ["\n".join(wikitext[:300]), "  <tool>\u0338 <tool>x        y  <tool>"]
    rows = ours(texts)
    assert rows.to_list() == ids(theirs, texts)
    decoded = [text.decode() for text in ours.detokenize(rows).numpy()]
    assert decoded == theirs.decode_batch(rows.to_list(), skip_special_tokens=False)


def test_files_and_saved_models_give_the_same_ids(pair, lines, tmp_path):
    theirs, ours = pair
    texts = [*lines[:3], "  <tool>      a\u0301  "]
    ours.save(tmp_path / "own")
    read = mt.load(tmp_path / "own")
    assert read.fingerprint == ours.fingerprint
    assert read(texts).to_list() == ids(theirs, texts)
    for file, data in mt.huggingface_files(ours).items():
        (tmp_path / file).write_bytes(data)
    assert mt.from_huggingface(tmp_path).fingerprint == ours.fingerprint
    again = hf.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert ids(again, texts) == ids(theirs, texts)

    module = tf.Module()
    module.tokenizer = ours
    module.call = tf.function(
        lambda x: ours(x).flat_values,
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    tf.random.set_seed(1)
    served = tf.saved_model.load(str(tmp_path / "saved")).call(tf.constant(texts))
    assert served.numpy().tolist() == sum(ids(theirs, texts), [])


def test_words_that_merges_do_not_reach():
    index = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    vocabulary = index | {"cat": 256, "Ġcat": 257}
    tokenizer = mt.BytePairTokenizer(vocabulary, [], ignore_merges=True)
    rows = tokenizer(["cat cat", "cats"]).to_list()
    assert rows == [[256, 257], [index[c] for c in "cats"]]
    plain = mt.BytePairTokenizer(vocabulary, [])
    assert plain("cat").numpy().tolist() == [index[c] for c in "cat"]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({"pattern": {"Regex": "[a-z]+"}}, r"Split \+ ByteLevel with .*\[a-z\]\+"),
        ({"behavior": "Removed"}, r"Split \+ ByteLevel with "),
        ({"type": "Punctuation"}, r"Punctuation \+ ByteLevel"),
    ],
)
def test_an_unknown_pattern_is_shown(tmp_path, lines, before, message):
    document = json.loads(stand_in(lines, "llama3").to_str())
    document["pre_tokenizer"]["pretokenizers"][0] |= before
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message + ".* is not supported"):
        mt.from_huggingface(tmp_path)


def test_what_is_said_of_wrong_options():
    vocabulary = {s: i for i, s in enumerate(byte_symbols())}
    with pytest.raises(ValueError, match="pattern: 'gpt5' is none of gpt2, "):
        mt.BytePairTokenizer(vocabulary, [], pattern="gpt5")
    with pytest.raises(ValueError, match="added_tokens: '<x>' is not in the voc"):
        mt.BytePairTokenizer(vocabulary, [], added_tokens=["<x>"])
