"""Texts with holes that a special token names each, and what is written into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.text.framing import utf8
from massivetext_keras.text.strings import Texts, as_texts


def fill_spans(
    lm: Any, texts: Texts, max_new_tokens: int | None, num_beams: int
) -> dict[str, str] | list[dict[str, str]]:
    """What a model writes for the special tokens of texts: see
    `Seq2SeqLM.fill_spans`."""
    tokenizer = lm.need_tokenizer()
    rows, one = as_texts("text", texts)
    if not rows:
        return []
    sources = tf.constant([utf8(text) for text in rows])
    ids = tokenizer.tokenize(sources, parse_special=True)
    ids = data.enclosed(tokenizer, ids, lm.config.max_length)
    asked = [_sentinels(tokenizer, row) for row in ids.to_list()]
    for i, some in enumerate(asked):
        if not some:
            raise ValueError(f"text {i} names no special token, as <extra_id_0>")
    found = lm.generate_ids(ids, max_new_tokens, num_beams).to_list()
    spans = [
        spans_behind(tokenizer, some, row)
        for some, row in zip(asked, found, strict=True)
    ]
    return spans[0] if one else spans


def _sentinels(tokenizer, ids: Sequence[int]) -> list[int]:
    """The special tokens of a row but those of every text, each once."""
    of_texts = {tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id}
    special = set(tokenizer.special_ids) - of_texts
    return list(dict.fromkeys(index for index in ids if index in special))


def spans_behind(
    tokenizer, sentinels: Sequence[int], ids: Sequence[int]
) -> dict[str, str]:
    """What stands behind each sentinel, up to the next special token.

    Args:
        tokenizer: of the ids.
        sentinels: special ids.
        ids: an answer.

    >>> from massivetext_keras.tokenizers import BytePairTokenizer
    >>> from massivetext_keras.tokenizers.byte_pair import byte_symbols
    >>> vocabulary = {symbol: index for index, symbol in enumerate(byte_symbols())}
    >>> special = {"<x>": 256, "<y>": 257, "</s>": 258}
    >>> options = {"special_tokens": [*special], "eos_token": "</s>"}
    >>> tokenizer = BytePairTokenizer(vocabulary | special, [], **options)
    >>> ids = tokenizer.tokenize("<y>cat <x> the</s>", parse_special=True)
    >>> spans_behind(tokenizer, [256, 257], ids.numpy().tolist())
    {'<x>': 'the', '<y>': 'cat'}
    """
    special, last = set(tokenizer.special_ids), None
    behind: dict[int, list[int]] = {index: [] for index in sentinels}
    for index in ids:
        if index in special:
            last = index
        elif last in behind:
            behind[last].append(index)
    rows = tf.ragged.constant([*behind.values()], tf.int32, ragged_rank=1)
    texts = tokenizer.detokenize(rows).numpy()
    names = map(tokenizer.id_to_token, behind)
    return {n: t.decode().strip() for n, t in zip(names, texts, strict=True)}
