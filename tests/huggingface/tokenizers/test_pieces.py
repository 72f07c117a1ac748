"""SentencePiece models of `tokenizer.json`, as published without a .model file."""

from __future__ import annotations

import base64
import io
import json

import pytest
import sentencepiece
import tokenizers as hf
from sentencepiece import sentencepiece_model_pb2

from massivetext_keras import tokenizers as mt
from massivetext_keras.huggingface.tokenizers.write import _merges

S = "\u2581"
TEXTS = ["", " ", "  ", " a", "  two  spaces ", "x\n\ny \t z", "ﬁve ① ｆｕｌｌ ☃☃ 😀"]
TEXTS += ["``Été'' ÀÉÎ ΣΑΣ İ", "\u3000wide\u00a0space\u2028line\x85", "1,000, 25,"]


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def metaspace(scheme="always", split=True):
    base = {"type": "Metaspace", "replacement": S}
    return base | {"prepend_scheme": scheme, "split": split}


def steps(*parts):
    key = "normalizers" if parts[0]["type"] != "WhitespaceSplit" else "pretokenizers"
    return {"type": "Sequence", key: [*parts]}


WORDS = steps({"type": "WhitespaceSplit"}, metaspace())
STRIP_START = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
DECODERS = [replace(S, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": ""}
ALBERT = [replace("``", '"'), replace("''", '"')]
ALBERT += [{"type": kind} for kind in ("NFKD", "StripAccents", "Lowercase")]
# family -> type of model, normalizer, pre_tokenizer, decoder
FAMILIES = {
    "llama legacy": (
        "bpe",
        steps({"type": "Prepend", "prepend": S}, replace(" ", S)),
        None,
        {"type": "Sequence", "decoders": [*DECODERS, STRIP_START]},
    ),
    "llama": (
        "bpe",
        None,
        metaspace("first", split=False),
        {"type": "Sequence", "decoders": [*DECODERS, STRIP_START]},
    ),
    "gemma": (
        "bpe",
        replace(" ", S),
        {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        {"type": "Sequence", "decoders": DECODERS},
    ),
    "t5, xlm-r": ("unigram", CHARSMAP, WORDS, metaspace()),
    "t5 old": (
        "unigram",
        steps(
            CHARSMAP,
            {"type": "Strip", "strip_left": False, "strip_right": True},
            replace(" {2,}", S, "Regex"),
        ),
        metaspace(),
        metaspace(),
    ),
    "albert": ("unigram", steps(*ALBERT, CHARSMAP), WORDS, metaspace()),
}


def trained(lines, model_type: str):
    """A model of sentencepiece with the specials of most families."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in lines if line.strip()),
        model_writer=model,
        vocab_size=1500,
        hard_vocab_limit=False,
        model_type=model_type,
        byte_fallback=model_type == "bpe",
        pad_id=3,
        character_coverage=0.999,
        minloglevel=2,
    )
    return sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())


def stand_in(lines, family: str) -> dict:
    """The `tokenizer.json` of a family, of a model trained on other text."""
    model_type, normalizer, pre_tokenizer, decoder = FAMILIES[family]
    proto = trained(lines, model_type)
    pieces = [piece.piece for piece in proto.pieces]
    charsmap = json.dumps(normalizer).replace(
        '"precompiled_charsmap": ""',
        f'"precompiled_charsmap": "{_base64(proto.normalizer_spec)}"',
    )
    if model_type == "bpe":
        normal = [i for i, piece in enumerate(proto.pieces) if piece.type == 1]
        model = {"type": "BPE", "unk_token": None, "fuse_unk": True}
        model |= {"byte_fallback": True, "merges": _merges(proto, normal)}
        model["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    else:
        model = {"type": "Unigram", "unk_id": 0, "byte_fallback": False}
        model["vocab"] = [(piece.piece, piece.score) for piece in proto.pieces]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": i, "content": pieces[i], "special": True, **flags} for i in range(4)
    ]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": json.loads(charsmap),
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


def _base64(spec) -> str:
    return base64.b64encode(spec.precompiled_charsmap).decode()


def ids(tokenizer: hf.Tokenizer, texts) -> list[list[int]]:
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, wikitext, data_dir, tmp_path_factory):
    """Hugging Face's tokenizer, and ours of its folder."""
    german = (data_dir / "mt/multi30k/val.de").read_text(encoding="utf-8").split("\n")
    document = stand_in([*wikitext[:800], *german], request.param)
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "tokenizer.json").write_text(json.dumps(document))
    config = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = hf.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return theirs, mt.from_huggingface(folder)


def test_ids_of_real_and_hostile_texts(pair, wikitext, naughty, data_dir):
    theirs, ours = pair
    german = (data_dir / "mt/multi30k/val.de").read_text(encoding="utf-8").split("\n")
    chinese = (data_dir / "mt/en_zh/tatoeba.tsv").read_text(encoding="utf-8")
    texts = [*TEXTS, *wikitext[:1500], *naughty, *german, *chinese.split("\n")[:500]]
    rows, expected = ours(texts).to_list(), ids(theirs, texts)
    scores = dict(enumerate(_scores(ours)))
    for row, other in zip(rows, expected, strict=True):
        if row != other:
            # unigram: one of several best segmentations
            best = pytest.approx(sum(scores[i] for i in other), rel=1e-6)
            assert sum(scores[i] for i in row) == best
    same = sum(map(list.__eq__, rows, expected))
    assert same == len(texts) or (_is_unigram(ours) and same > 0.995 * len(texts))
    known = [row for row in rows if ours.unk_id not in row]
    decoded = [text.decode() for text in ours.detokenize(known).numpy()]
    assert len(known) > len(texts) / 2
    assert decoded == theirs.decode_batch(known)


def _proto(tokenizer):
    return sentencepiece_model_pb2.ModelProto.FromString(
        tokenizer._files()["tokenizer.model"]
    )


def _scores(tokenizer) -> list[float]:
    return [piece.score for piece in _proto(tokenizer).pieces]


def _is_unigram(tokenizer) -> bool:
    trainer = _proto(tokenizer).trainer_spec
    return trainer.model_type == trainer.UNIGRAM


def test_files_are_read_as_the_same_tokenizer(pair, wikitext, tmp_path):
    _, ours = pair
    texts = [*TEXTS, *wikitext[:50]]
    rows = ours(texts).to_list()
    ours.save(tmp_path / "own")
    read = mt.load(tmp_path / "own")
    assert read.fingerprint == ours.fingerprint
    assert read(texts).to_list() == rows
    for file, data in mt.huggingface_files(ours).items():
        (tmp_path / file).write_bytes(data)
    again = mt.from_huggingface(tmp_path)
    assert again(texts).to_list() == rows
    assert again.special_ids == ours.special_ids
    assert (again.bos_id, again.eos_id, again.unk_id) == (1, 2, 0)
    theirs = hf.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    plain = [text for text in texts if "000" not in text]
    assert ids(theirs, plain) == ours(plain).to_list()


def small(**changes) -> dict:
    model = {"type": "BPE", "merges": [["a", "b"]], "byte_fallback": False}
    model["vocab"] = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "abb": 4, S: 5, "a▁": 6}
    return {"model": model, "pre_tokenizer": metaspace("first", False), **changes}


@pytest.mark.parametrize("pre_tokenizer", [metaspace("first", False), WORDS])
def test_what_no_merge_reaches_is_not_found(tmp_path, pre_tokenizer):
    document = small(pre_tokenizer=pre_tokenizer)
    document["model"]["merges"].append(["a", S])
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = mt.from_huggingface(tmp_path)
    assert tokenizer("abb").numpy().tolist() == [5, 3, 2]
    expected = ids(hf.Tokenizer.from_str(json.dumps(document)), ["a a"])
    assert tokenizer(["a a"]).to_list() == expected
    # 6 goes beyond a word
    assert (6 in expected[0]) == (pre_tokenizer is not WORDS)
    assert tokenizer.detokenize([5, 4]).numpy() == b"abb"


def test_added_tokens_that_are_text(tmp_path):
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [{"id": 7, "content": "<td>", "special": False, **flags}]
    document = small(added_tokens=added, normalizer=replace(" ", S), pre_tokenizer=None)
    document["decoder"] = {"type": "ByteFallback"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = mt.from_huggingface(tmp_path)
    assert tokenizer("ab<td> a").numpy().tolist() == [3, 7, 5, 1]
    assert tokenizer.detokenize([1, 7]).numpy() == b"a<td>"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pre_tokenizer": metaspace("first")}, r"spaces \(metaspace split first\)"),
        (
            {"normalizer": {"type": "Nmt"}, "pre_tokenizer": WORDS},
            "the normalizer .*Nmt",
        ),
        (
            {"normalizer": steps(replace(" ", S), {"type": "NFC"})},
            "the normalizer 'NFC' after others",
        ),
    ],
)
def test_what_sentencepiece_cannot_do(tmp_path, changes, message):
    document = small(**changes)
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message + ".* is not supported"):
        mt.from_huggingface(tmp_path)
