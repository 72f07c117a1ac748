"""Byte-level BPE against Hugging Face's."""

from __future__ import annotations

import pytest
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.tokenizers import BytePairTokenizer
from massivetext_keras.tokenizers.byte_pair import byte_symbols

BYTES = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
ODD = " \t\n\r\x0b\x0c\x00\x1c\x1f\x7f\x85\xa0\u180e\u200b\u2003\u2028\u3000\ufeff"
ODD += "aabtsréS1²ⅷ'',.!_▁\u2400\ue000\U000f0000日😀\u0301"
# unassigned code points are letters in newer Unicode tables and not in older ones
STRINGS = st.lists(
    st.text(
        st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=("Cs", "Cn"))),
        max_size=30,
    ),
    max_size=8,
)


def reference(vocabulary, merges, add_prefix_space=False) -> hf.Tokenizer:
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]
    tokenizer = hf.Tokenizer(hf.models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(
        add_prefix_space=add_prefix_space
    )
    tokenizer.decoder = hf.decoders.ByteLevel()
    return tokenizer


def ids(tokenizer: hf.Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def rust(tokenizer: BytePairTokenizer) -> hf.Tokenizer:
    merges = tokenizer._files()["merges.txt"].decode().split("\n")[1:-1]
    return reference(tokenizer._vocabulary.ids, merges)


@pytest.fixture(scope="module")
def trained(all_tokenizers):
    return all_tokenizers["byte_pair"], rust(all_tokenizers["byte_pair"])


def test_literal_words():
    vocabulary = BYTES | {"he": 256, "Ġhe": 257, "ĠĠ": 258, "'l": 259, "'ll": 260}
    merges = ["h e", "Ġ he", "Ġ Ġ", "' l", "'l l"]
    tokenizer = BytePairTokenizer(vocabulary, merges)
    rows = tokenizer(["he  he he'll", "\x00\n he  ", "é"]).to_list()
    # one space stays with the word, a run at the end is one word
    assert rows == [[256, 32, 257, 257, 260], [0, 10, 257, 258], [0xC3, 0xA9]]


@given(texts=STRINGS)
def test_ids_equal_hugging_face(trained, texts):
    tokenizer, expected = trained
    assert tokenizer(texts).to_list() == ids(expected, texts)


@given(texts=STRINGS)
def test_prefix_space_equals_hugging_face(texts):
    tokenizer = BytePairTokenizer(BYTES, [], add_prefix_space=True)
    expected = ids(reference(BYTES, [], add_prefix_space=True), texts)
    assert tokenizer(texts).to_list() == expected


@st.composite
def bpe_models(draw):
    """Merges that no training would give: many parents, cycles of order, dead ends."""
    tokens, merges = list("abĠ"), []
    for _ in range(draw(st.integers(1, 14))):
        pair = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        if pair not in merges:
            merges.append(pair)
            tokens += [] if "".join(pair) in tokens else ["".join(pair)]
    draw(st.randoms(use_true_random=False)).shuffle(merges)
    extra = draw(st.lists(st.text("abĠ", min_size=2, max_size=4), max_size=4))
    new = [token for token in dict.fromkeys(tokens + extra) if token not in BYTES]
    return BYTES | {token: 256 + i for i, token in enumerate(new)}, merges


@settings(max_examples=150)
@given(model=bpe_models(), texts=st.lists(st.text("ab ", max_size=25), min_size=5))
def test_any_merges_equal_hugging_face(model, texts):
    assert BytePairTokenizer(*model)(texts).to_list() == ids(reference(*model), texts)


def test_wikitext_and_hostile_strings_equal_hugging_face(wikitext, naughty):
    tokenizer = BytePairTokenizer.train(texts=wikitext, vocabulary_size=3000)
    expected = rust(tokenizer)
    for texts in (wikitext, naughty, ["\n".join(wikitext[:300])]):
        rows = tokenizer(texts)
        assert rows.to_list() == ids(expected, texts)
        again = [text.decode() for text in tokenizer.detokenize(rows).numpy()]
        assert again == texts


def test_special_tokens_are_plain_text_when_read(trained):
    tokenizer, _ = trained
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 1)
    read = tokenizer("<|endoftext|>")
    assert 1 not in read.numpy().tolist()
    assert tokenizer.detokenize(read).numpy() == b"<|endoftext|>"


def test_added_tokens_have_their_own_text():
    vocabulary = BYTES | {"<|x|>": 256, "😀 b": 257}
    tokenizer = BytePairTokenizer(vocabulary, [], special_tokens=["<|x|>"])
    assert tokenizer.special_ids == (256,)
    assert tokenizer.detokenize([97, 256, 257]).numpy().decode() == "a😀 b"


def test_wrong_models():
    with pytest.raises(ValueError, match=r"no token for the byte 32 \('Ġ'\)"):
        missing = sorted(BYTES.keys() - {"Ġ"})
        BytePairTokenizer({symbol: i for i, symbol in enumerate(missing)}, [])
    with pytest.raises(ValueError, match="merges: 'a b' is not made of known tokens"):
        BytePairTokenizer(BYTES, ["a b"])
    with pytest.raises(ValueError, match="eos_token: '<eos>' is not in the vocabulary"):
        BytePairTokenizer(BYTES, [], eos_token="<eos>")
    with pytest.raises(ValueError, match="vocabulary_size=257: at least 258"):
        BytePairTokenizer.train(texts=["a"], vocabulary_size=257)
