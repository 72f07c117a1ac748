"""Special tokens by name: ids where they are asked for, else characters."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import massivetext_keras.tokenizers as mt
from massivetext_keras.tokenizers.byte_pair import byte_symbols
from massivetext_keras.tokenizers.parts.special_tokens import SpecialTokens
from massivetext_keras.tokenizers.sentencepiece import parse_model

TEXT = ["the cat sat on the mat, the cat sat on the hat"] * 4


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, mt.Tokenizer]:
    pieces = mt.SentencePieceTokenizer.train(texts=TEXT, vocabulary_size=290)
    return {
        "byte": mt.ByteTokenizer(),
        "byte_pair": mt.BytePairTokenizer.train(texts=TEXT, vocabulary_size=280),
        "pieces": pieces,
        "character": mt.CharacterTokenizer.train(texts=TEXT),
        "wordpiece": mt.WordPieceTokenizer.train(texts=TEXT, vocabulary_size=60),
    }


@pytest.mark.parametrize(
    "kind", ["byte", "byte_pair", "pieces", "character", "wordpiece"]
)
def test_names_are_tokens_where_they_are_asked_for(tokenizers, kind):
    tokenizer = tokenizers[kind]
    end = tokenizer.id_to_token(tokenizer.eos_id)
    text = f"the {end}{end}cat"
    typed = tokenizer.tokenize(text).numpy().tolist()
    asked = tokenizer.tokenize(text, parse_special=True).numpy().tolist()
    assert tokenizer.eos_id not in typed
    cat = tokenizer.tokenize("cat").numpy().tolist()
    ends = [tokenizer.eos_id] * 2
    assert asked == [*tokenizer.tokenize("the ").numpy().tolist(), *ends, *cat]
    for flag, ids in ((True, asked), (False, typed)):
        found = tokenizer.tokenize([text], parse_special=tf.constant(flag))
        assert found.to_list() == [ids]
    escaped = tokenizer.escape(tf.constant([[text, end]]))
    ids = tokenizer.tokenize_pieces(escaped).to_list()
    assert ids == [typed, tokenizer.tokenize(end).numpy().tolist()]
    named = tokenizer.detokenize(asked, skip_special_tokens=False).numpy().decode()
    assert named.count(end) == 2
    assert end not in tokenizer.detokenize(asked).numpy().decode()


NAMES = ("<s>", "</s>", "<|a|>", "<|a|><|b|>", "aba", "é", "｜x｜")


@given(st.lists(st.sampled_from([*NAMES, "a", "b", "<", "|", ">", "é", " "])))
def test_nothing_is_found_in_what_is_escaped(parts):
    special = SpecialTokens({name: i for i, name in enumerate(NAMES)})
    text = "".join(parts)
    escaped = special.escape(tf.constant([text.encode()]))
    found, ids = special.split(escaped)
    assert ids.numpy().tolist() == [-1]
    assert found[0, 0].numpy().replace(b"\xfd", b"").decode() == text
    data = special.escape_text(text).encode("utf-8", "surrogateescape")
    assert special.split(tf.constant([data]))[1].numpy().tolist() == [-1]


FRAGMENTS = [
    "<",
    "s>",
    "<s>",
    "<|a|",
    "><|b",
    "|>",
    "ab",
    "a",
    "é",
    "x｜",
    " ",
    "\n",
    "",
]


@pytest.mark.parametrize(
    ("names", "lstrip", "rstrip"),
    [(NAMES, ["<s>"], ["<|a|>"]), ((*NAMES, "a <", " s"), [], [])],
)
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS)).map("".join), max_size=5))
def test_no_name_has_a_part_that_was_typed(names, lstrip, rstrip, parts):
    ids = {name: i for i, name in enumerate(names)}
    special = SpecialTokens(ids, lstrip, rstrip)
    # every other part was typed; those are other characters for whom we believe
    typed = {c for c in "".join(names) if not (lstrip and c.isspace())}
    other = {ord(c): chr(0xE000 + ord(c)) for c in typed}
    shown = "".join(x.translate(other) if i % 2 else x for i, x in enumerate(parts))
    back = {ord(v): chr(k) for k, v in other.items()}
    asked, wanted = special.split(tf.constant([shown]))
    asked = [x.decode().translate(back) for x in asked.flat_values.numpy()]
    escaped = [
        special.escape(tf.constant(x)) if i % 2 else x for i, x in enumerate(parts)
    ]
    text, spans = "", []
    for i, part in enumerate(parts):
        spans += [(len(text), len(text + part))] if i % 2 and part else []
        text += part
    data = special.escape_text(text, spans).encode("utf-8", "surrogateescape")
    for whole in (tf.strings.join([*escaped, ""]), tf.constant(data)):
        found, ids = special.split(whole[None])
        assert ids.numpy().tolist() == wanted.numpy().tolist()
        found = [x.replace(b"\xfd", b"").decode() for x in found.flat_values.numpy()]
        assert found == asked


def test_white_space_that_a_token_takes_along():
    vocabulary = {symbol: index for index, symbol in enumerate(byte_symbols())}
    vocabulary |= {"<l>": 256, "<r>": 257}
    options = {"special_tokens": ["<l>", "<r>"], "lstrip": ["<l>"], "rstrip": ["<r>"]}
    tokenizer = mt.BytePairTokenizer(vocabulary, [], **options)
    ids = tokenizer.tokenize("a \n<l> b <r>\n\u3000c", parse_special=True)
    written = tokenizer.detokenize(ids, skip_special_tokens=False).numpy().decode()
    assert written == "a<l> b <r>c"
    again = type(tokenizer).from_config(tokenizer.get_config())
    assert again.fingerprint == tokenizer.fingerprint
    document = json.loads(mt.huggingface_files(tokenizer)["tokenizer.json"])
    flags = {t["content"]: (t["lstrip"], t["rstrip"]) for t in document["added_tokens"]}
    assert flags == {"<l>": (True, False), "<r>": (False, True)}


@pytest.mark.parametrize("always", [True, False])
def test_a_space_before_what_follows_a_special_token(tokenizers, tmp_path, always):
    """As Llama's tokenizer with and without `legacy`."""
    proto = parse_model(tokenizers["pieces"]._files()["tokenizer.model"])
    for piece in proto.pieces:
        piece.piece = piece.piece.replace(" ", "\u2581")
        if piece.type == piece.USER_DEFINED:
            piece.type = piece.NORMAL
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.escape_whitespaces = True
    (tmp_path / "tokenizer.model").write_bytes(proto.SerializeToString())
    config = {"tokenizer_class": "LlamaTokenizer", "legacy": always}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = mt.from_huggingface(tmp_path)
    ids = tokenizer.tokenize("cat<s>cat", parse_special=True)
    tokens = [tokenizer.id_to_token(i) for i in ids.numpy()]
    text = "".join(tokens)
    assert text == "\u2581cat<s>" + "\u2581" * always + "cat"
    # a piece goes on with the text
    pieces = tokenizer.tokenize_pieces(tf.constant([["cat", "cat"]])).to_list()
    tokens = ["".join(map(tokenizer.id_to_token, row)) for row in pieces]
    assert tokens == ["\u2581cat", "cat"]
    for name, data in mt.huggingface_files(tokenizer).items():
        (tmp_path / name).write_bytes(data)
    assert mt.from_huggingface(tmp_path).fingerprint == tokenizer.fingerprint
