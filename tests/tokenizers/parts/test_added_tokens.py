"""Tokens that were added to a model's own: as Rust's tokenizers finds them."""

from __future__ import annotations

import json
import random

import pytest
import tensorflow as tf

from massivetext_keras.huggingface.tokenizers.write import huggingface_files
from massivetext_keras.tokenizers import (
    SentencePieceTokenizer,
    WordPieceTokenizer,
    from_huggingface,
)
from massivetext_keras.tokenizers.parts.added_tokens import AddedTokens
from massivetext_keras.tokenizers.sentencepiece import parse_model
from tests.tasks.tiny import WORDS

NAMES = {"<e1>": 7, "<e1>b": 8, "cov": 9, "covid-19": 10, "a b": 11}


@pytest.mark.parametrize(
    ("text", "parts", "ids"),
    [
        ("a<e1>bc", ["a", "<e1>b", "c"], [-1, 8, -1]),
        ("", [], []),
        ("<e1><e1>", ["<e1>", "<e1>"], [7, 7]),
        ("a b\0<e1>\ue000", ["a b", "\0", "<e1>", "\ue000"], [11, -1, 7, -1]),
        ("日本<e1>語 \u2581", ["日本", "<e1>", "語 \u2581"], [-1, 7, -1]),
        ("xcov cov! cové", ["xcov ", "cov", "! cové"], [-1, 9, -1]),
        ("cov covid-19", ["cov", " ", "covid-19"], [9, -1, 10]),
    ],
    ids=str,
)
def test_the_first_and_of_these_the_longest(text, parts, ids):
    found, index = AddedTokens(NAMES, single=["cov"]).split(tf.constant([text, "z"]))
    rows = [[part.decode() for part in row] for row in found.to_list()]
    assert rows == [parts, ["z"]] and index.numpy().tolist() == [*ids, -1]


