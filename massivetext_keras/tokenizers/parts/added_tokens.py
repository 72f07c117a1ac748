"""Tokens that are found in a text before all else, thousands of them, in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.tokenizers.parts.graph_pieces import graph_tokenizer
from massivetext_keras.tokenizers.parts.offsets import sums_before

# what Rust's `\w` is
_WORD = r"[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}]"
# SentencePiece reads no byte 0: for private use, as which it and the first are spelled
_MARK, _ONE, _NUL = "\ue000", "\ue000\ue001", "\ue000\ue002"


class AddedToken(NamedTuple):
    """A token that was added to a model's own, as Hugging Face's files have it.

    Attributes:
        content: its text.
        single_word: only where no letter, mark or digit stands beside it.
        normalized: it is found after a text is normalized, and is normalized itself.
    """

    content: str
    single_word: bool = False
    normalized: bool = True


class AddedTokens(tf.Module):
    """Finds tokens in texts: the first one, and of these the longest.

    They are the user-defined symbols of a SentencePiece model without other pieces: its
    trie takes some thousands, where alternatives of a regular expression are too many
    for RE2.

    Args:
        ids: text -> id.
        single: those that are found only where no word goes on beside them.

    >>> parts, ids = AddedTokens({"<e1>": 7, "<e1>b": 8}).split(
    ...     tf.constant(["a<e1>bc"])
    ... )
    >>> parts.to_list(), ids.numpy().tolist()
    ([[b'a', b'<e1>b', b'c']], [-1, 8, -1])
    """

    def __init__(self, ids: dict[str, int], single: Sequence[str] = ()):
        super().__init__(name="added_tokens")
        self._ids = ids
        if not ids:
            return
        self._pieces = graph_tokenizer(_model(ids), tf.string)
        with tf.init_scope():
            pairs = tf.lookup.KeyValueTensorInitializer(
                [*ids], tf.constant([*ids.values()], tf.int32)
            )
            self._index = tf.lookup.StaticHashTable(pairs, -1)
            only = tf.lookup.KeyValueTensorInitializer(
                [*single] or [""], [1] * max(len(single), 1)
            )
            self._single = tf.lookup.StaticHashTable(only, 0) if single else None

    def split(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Cuts valid UTF-8 strings at the tokens, inside a graph.

        Returns:
            string [n, (parts)], none of them empty, and int32 [parts], the id of each,
            -1 for text between tokens.
        """
        text = tf.strings.regex_replace(text, _MARK, _ONE)
        text = tf.strings.regex_replace(text, r"\x00", _NUL)
        parts = self._pieces.tokenize(text)
        flat = tf.strings.regex_replace(parts.flat_values, _NUL, b"\0")
        flat = tf.strings.regex_replace(flat, _ONE, _MARK)
        ids = self._index.lookup(flat)
        rows = parts.value_rowids()
        if self._single is not None:
            begins = tf.strings.regex_full_match(flat, rf"(?s){_WORD}.*")
            ends = tf.strings.regex_full_match(flat, rf"(?s).*{_WORD}")
            same = rows[1:] == rows[:-1]
            beside = tf.pad(ends[:-1] & same, [[1, 0]])[: tf.size(flat)]
            beside |= tf.pad(begins[1:] & same, [[0, 1]])[: tf.size(flat)]
            alone = (self._single.lookup(flat) == 0) | ~beside
            ids = tf.where(alone, ids, -1)
        # what is no token is one part with what else is none beside it
        goes_on = (ids[1:] < 0) & (ids[:-1] < 0) & (rows[1:] == rows[:-1])
        begins = tf.pad(~goes_on, [[1, 0]], constant_values=True)[: tf.size(flat)]
        place = tf.cumsum(tf.cast(begins, tf.int64)) - 1
        joined = tf.RaggedTensor.from_value_rowids(flat, place, validate=False)
        joined = tf.strings.reduce_join(joined, axis=-1)
        rows = tf.boolean_mask(rows, begins)
        joined = tf.RaggedTensor.from_value_rowids(
            joined, rows, parts.nrows(), validate=False
        )
        return joined, tf.boolean_mask(ids, begins)

    def tokenize(
        self,
        text: tf.Tensor,
        plain: Callable[[tf.Tensor], tf.RaggedTensor],
        after: Callable[[tf.Tensor], tf.RaggedTensor] | None = None,
    ) -> tf.RaggedTensor:
        """Ids of texts, int32 [n, (ids)].

        Args:
            text: string [n].
            plain: tokenizes what is between the tokens, string [m] -> int32 [m, (ids)];
                nothing of an empty one.
            after: does so with what follows a token (None: as `plain`).
        """
        if not self._ids:
            return plain(text)
        parts, added = self.split(text)
        text = tf.where(added < 0, parts.flat_values, "")
        between = plain(text)
        if after is not None:
            first = first_of(parts.value_rowids())
            between = plain(tf.where(first, text, ""))
            between = tf.concat([between, after(tf.where(first, "", text))], axis=1)
        found = tf.ragged.boolean_mask(added[:, None], added[:, None] >= 0)
        return _joined(tf.concat([between, found], axis=1), parts)

    def tokenize_with_offsets(
        self,
        text: tf.Tensor,
        plain: Callable[[tf.Tensor], tuple],
        after: Callable[[tf.Tensor], tuple] | None = None,
    ) -> tuple:
        """Ids, starts and ends in characters; `plain` and `after` give these, too."""
        if not self._ids:
            return plain(text)
        parts, added = self.split(text)
        flat = parts.flat_values
        sizes = tf.strings.length(flat, unit="UTF8_CHAR")
        before = sums_before(parts.with_flat_values(sizes)).flat_values[:, None]
        text = tf.where(added < 0, flat, "")
        ids, *offsets = plain(text)
        if after is not None:
            first = first_of(parts.value_rowids())
            sides = plain(tf.where(first, text, "")), after(tf.where(first, "", text))
            ids, *offsets = (
                tf.concat(pair, axis=1) for pair in zip(*sides, strict=True)
            )
        whole = added[:, None] >= 0
        ids = tf.concat([ids, tf.ragged.boolean_mask(added[:, None], whole)], axis=1)
        starts, ends = (
            tf.concat([x + before, tf.ragged.boolean_mask(own, whole)], axis=1)
            for x, own in zip(offsets, (before, before + sizes[:, None]), strict=True)
        )
        return tuple(_joined(x, parts) for x in (ids, starts, ends))


