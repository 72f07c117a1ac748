"""Where in a text its pieces are: in characters, whatever was done to the text."""

from __future__ import annotations

import unicodedata

import pytest
import tensorflow as tf
import tokenizers as hf
from hypothesis import example, given
from hypothesis import strategies as st

from massivetext_keras import tokenizers as mt
from massivetext_keras.tokenizers.parts.offsets import Origin
from massivetext_keras.tokenizers.parts.rewriting import rewrite, rewrite_with_origin

NAMES = ["byte", "character", "byte_pair", "sentencepiece", "unigram", "wordpiece"]
LOSSLESS = ["byte", "character", "byte_pair", "sentencepiece", "unigram"]
HARD = (
    "aZ é e\u0301\u0327 \u0301 日本 한국 각 ｶﾞ ﬁ ß İ Σ ς 😀👩\u200d👩\u200d👧 "
    "\t\n\x00 \u200b ▁ ' ` ½ ا"
)
TEXTS = st.lists(st.text(max_size=20) | st.text(HARD, max_size=20), max_size=6)
ALBERT = [["replace", "``", '"'], ["NFKD"], ["strip_accents"], ["lowercase"]]
STEPS = {
    "NFC": [["NFC"]],
    "NFKC": [["NFKC"]],
    "NFD": [["NFD"]],
    "albert": [*ALBERT, ["spaces"]],
    "spaces": [["spaces"], ["strip_end"], ["prefix"]],
}


