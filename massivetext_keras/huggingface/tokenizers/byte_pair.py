"""Byte-level BPE out of Hugging Face folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from massivetext_keras.huggingface.tokenizers.classes import BYTE_PAIRS, byte_pair_rules
from massivetext_keras.huggingface.tokenizers.folder import TokenizerFolder
from massivetext_keras.huggingface.tokenizers.templates import tokens_around
from massivetext_keras.huggingface.tokenizers.write import TOKENIZER_FILE
from massivetext_keras.tokenizers.base import CONFIG_FILE, Tokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.parts.merges import parse_merges
from massivetext_keras.tokenizers.parts.rewriting import NORMAL_FORMS
from massivetext_keras.tokenizers.parts.splitting import pattern_name
from massivetext_keras.tokenizers.parts.vocabulary import tokens_in_order

_END_OF_TEXT = "<|endoftext|>"


def byte_level(source: TokenizerFolder, document: dict) -> Tokenizer:
    name, model = TOKENIZER_FILE, document["model"]
    pre_tokenizer = document.get("pre_tokenizer") or {}
    try:
        pattern = pattern_name(pre_tokenizer)
    except ValueError as error:
        raise source.refuse(name, str(error)) from None
    last = pre_tokenizer.get("pretokenizers", [pre_tokenizer])[-1]
    normal_form = _normal_form(source, document.get("normalizer"))
    return _byte_pair(
        source,
        model["vocab"],
        model["merges"],
        add_prefix_space=bool(last.get("add_prefix_space")),
        template=tokens_around(document.get("post_processor")),
        pattern=pattern,
        normal_form=normal_form,
        ignore_merges=bool(model.get("ignore_merges")),
        **_found_first(source, normal_form),
    )


def _normal_form(source: TokenizerFolder, normalizer: dict | None) -> str | None:
    steps = (normalizer or {}).get("normalizers", [normalizer] if normalizer else [])
    kinds = [step["type"] for step in steps]
    if len(kinds) > 1 or not {*kinds} <= {*NORMAL_FORMS}:
        raise source.refuse(TOKENIZER_FILE, f"the normalizer {' + '.join(kinds)!r}")
    return kinds[0] if kinds else None


def _found_first(source: TokenizerFolder, normal_form: str | None) -> dict:
    """Returns the added tokens that stand for text, and when they are looked for."""
    listed = source.ordinary
    first = {token.normalized for token in listed}
    if normal_form and len(first) > 1:
        raise source.refuse(TOKENIZER_FILE, "added tokens before and after normalizing")
    return {
        "added_tokens": [token.content for token in listed],
        "single_words": [token.content for token in listed if token.single_word],
        "normalize_first": bool(normal_form) and first == {True},
    }


def read_byte_pair_files(source: TokenizerFolder) -> Tokenizer:
    """What `vocab.json` and `merges.txt` do not say, class and model do."""
    model = source.json("config.json").get("model_type")
    rules = byte_pair_rules(source.class_name, model)
    if rules is None:
        what = f"tokenizer_class={source.config['tokenizer_class']!r} beside merges.txt"
        raise source.refuse(CONFIG_FILE, f"{what} (known: {', '.join(BYTE_PAIRS)})")
    pattern, normal_form, template = rules
    return _byte_pair(
        source,
        source.json("vocab.json"),
        parse_merges(source.read("merges.txt").decode()),
        add_prefix_space=bool(source.config.get("add_prefix_space")),
        template=template,
        pattern=pattern,
        normal_form=normal_form,
        **_found_first(source, normal_form),
    )


def _byte_pair(
    source: TokenizerFolder,
    vocabulary: Mapping[str, int],
    merges: Sequence,
    *,
    add_prefix_space: bool,
    template: tuple[str | None, str | None],
    **options,
) -> Tokenizer:
    vocabulary = {**vocabulary, **source.added}
    tokens = tokens_in_order(vocabulary)
    named = source.named(tokens, _END_OF_TEXT)
    for role, token in zip(("bos_token", "eos_token"), template, strict=True):
        named[role] = token or named[role]
    others = source.special - {*named.values()}
    if source.kind == "roberta" and TOKENIZER_FILE not in source:
        others |= {"<mask>", "<unk>"}
        if named["pad_token"] is None and "<pad>" in vocabulary:
            named["pad_token"] = "<pad>"
    return BytePairTokenizer(
        vocabulary,
        merges,
        special_tokens=[token for token in tokens if token in others],
        add_prefix_space=add_prefix_space,
        **options,
        **named,
        **source.flags(
            add_bos=template[0] is not None, add_eos=template[1] is not None
        ),
    )