def test_thousands_are_found_as_rust_finds_them():
    rust = pytest.importorskip("tokenizers")
    dice = random.Random(0)
    names = [f"<t{dice.randrange(10**5)}>" for _ in range(1500)]
    names += ["".join(dice.choices("abcdef", k=dice.randint(3, 8))) for _ in names]
    names = list(dict.fromkeys(names))
    peer = rust.Tokenizer(rust.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    peer.add_tokens([rust.AddedToken(name, normalized=False) for name in names])
    texts = ["".join(dice.choices([*names, *"abc <>_ é"], k=90)) for _ in range(20)]
    found, ids = AddedTokens({n: i for i, n in enumerate(names)}).split(texts)
    for text, row, index in zip(
        texts, found.to_list(), found.with_flat_values(ids).to_list(), strict=True
    ):
        wanted = peer.encode(text)
        wanted = [
            text[slice(*span)]
            for token, span in zip(wanted.tokens, wanted.offsets, strict=True)
            if token != "[UNK]"
        ]
        pairs = zip(row, index, strict=True)
        assert [part.decode() for part, i in pairs if i >= 0] == wanted


WORDS_AND_MORE = [*WORDS.split(), "<e1>", "COVID-19", "raw"]
ADDED = [("<e1>", False, False), ("COVID-19", True, True), ("raw", False, False)]
TEXT = "the <e1>Covid-19 xcovid-19 Raw raw"
# transformers 5.23, and the tokens' names
PIECES = ["the", "<e1>", "COVID-19", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "raw"]


def test_wordpiece_finds_them_raw_or_normalized():
    tokenizer = WordPieceTokenizer(WORDS_AND_MORE, added_tokens=ADDED)
    ids, starts, ends = tokenizer.tokenize_with_offsets(TEXT)
    assert [tokenizer.id_to_token(i) for i in ids.numpy()] == PIECES
    assert tokenizer(TEXT).numpy().tolist() == ids.numpy().tolist()
    spans = zip(starts.numpy(), ends.numpy(), strict=True)
    words = ["the", "<e1>", "Covid-19", "xcovid", "-", "19", "Raw", "raw"]
    assert [TEXT[a:b] for a, b in spans] == words
    again = WordPieceTokenizer.from_config(tokenizer.get_config())
    assert again.fingerprint == tokenizer.fingerprint


def written(folder, **files):
    for name, values in files.items():
        text = values if isinstance(values, str) else json.dumps(values)
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_wordpiece_folders_keep_them(tmp_path):
    words = WORDS.split()
    listed = {
        str(len(words) + i): {
            "content": content,
            "single_word": single,
            "normalized": normalized,
            "special": False,
        }
        for i, (content, single, normalized) in enumerate(ADDED)
    }
    config = {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": listed}
    vocabulary = "\n".join([*words, ""])
    folder = written(tmp_path, vocab__txt=vocabulary, tokenizer_config__json=config)
    tokenizer = from_huggingface(folder)
    ids = tokenizer(TEXT).numpy()
    assert [tokenizer.id_to_token(i) for i in ids] == PIECES
    for name, data in huggingface_files(tokenizer).items():
        (tmp_path / name).write_bytes(data)
    assert from_huggingface(tmp_path).fingerprint == tokenizer.fingerprint
    listed = json.loads((tmp_path / "tokenizer.json").read_text())["added_tokens"]
    assert {"content": "COVID-19", "single_word": True}.items() <= listed[-2].items()


def test_those_of_added_tokens_json_are_tokens(tmp_path):
    count = len(WORDS.split())
    written(
        tmp_path,
        vocab__txt="\n".join([*WORDS.split(), ""]),
        added_tokens__json={"<e1>": count, "[E2]": count + 1},
        special_tokens_map__json={"additional_special_tokens": ["[E2]"]},
    )
    tokenizer = from_huggingface(tmp_path)
    assert tokenizer("cat<e1>").numpy().tolist() == [7 - 1, count]
    assert count + 1 in tokenizer.special_ids and count not in tokenizer.special_ids


@pytest.mark.parametrize("flag", ["lstrip", "rstrip"])
def test_white_space_beside_them_is_refused(tmp_path, flag):
    token = {"content": "<e1>", flag: True, "special": False}
    config = {"added_tokens_decoder": {str(len(WORDS.split())): token}}
    vocabulary = "\n".join([*WORDS.split(), ""])
    written(tmp_path, vocab__txt=vocabulary, tokenizer_config__json=config)
    with pytest.raises(ValueError, match=f"{flag} of the added token '<e1>' is not"):
        from_huggingface(tmp_path)


@pytest.mark.parametrize("name", ["BertJapanese", "MPNet", "Bertweet"])
def test_other_classes_of_vocab_txt_are_refused(tmp_path, name):
    config = {"tokenizer_class": f"{name}Tokenizer", "word_tokenizer_type": "mecab"}
    if name != "BertJapanese":
        del config["word_tokenizer_type"]
    written(tmp_path, vocab__txt="[PAD]\n", tokenizer_config__json=config)
    with pytest.raises(ValueError, match=f"tokenizer_config.json: .*{name}Tokenizer"):
        from_huggingface(tmp_path)


@pytest.mark.parametrize(
    ("config", "model", "pattern", "normal_form", "frame"),
    [
        ({"tokenizer_class": "Qwen2TokenizerFast"}, {}, "qwen2", "NFC", None),
        ({}, {"model_type": "qwen2"}, "qwen2", "NFC", None),
        ({"tokenizer_class": "BartTokenizer"}, {}, "gpt2", None, ("<s>", "</s>")),
        ({}, {"model_type": "roberta"}, "gpt2", None, ("<s>", "</s>")),
        ({}, {}, "gpt2", None, None),
    ],
    ids=str,
)
def test_class_or_model_decide_about_merges(
    tmp_path, config, model, pattern, normal_form, frame
):
    from massivetext_keras.tokenizers.byte_pair import byte_symbols

    tokens = ["<s>", "<pad>", "</s>", "<mask>", *byte_symbols()]
    written(
        tmp_path,
        vocab__json={token: i for i, token in enumerate(tokens)},
        merges__txt="",
        tokenizer_config__json=config,
        config__json=model,
        added_tokens__json={"<e1>": len(tokens)},
    )
    tokenizer = from_huggingface(tmp_path)
    settings = tokenizer._settings(whole=True)
    assert (settings["pattern"], settings["normal_form"]) == (pattern, normal_form)
    assert (tokenizer.add_bos, tokenizer.add_eos) == (frame is not None,) * 2
    assert tokenizer("a<e1>")[-1] == len(tokens)
    e_acute = tokenizer("e\u0301").shape[0]
    assert e_acute == (2 if normal_form else 3)
    for name, data in huggingface_files(tokenizer).items():
        (tmp_path / name).write_bytes(data)
    again = from_huggingface(tmp_path)
    texts = ["a<e1>b", "e\u0301 12"]
    assert again(texts).to_list() == tokenizer(texts).to_list()
    assert (again.add_bos, again.separators) == (tokenizer.add_bos, 2 if frame else 1)


def test_the_unknown_token_of_roberta_is_special(tmp_path):
    from massivetext_keras.tokenizers.byte_pair import byte_symbols

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *byte_symbols()]
    written(
        tmp_path,
        vocab__json={token: i for i, token in enumerate(tokens)},
        merges__txt="",
        config__json={"model_type": "roberta"},
    )
    tokenizer = from_huggingface(tmp_path)
    a = tokens.index("a")
    ids = tokenizer.tokenize("a<unk><mask>", parse_special=True).numpy().tolist()
    assert ids == [a, 3, 4] and tokenizer("<unk>").shape == (5,)
    assert tokenizer.detokenize([a, 3, a]).numpy() == b"aa"


def test_unknown_classes_of_merges_are_refused(tmp_path):
    written(
        tmp_path,
        vocab__json={},
        merges__txt="",
        tokenizer_config__json={"tokenizer_class": "CLIPTokenizer"},
    )
    with pytest.raises(ValueError, match="'CLIPTokenizer' beside merges.txt .known: G"):
        from_huggingface(tmp_path)


@pytest.mark.parametrize("prefix", [True, False])
def test_what_follows_one_has_no_space_before_it(tmp_path, prefix):
    model = SentencePieceTokenizer.train(
        texts=["the cat sat on the mat"] * 9, vocabulary_size=280
    )
    proto = parse_model(model._files()["tokenizer.model"])
    proto.normalizer_spec.add_dummy_prefix = True
    (tmp_path / "tokenizer.model").write_bytes(proto.SerializeToString())
    count = len(proto.pieces)
    config = {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": prefix}
    written(
        tmp_path,
        added_tokens__json={"<e1>": count, "covid-19": count + 1},
        tokenizer_config__json={**config, "bos_token": "<s>", "eos_token": "</s>"},
    )
    tokenizer = from_huggingface(tmp_path)
    one, two = tokenizer("cat").numpy().tolist(), tokenizer("<e1>cat").numpy().tolist()
    assert two[0] == count and tokenizer.detokenize(two).numpy().endswith(b"cat")
    assert (two[1:] == one) is not prefix
    ids, starts, ends = tokenizer.tokenize_with_offsets("a covid-19<e1>b")
    text, where = "a covid-19<e1>b", ids.numpy().tolist().index(count + 1)
    assert text[starts[where] : ends[where]] == "covid-19"
    assert ids[where + 1] == count
    again = type(tokenizer).from_config(tokenizer.get_config())
    assert again.fingerprint == tokenizer.fingerprint