def rows(tokenizer, texts: list[str]) -> list[list[tuple[int, int, int]]]:
    """(id, start, end) of all pieces of each text, after what holds for any."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts, tf.string))
    assert {x.dtype for x in (ids, starts, ends)} == {tf.int32}
    assert ids.to_list() == tokenizer(tf.constant(texts, tf.string)).to_list()
    columns = (x.to_list() for x in (ids, starts, ends))
    found = [[*zip(*row, strict=True)] for row in zip(*columns, strict=True)]
    for text, row in zip(texts, found, strict=True):
        assert all(0 <= start <= end <= len(text) for _, start, end in row)
        starts, ends = [x[1] for x in row], [x[2] for x in row]
        assert starts == sorted(starts) and ends == sorted(ends)
    return found


@pytest.fixture(scope="module")
def uncased(lines) -> mt.WordPieceTokenizer:
    return mt.WordPieceTokenizer.train(texts=lines, vocabulary_size=120)


def byte_pair(lines, **options) -> mt.BytePairTokenizer:
    trained = mt.BytePairTokenizer.train(texts=lines, vocabulary_size=300)
    return mt.BytePairTokenizer._from_files(
        trained._files(), **{**trained._settings(), **options}
    )


@given(texts=TEXTS)
@example(texts=["", "a", ""])
def test_pieces_of_lossless_tokenizers_cover_every_character(all_tokenizers, texts):
    for name in LOSSLESS:
        for text, row in zip(texts, rows(all_tokenizers[name], texts), strict=True):
            behind = 0
            for _, start, end in row:
                assert start in (behind, behind - 1) and end > start, (name, text)
                behind = end
            assert behind == len(text)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_strings(all_tokenizers, naughty, name):
    rows(all_tokenizers[name], naughty)


def normal(text: str, lowercase: bool) -> str:
    text = "".join(
        c for c in text if c in "\t\n\r" or unicodedata.category(c)[0] != "C"
    )
    text = text.replace("\ufffd", "")
    if not lowercase:
        return text
    text = "".join(
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
    )
    return text.lower()


@given(texts=TEXTS)
def test_words_are_where_their_letters_are(all_tokenizers, uncased, texts):
    for tokenizer in (all_tokenizers["wordpiece"], uncased):
        lowercase = tokenizer is uncased
        for text, row in zip(texts, rows(tokenizer, texts), strict=True):
            for index, start, end in row:
                token = tokenizer.id_to_token(index).removeprefix("##")
                if index != tokenizer.unk_id:
                    assert normal(text[start:end], lowercase) == token
            inside = {i for _, start, end in row for i in range(start, end)}
            for i, character in enumerate(text):
                if i not in inside:
                    assert not normal(character, lowercase).strip()


def test_words_as_literals():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["cafe", "s", "##s", "日", "本", "x", "##x"]
    tokenizer = mt.WordPieceTokenizer([*tokens, *words])
    texts = ["Cafe\u0301\u0327s 日本", "\u0301 é x\u200bX", "\x00\u0301s\u0301"]
    assert rows(tokenizer, texts) == [
        [(5, 0, 6), (7, 6, 7), (8, 8, 9), (9, 9, 10)],
        [(1, 2, 3), (10, 4, 5), (11, 6, 7)],
        [(6, 2, 4)],
    ]


@pytest.mark.parametrize("lowercase", [True, False])
def test_offsets_are_those_of_hugging_face(wikitext, lowercase):
    texts = wikitext[:800]
    tokenizer = mt.WordPieceTokenizer.train(
        texts=texts, vocabulary_size=800, lowercase=lowercase
    )
    peer = hf.Tokenizer(
        hf.models.WordPiece(vocab=tokenizer._vocabulary.ids, unk_token="[UNK]")
    )
    peer.normalizer = hf.normalizers.BertNormalizer(lowercase=lowercase)
    peer.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    found = [[x[1:] for x in row] for row in rows(tokenizer, texts)]
    assert found == [x.offsets for x in peer.encode_batch(texts)]


@pytest.mark.parametrize("space", [True, False])
def test_offsets_of_bytes_are_those_of_hugging_face(lines, naughty, space):
    tokenizer = byte_pair(lines, add_prefix_space=space, normal_form="NFC")
    files = tokenizer._files()
    peer = hf.Tokenizer(
        hf.models.BPE(
            vocab=tokenizer._vocabulary.ids,
            merges=[
                tuple(x.split(" "))
                for x in files["merges.txt"].decode().split("\n")[1:-1]
            ],
        )
    )
    peer.normalizer = hf.normalizers.NFC()
    peer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=space)
    texts = [*lines[:3], "é x", " 각 日本", "", " "]
    found = [[x[1:] for x in row] for row in rows(tokenizer, texts)]
    expected = [x.offsets for x in peer.encode_batch(texts)]
    # the space that nobody wrote is nowhere, there it is the first character
    found = [[(a, max(b, 1)) for a, b in row] for row in found]
    assert found == expected
    rows(tokenizer, naughty)


@given(texts=TEXTS)
@example(texts=["e\u0301 <x>e\u0301<x>", "<x>", ""])
def test_added_tokens_are_where_they_are(lines, texts):
    tokenizer = _with_added(tuple(lines))
    for text, row in zip(texts, rows(tokenizer, texts), strict=True):
        places = [(a, b) for i, a, b in row if tokenizer.id_to_token(i) == "<x>"]
        if unicodedata.is_normalized("NFC", text):
            assert [text[a:b] for a, b in places] == ["<x>"] * text.count("<x>")
        if row:
            assert row[-1][2] == len(text)


_MADE = {}


def _with_added(lines):
    if lines not in _MADE:
        plain = mt.BytePairTokenizer.train(texts=lines, vocabulary_size=300)
        vocabulary = {**plain._vocabulary.ids, "<x>": plain.vocabulary_size}
        merges = plain._files()["merges.txt"].decode().split("\n")[1:-1]
        _MADE[lines] = mt.BytePairTokenizer(
            vocabulary,
            merges,
            added_tokens=["<x>"],
            add_prefix_space=True,
            normal_form="NFC",
        )
    return _MADE[lines]


def test_sentencepiece_with_a_dummy_space_and_unknown_bytes(data_dir):
    tokenizer = mt.from_huggingface(data_dir / "weights" / "stories260K")
    text = "Once 日\n a"
    ((*pieces,),) = rows(tokenizer, [text])
    names = [tokenizer.id_to_token(i) for i, _, _ in pieces]
    places = [(start, end) for _, start, end in pieces]
    assert names[0] == "▁" or names[0].startswith("▁O")
    assert places[-1] == (8, 9) or text[slice(*places[-1])] == " a"
    at = names.index("<0xE6>")
    assert names[at : at + 3] == ["<0xE6>", "<0x97>", "<0xA5>"]
    assert places[at : at + 3] == [(5, 6)] * 3


@pytest.mark.parametrize("steps", STEPS)
@given(texts=TEXTS)
@example(texts=["ｶﾞ각각", "``a`", "\u0301", " ", "a \t", "A\0\ue000B\ue0000"])
def test_rewritten_characters_have_their_origin(steps, texts):
    texts, steps = tf.constant(texts, tf.string), STEPS[steps]
    rewritten, origin = rewrite_with_origin(texts, steps)
    assert rewritten.numpy().tolist() == rewrite(texts, steps).numpy().tolist()
    columns = (x.to_list() for x in origin)
    for text, new, starts, ends in zip(
        texts.numpy(), rewritten.numpy(), *columns, strict=True
    ):
        text, new = text.decode(), new.decode()
        assert len(starts) >= len(new)
        if steps[-1] != ["prefix"]:
            assert len(starts) == len(new)
        inner = [step for step in steps if step[0] not in ("strip_end", "prefix")]
        for i, character in enumerate(new):
            part = tf.constant([text[starts[i] : ends[i]].encode()])
            whole = rewrite(part, inner).numpy()[0].decode()
            assert character in whole or (i == ends[0] == 0 and character == " ")


def test_lowercase_keeps_zeros_and_what_stands_for_them():
    texts = ["A\0B\0", "\0", "", "\ue000\0É\ue0001\ue0000", "\0\ue000", "ΣΑΣ\0Σ"]
    found = rewrite(tf.constant(texts), [["lowercase"]]).numpy()
    assert [x.decode() for x in found] == [
        "".join(map(str.lower, text)) for text in texts
    ]


def test_origin_of_a_replaced_string():
    _, origin = rewrite_with_origin(tf.constant(["a``b"]), [["replace", "``", "xyz"]])
    assert origin.starts.to_list() == [[0, 1, 1, 1, 3]]
    assert origin.ends.to_list() == [[1, 3, 3, 3, 4]]


def test_offsets_behind_the_text_stay_in_it():
    origin = Origin.of(tf.constant(["ab", ""]))
    spans = tf.ragged.constant([[0, 2], [0]]), tf.ragged.constant([[9, 9], [3]])
    assert [x.to_list() for x in origin.spans(*spans)] == [[[0, 2], [0]], [[2, 2], [0]]]


@pytest.mark.parametrize("name", NAMES)
def test_in_a_graph_alone_and_wrong(all_tokenizers, name):
    tokenizer = all_tokenizers[name]
    texts = ["The cat", "", "é日😀 x"]
    expected = rows(tokenizer, texts)
    graph = tf.function(tokenizer.tokenize_with_offsets, autograph=False)
    columns = [x.to_list() for x in graph(tf.constant(texts))]
    assert [[*zip(*r, strict=True)] for r in zip(*columns, strict=True)] == expected
    for text, row in zip(texts, expected, strict=True):
        one = tokenizer.tokenize_with_offsets(text)
        assert [*zip(*(x.numpy().tolist() for x in one), strict=True)] == row
    assert rows(tokenizer, []) == []
    invalid = tokenizer.tokenize_with_offsets([b"a\xffb"])
    assert (
        invalid[2].to_list()
        == tokenizer.tokenize_with_offsets(["a\ufffdb"])[2].to_list()
    )
    with pytest.raises(ValueError, match="needs strings of shape"):
        tokenizer.tokenize_with_offsets([["a"]])