def first_of(rows: tf.Tensor) -> tf.Tensor:
    """Whether each part is the first of its row, int [parts] -> bool [parts].

    >>> first_of(tf.constant([0, 0, 2])).numpy().tolist()
    [True, False, True]
    """
    return tf.concat([[True], rows[1:] != rows[:-1]], 0)[: tf.size(rows)]


def _joined(rows: tf.RaggedTensor, parts: tf.RaggedTensor) -> tf.RaggedTensor:
    """What there is of each part -> of each text."""
    splits = tf.gather(rows.row_splits, parts.row_splits)
    return tf.RaggedTensor.from_row_splits(rows.flat_values, splits, validate=False)


def _model(ids: dict[str, int]) -> bytes:
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece
    proto.pieces.add(piece="<unk>", type=kinds.UNKNOWN)
    for token in ids:
        piece = token.replace(_MARK, _ONE).replace("\0", _NUL)
        proto.pieces.add(piece=piece, type=kinds.USER_DEFINED)
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type = trainer.BPE
    trainer.unk_id, trainer.vocab_size = 0, len(proto.pieces)
    trainer.bos_id = trainer.eos_id = trainer.pad_id = -1
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = False
    normalizer.remove_extra_whitespaces = False
    normalizer.escape_whitespaces = False
    return proto.SerializeToString(deterministic=True)
