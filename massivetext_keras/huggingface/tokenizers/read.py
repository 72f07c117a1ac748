"""Tokenizers out of Hugging Face folders."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massivetext_keras.huggingface.tokenizers.byte_pair import (
    byte_level,
    read_byte_pair_files,
)
from massivetext_keras.huggingface.tokenizers.classes import WORDPIECES, class_name
from massivetext_keras.huggingface.tokenizers.pieces import model_of_json
from massivetext_keras.huggingface.tokenizers.special import (
    described_tokens,
    more_special,
    prefix_after_special,
    white_space,
)
from massivetext_keras.huggingface.tokenizers.templates import separators, tokens_around
from massivetext_keras.huggingface.tokenizers.write import CHARACTERS, TOKENIZER_FILE
from massivetext_keras.support.files import read_json
from massivetext_keras.tokenizers import translation
from massivetext_keras.tokenizers.added_tokens import AddedToken
from massivetext_keras.tokenizers.base import CONFIG_FILE, Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.character import CharacterTokenizer
from massivetext_keras.tokenizers.sentencepiece import (
    SentencePieceTokenizer,
    parse_model,
)
from massivetext_keras.tokenizers.translation import TranslationTokenizer
from massivetext_keras.tokenizers.vocabulary import tokens_in_order
from massivetext_keras.tokenizers.wordpiece import (
    SPECIAL,
    WordPieceTokenizer,
    parse_vocabulary,
)

_ROLES = ("pad", "bos", "eos", "unk")

# kind -> beginnings of tokenizer classes, model types
_KINDS = {
    "llama": (
        ("Llama", "CodeLlama", "Gemma"),
        ("llama", "mistral", "mixtral", "gemma", "gemma2", "gemma3"),
    ),
    "t5": (("T5",), ("t5",)),
    "mt5": (("MT5",), ("mt5",)),
    "albert": (("Albert",), ("albert",)),
    "roberta": (("Roberta", "XLMRoberta", "Bart"), ("roberta", "xlm-roberta", "bart")),
}


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
    source = _Folder(Path(folder))
    if not source.path.is_dir():
        raise FileNotFoundError(f"{source.path}: no such folder")
    for names, read in _READERS.items():
        if all((source.path / name).is_file() for name in names):
            return read(source)
    looked_for = ", ".join(" + ".join(names) for names in _READERS)
    raise ValueError(f"{source.path}: no tokenizer here; looked for {looked_for}")


@dataclass(frozen=True)
class _Folder:
    path: Path

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def json(self, name: str) -> dict:
        """Returns an object; {} where there is no such file."""
        path = self.path / name
        return read_json(path) if path.is_file() else {}

    @functools.cached_property
    def config(self) -> dict:
        return self.json("tokenizer_config.json")

    @functools.cached_property
    def added(self) -> dict[str, int]:
        """Returns the tokens that were added to the model's own, with their ids."""
        listed = self.json(TOKENIZER_FILE).get("added_tokens", ())
        decoder = self.config.get("added_tokens_decoder", {})
        return (
            self.json("added_tokens.json")
            | {token["content"]: token["id"] for token in listed}
            | {token["content"]: int(index) for index, token in decoder.items()}
        )

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Returns what the configs call bos_token, mask_token and so on."""
        named = {k: v for k, v in self.roles.items() if k.endswith("_token")}
        contents = {
            key: value.get("content") if isinstance(value, dict) else value
            for key, value in named.items()
        }
        return {k: token for k, token in contents.items() if isinstance(token, str)}

    @functools.cached_property
    def roles(self) -> dict:
        """Returns what the configs say about special tokens."""
        return self.json("special_tokens_map.json") | self.config

    @functools.cached_property
    def described(self) -> list[dict]:
        return described_tokens(self.json(TOKENIZER_FILE), self.roles)

    @functools.cached_property
    def special(self) -> set[str]:
        """Returns the names of the tokens that stand for no text."""
        plain = {t["content"] for t in self.described if not t.get("special")}
        special = {t["content"] for t in self.described if t.get("special")}
        return {*self.names.values(), *special, *more_special(self.roles)} - plain

    def named(self, tokens: Sequence[str], default: str | None = None) -> dict:
        """Returns pad_token, bos_token and eos_token: by name, by id, by default."""
        ids = self.json("config.json")
        result = {}
        for role in ("pad", "bos", "eos"):
            token = self.names.get(f"{role}_token")
            index = ids.get(f"{role}_token_id")
            index = index[0] if isinstance(index, list) and index else index
            if token is None and isinstance(index, int) and 0 <= index < len(tokens):
                token = tokens[index]
            if token is None and default in tokens and role != "pad":
                token = default
            result[f"{role}_token"] = token
        return result

    def flags(self, add_bos: bool = False, add_eos: bool = False) -> dict[str, Any]:
        """Returns add_bos, add_eos and separators: what the config, else tokenizer.json
        says; and `white_space`.

        Arguments:
            add_bos, add_eos: the defaults, where neither says anything.
        """
        between = 2 if self.kind == "roberta" else 1
        if document := self.json(TOKENIZER_FILE):
            processor = document.get("post_processor")
            before, after = tokens_around(processor)
            add_bos, add_eos = before is not None, after is not None
            between = separators(processor, after)
        return {
            **white_space(self.described, self.special),
            "separators": between,
            "add_bos": bool(self.config.get("add_bos_token", add_bos)),
            "add_eos": bool(self.config.get("add_eos_token", add_eos)),
        }

    @functools.cached_property
    def kind(self) -> str | None:
        """Returns the model whose tokenizer's habits this one has, if it is known."""
        name, model = self.config.get("tokenizer_class"), self.json("config.json")
        for kind, (classes, models) in _KINDS.items():
            if name is None and model.get("model_type") in models:
                return kind
            if name is not None and name.startswith(classes):
                return kind
        return None

    @functools.cached_property
    def ordinary(self) -> list[AddedToken]:
        """Returns the added tokens that stand for text, in the order of their ids.

        Raises:
            ValueError: one takes the white space beside it along.
        """
        listed = (
            *self.json(TOKENIZER_FILE).get("added_tokens", ()),
            *self.config.get("added_tokens_decoder", {}).values(),
        )
        flags = {token["content"]: token for token in listed}
        found = []
        for token in sorted(set(self.added) - self.special, key=self.added.get):
            own = flags.get(token, {})
            for flag in ("lstrip", "rstrip"):
                if own.get(flag):
                    name = TOKENIZER_FILE if TOKENIZER_FILE in self else CONFIG_FILE
                    raise self.refuse(name, f"{flag} of the added token {token!r}")
            single, normalized = own.get("single_word"), own.get("normalized", True)
            found.append(AddedToken(token, bool(single), bool(normalized)))
        return found

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    @functools.cached_property
    def class_name(self) -> str | None:
        return class_name(self.config.get("tokenizer_class"))

    def refuse(self, name: str, what: str) -> ValueError:
        return ValueError(f"{self.path / name}: {what} is not supported")


