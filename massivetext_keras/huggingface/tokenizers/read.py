"""Tokenizers out of Hugging Face folders."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from massivetext_keras.huggingface.tokenizers.byte_pair import (
    byte_level,
    read_byte_pair_files,
)
from massivetext_keras.huggingface.tokenizers.classes import WORDPIECES
from massivetext_keras.huggingface.tokenizers.folder import TokenizerFolder
from massivetext_keras.huggingface.tokenizers.pieces import model_of_json
from massivetext_keras.huggingface.tokenizers.special import prefix_after_special
from massivetext_keras.huggingface.tokenizers.write import CHARACTERS, TOKENIZER_FILE
from massivetext_keras.tokenizers import translation
from massivetext_keras.tokenizers.base import CONFIG_FILE, Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.character import CharacterTokenizer
from massivetext_keras.tokenizers.parts.vocabulary import tokens_in_order
from massivetext_keras.tokenizers.sentencepiece import (
    SentencePieceTokenizer,
    add_sentinels,
    parse_model,
)
from massivetext_keras.tokenizers.translation import TranslationTokenizer
from massivetext_keras.tokenizers.wordpiece import (
    SPECIAL,
    WordPieceTokenizer,
    parse_vocabulary,
)

_ROLES = ("pad", "bos", "eos", "unk")


def from_huggingface(folder: str | os.PathLike) -> Tokenizer:
    """Reads the tokenizer of a Hugging Face folder.

    | file, the first that is there | tokenizer |
    |---|---|
    | source.spm, target.spm and vocab.json | TranslationTokenizer (Marian) |
    | tokenizer.model | SentencePieceTokenizer (Llama 2, Mistral, Gemma) |
    | spiece.model | SentencePieceTokenizer (T5, mT5) |
    | tokenizer.json, byte-level BPE | BytePairTokenizer (GPT-2, Llama 3, Qwen) |
    | tokenizer.json, other BPE, Unigram | SentencePieceTokenizer (XLM-R, ALBERT) |
    | tokenizer.json, WordPiece | WordPieceTokenizer (BERT) |
    | tokenizer.json of `huggingface_files` | CharacterTokenizer, ByteTokenizer too |
    | vocab.json and merges.txt | BytePairTokenizer (GPT-2, RoBERTa) |
    | vocab.txt | WordPieceTokenizer |
    | vocab.json | CharacterTokenizer |

    Special tokens come from tokenizer_config.json, special_tokens_map.json,
    added_tokens.json and config.json. `add_bos` and `add_eos` say what Hugging Face
    adds to one text: with BERT [CLS] and [SEP], with Llama a bos, with T5 an eos.

    Arguments:
        folder: a local folder.
    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: none of the files is there, one is damaged, or one asks for a step
            that cannot be carried out exactly.
    """
    source = TokenizerFolder(Path(folder))
    if not source.path.is_dir():
        raise FileNotFoundError(f"{source.path}: no such folder")
    for names, read in _READERS.items():
        if all((source.path / name).is_file() for name in names):
            return read(source)
    looked_for = ", ".join(" + ".join(names) for names in _READERS)
    raise ValueError(f"{source.path}: no tokenizer here; looked for {looked_for}")


def _read_sentencepiece(source: TokenizerFolder, name: str) -> Tokenizer:
    proto = parse_model(source.read(name), str(source.path / name))
    own = {piece.piece for piece in proto.pieces}
    kind, added = source.kind, source.added
    if kind == "albert":
        if (source.path / TOKENIZER_FILE).is_file():
            return _read_tokenizer_json(source)
        raise source.refuse(name, "what an AlbertTokenizer does to case and accents")
    if kind == "t5" and not added.keys() - own:
        add_sentinels(proto, source.config.get("extra_ids", 100))
    for piece in proto.pieces:
        if piece.piece in source.special and piece.type == piece.USER_DEFINED:
            piece.type = piece.CONTROL
    for token, index in sorted(added.items(), key=lambda item: item[1]):
        if token in own:
            continue
        if index != len(proto.pieces):
            raise source.refuse(name, f"the added token {token!r} with id {index}")
        kinds = proto.SentencePiece
        if token in source.special or token.startswith("<extra_id_"):
            proto.pieces.add(piece=token, type=kinds.CONTROL)
        else:  # found before the model, and worse than all its pieces
            least = min(piece.score for piece in proto.pieces) - 1
            proto.pieces.add(piece=token, type=kinds.UNUSED, score=least)
    if source.config.get("add_prefix_space") is False:
        proto.normalizer_spec.add_dummy_prefix = False
    flags = source.flags(add_bos=kind == "llama", add_eos=kind in ("t5", "mt5"))
    return _sentencepiece(source, proto, **flags)


def _sentencepiece(source: TokenizerFolder, proto, **options) -> Tokenizer:
    for role in _ROLES:
        piece, token = f"{role}_piece", source.names.get(f"{role}_token")
        if token not in (None, getattr(proto.trainer_spec, piece)):
            setattr(proto.trainer_spec, piece, token)
    model = proto.SerializeToString(deterministic=True)
    files = source.json(TOKENIZER_FILE), source.config
    if not prefix_after_special(*files, source.kind == "llama"):
        options["prefix_after_special"] = False
    if single := [token.content for token in source.ordinary if token.single_word]:
        raise source.refuse(
            CONFIG_FILE, f"single_word of the added token {single[0]!r}"
        )
    ordinary = {token.content for token in source.ordinary}
    options["added_tokens"] = [
        piece.piece
        for piece in proto.pieces
        if piece.piece in ordinary and piece.type == piece.UNUSED
    ]
    return SentencePieceTokenizer(model, **options)


def _read_tokenizer_json(source: TokenizerFolder) -> Tokenizer:
    name = TOKENIZER_FILE
    document = source.json(name)
    model = document.get("model") or {}
    pre_tokenizer = document.get("pre_tokenizer") or {}
    if model.get("type") == "WordPiece":
        return _wordpiece(source, document)
    if model.get("type") == "WordLevel" and pre_tokenizer == CHARACTERS:
        return _characters(source, model["vocab"])
    if model.get("type") not in ("BPE", "Unigram"):
        raise source.refuse(name, f"the model {model.get('type')!r}")
    if not pre_tokenizer and model["vocab"] == ByteTokenizer()._vocabulary.ids:
        return ByteTokenizer(**source.flags())
    # a BPE model's pieces are SentencePiece's, or of bytes
    steps = json.dumps([pre_tokenizer, document.get("decoder")])
    marks_spaces = any(word in steps for word in ("Metaspace", "ByteFallback"))
    pieces = model["type"] == "Unigram" or marks_spaces
    refused = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
    for option in (*refused, "ignore_merges" if pieces else "byte_fallback"):
        if model.get(option) and model["type"] == "BPE":
            raise source.refuse(name, f"the model's {option}={model[option]!r}")
    return (_pieces if pieces else byte_level)(source, document)


def _pieces(source: TokenizerFolder, document: dict) -> Tokenizer:
    named = {role: source.names.get(f"{role}_token") for role in _ROLES}
    special = source.special | {token for token in named.values() if token}
    try:
        proto, rewrites = model_of_json(document, source.added, special, named["unk"])
    except ValueError as error:
        raise source.refuse(TOKENIZER_FILE, str(error)) from None
    return _sentencepiece(source, proto, rewrites=rewrites, **source.flags())


def _wordpiece(source: TokenizerFolder, document: dict) -> Tokenizer:
    name = TOKENIZER_FILE
    model, normalizer = document["model"], document.get("normalizer") or {}
    if normalizer.get("type") != "BertNormalizer":
        raise source.refuse(name, f"the normalizer {normalizer.get('type')!r}")
    if (document.get("pre_tokenizer") or {}).get("type") != "BertPreTokenizer":
        raise source.refuse(name, "a WordPiece model without BertPreTokenizer")
    if model.get("continuing_subword_prefix") != "##":
        raise source.refuse(name, "a continuing_subword_prefix other than '##'")
    if not normalizer.get("clean_text", True):
        raise source.refuse(name, "clean_text=False")
    return _bert(
        source,
        name,
        tokens_in_order({**model["vocab"], **source.added}),
        lowercase=normalizer.get("lowercase", True),
        strip_accents=normalizer.get("strip_accents"),
        chinese=normalizer.get("handle_chinese_chars", True),
    )


def _read_bert_vocabulary(source: TokenizerFolder) -> Tokenizer:
    name = source.class_name
    if "word_tokenizer_type" in source.config or name == "BertJapanese":
        what = "BertJapaneseTokenizer, which cuts words by a dictionary (MeCab),"
        raise source.refuse(CONFIG_FILE, what)
    if name not in (None, *WORDPIECES):
        what = f"tokenizer_class={source.config['tokenizer_class']!r} beside vocab.txt"
        raise source.refuse(CONFIG_FILE, f"{what} (known: {', '.join(WORDPIECES)})")
    vocabulary = parse_vocabulary(source.read("vocab.txt"))
    ids = {token: index for index, token in enumerate(vocabulary)}
    return _bert(
        source,
        CONFIG_FILE,
        tokens_in_order({**ids, **source.added}),
        lowercase=source.config.get("do_lower_case", True),
        strip_accents=source.config.get("strip_accents"),
        chinese=source.config.get("tokenize_chinese_chars", True),
    )


def _bert(
    source: TokenizerFolder,
    name: str,
    tokens: Sequence[str],
    *,
    lowercase: bool,
    strip_accents: bool | None,
    chinese: bool,
) -> Tokenizer:
    if not chinese:
        raise source.refuse(name, "leaving Chinese characters together")
    flags = source.flags(add_bos=True, add_eos=True)
    known = {*SPECIAL}
    return WordPieceTokenizer(
        tokens,
        lowercase=lowercase,
        strip_accents=strip_accents,
        special_tokens=[
            token for token in tokens if token in source.special and token not in known
        ],
        added_tokens=source.ordinary,
        **flags,
    )


def _read_characters(source: TokenizerFolder) -> Tokenizer:
    return _characters(source, source.json("vocab.json"))


def _characters(source: TokenizerFolder, vocabulary: Mapping[str, int]) -> Tokenizer:
    tokens = tokens_in_order(vocabulary)
    named = source.named(tokens)
    unk = source.names.get("unk_token")
    for token in tokens:
        if len(token) != 1 and token not in {*named.values(), *source.special}:
            raise source.refuse(
                "vocab.json", f"without merges.txt, the token {token!r}"
            )
    if unk is None:
        raise source.refuse("vocab.json", "a character vocabulary without unk_token")
    return CharacterTokenizer(vocabulary, unk_token=unk, **named, **source.flags())


def _read_translation(source: TokenizerFolder) -> Tokenizer:
    if source.config.get("separate_vocabs"):
        raise source.refuse("tokenizer_config.json", "separate_vocabs=True")
    roles = ("pad_token", "eos_token", "unk_token")
    return TranslationTokenizer(
        source.json(translation.VOCABULARY_FILE),
        source.read(translation.SOURCE_FILE),
        source.read(translation.TARGET_FILE),
        **{role: source.names[role] for role in roles if role in source.names},
        **source.flags(add_eos=True),
    )


_READERS: dict[tuple[str, ...], Callable[[TokenizerFolder], Tokenizer]] = {
    tuple(translation.FILES): _read_translation,
    ("tokenizer.model",): functools.partial(
        _read_sentencepiece, name="tokenizer.model"
    ),
    ("spiece.model",): functools.partial(_read_sentencepiece, name="spiece.model"),
    (TOKENIZER_FILE,): _read_tokenizer_json,
    ("vocab.json", "merges.txt"): read_byte_pair_files,
    ("vocab.txt",): _read_bert_vocabulary,
    ("vocab.json",): _read_characters,
}
