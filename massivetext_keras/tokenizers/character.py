"""Unicode characters as tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.parts.offsets import Origin
from massivetext_keras.tokenizers.parts.vocabulary import (
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.texts import read_lines

VOCABULARY_FILE = "vocab.json"


class CharacterTokenizer(Tokenizer):
    """One id per Unicode code point, and one for all that are not in the vocabulary.

    Arguments:
        vocabulary: token -> id, or the tokens in order; tokens of one code point are
            characters, all others stand for no text.
        unk_token: the token of unknown characters, detokenized as U+FFFD.
        pad_token, bos_token, eos_token: tokens of the vocabulary, or None.
        add_bos, add_eos: see `Tokenizer`.
    Raises:
        ValueError: ids with gaps, or a special token that is not in the vocabulary.

    >>> tokenizer = CharacterTokenizer(["<unk>", "1", "+", "="])
    >>> tokenizer("1+1=?").numpy().tolist()
    [1, 2, 1, 3, 0]
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int] | Sequence[str],
        *,
        unk_token: str = "<unk>",
        pad_token: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        **kwargs,
    ):
        tokens = tokens_in_order(vocabulary)
        named = {"pad": pad_token, "bos": bos_token, "eos": eos_token}
        ids = {
            f"{k}_id": token_index(tokens, f"{k}_token", v) for k, v in named.items()
        }
        unk_id = token_index(tokens, "unk_token", unk_token)
        long = tuple(i for i, t in enumerate(tokens) if len(t) != 1 and i != unk_id)
        super().__init__(
            Vocabulary(tokens, unk_id=unk_id, control_ids=long, **ids),
            surfaces=["\ufffd" if i == unk_id else t for i, t in enumerate(tokens)],
            **kwargs,
        )
        special = {unk_id, *self.special_ids}
        points = sorted((ord(t), i) for i, t in enumerate(tokens) if i not in special)
        with tf.init_scope():
            # the last pair is beyond Unicode, so that searchsorted always finds one
            self._points = tf.constant([p for p, _ in points] + [0x110000])
            self._ids = tf.constant([i for _, i in points] + [unk_id])

    @classmethod
    def train(
        cls,
        files: str | Path | Iterable[str | Path] | None = None,
        *,
        texts: Iterable[str] | None = None,
        max_bytes: int | None = None,
        **kwargs,
    ) -> CharacterTokenizer:
        """Builds the vocabulary of all characters that occur, in code point order.

        Arguments:
            files, texts, max_bytes: see `read_lines`; the newline is always included.

        >>> CharacterTokenizer.train(texts=["ba"]).vocabulary_size
        7
        """
        characters = {"\n"}.union(*read_lines(files, texts, max_bytes))
        named = {f"{k}_token": f"<{k}>" for k in ("pad", "unk", "bos", "eos")}
        return cls([*named.values(), *sorted(characters)], **named, **kwargs)

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        decoded = tf.strings.unicode_decode(text, "UTF-8")
        flat = decoded.flat_values
        found = tf.searchsorted(self._points, flat)
        match = tf.equal(tf.gather(self._points, found), flat)
        return decoded.with_flat_values(
            tf.where(match, tf.gather(self._ids, found), self.unk_id)
        )

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        return self._tokenize(text), *Origin.of(text)

    def _settings(self) -> dict:
        named = {"unk": self.unk_id, "pad": self.pad_id}
        named.update(bos=self.bos_id, eos=self.eos_id)
        return super()._settings() | {
            f"{role}_token": None if index is None else self.id_to_token(index)
            for role, index in named.items()
        }

    def _files(self) -> dict[str, bytes]:
        vocabulary = json.dumps(self._vocabulary.ids, ensure_ascii=False, indent=0)
        return {VOCABULARY_FILE: vocabulary.encode("utf-8", "surrogatepass")}

    @classmethod
    def _from_files(cls, files, **settings) -> CharacterTokenizer:
        return cls(json.loads(files[VOCABULARY_FILE]), **settings)