def _read_sentencepiece(source: _Folder, name: str) -> Tokenizer:
    proto = parse_model(source.read(name), str(source.path / name))
    own = {piece.piece for piece in proto.pieces}
    kind, added = source.kind, source.added
    if kind == "albert":
        if (source.path / TOKENIZER_FILE).is_file():
            return _read_tokenizer_json(source)
        raise source.refuse(name, "what an AlbertTokenizer does to case and accents")
    if kind == "t5" and not added.keys() - own:
        count = source.config.get("extra_ids", 100)
        last = len(proto.pieces) + count - 1
        added = {f"<extra_id_{n}>": last - n for n in range(count)}
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


def _sentencepiece(source: _Folder, proto, **options) -> Tokenizer:
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


def _read_tokenizer_json(source: _Folder) -> Tokenizer:
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


def _pieces(source: _Folder, document: dict) -> Tokenizer:
    named = {role: source.names.get(f"{role}_token") for role in _ROLES}
    special = source.special | {token for token in named.values() if token}
    try:
        proto, rewrites = model_of_json(document, source.added, special, named["unk"])
    except ValueError as error:
        raise source.refuse(TOKENIZER_FILE, str(error)) from None
    return _sentencepiece(source, proto, rewrites=rewrites, **source.flags())


def _wordpiece(source: _Folder, document: dict) -> Tokenizer:
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


def _read_bert_vocabulary(source: _Folder) -> Tokenizer:
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
    source: _Folder,
    name: str,
    tokens: Sequence[str],
    *,
    lowercase: bool,
    strip_accents: bool | None,
    chinese: bool,
) -> Tokenizer:
    if strip_accents not in (None, lowercase):
        raise source.refuse(name, f"strip_accents={strip_accents} with {lowercase=}")
    if not chinese:
        raise source.refuse(name, "leaving Chinese characters together")
    flags = source.flags(add_bos=True, add_eos=True)
    known = {*SPECIAL}
    return WordPieceTokenizer(
        tokens,
        lowercase=lowercase,
        special_tokens=[
            token for token in tokens if token in source.special and token not in known
        ],
        added_tokens=source.ordinary,
        **flags,
    )


def _read_characters(source: _Folder) -> Tokenizer:
    return _characters(source, source.json("vocab.json"))


def _characters(source: _Folder, vocabulary: Mapping[str, int]) -> Tokenizer:
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


def _read_translation(source: _Folder) -> Tokenizer:
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


_READERS = {
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
