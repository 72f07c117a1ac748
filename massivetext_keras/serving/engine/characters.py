"""The characters that new tokens add to a text, none of them cut in two."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.stop_strings import REPLACEMENT
from massivetext_keras.generation.texts import Prompts


class Characters(Protocol):
    """What reads as new behind a prompt, token by token."""

    def of(self, token_ids: Sequence[int]) -> list[str]:
        """What each of the next tokens completes."""

    def rest(self) -> str:
        """What is there of a character that is not complete when the text ends."""


class Vocabulary:
    """Makes `Characters` of what is written behind prompts.

    Args:
        tokenizer: ids to strings.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> vocabulary = Vocabulary(ByteTokenizer())
    >>> vocabulary.behind([68]).of([3 + byte for byte in "aé".encode()])
    ['a', '', 'é']
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.texts = tokenizer.token_texts()
        self.first_texts = tokenizer.token_texts(first=True)
        self.special = {*tokenizer.special_ids}
        ids = tf.TensorSpec([None], tf.int32)
        self._read = tf.function(self._continued, [ids, ids], autograph=False)

    def behind(self, prompt: Sequence[int]) -> Characters:
        """What will stand behind a prompt."""
        if self.texts is not None:
            return _Sum(self, any(map(self.has_text, prompt)))
        ids = np.asarray(prompt, np.int32)
        return _Whole(lambda new: self._read(ids, new).numpy().decode())

    def has_text(self, index: int) -> bool:
        """Whether an id stands for text."""
        return index < self.tokenizer.vocabulary_size and index not in self.special

    def _continued(self, prompt: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        prompt, new = (tf.RaggedTensor.from_tensor(x[None]) for x in (prompt, new))
        prompts = Prompts(prompt, self.tokenizer.detokenize(prompt))
        return prompts.continued(self.tokenizer, new)[0]


class _Sum:
    """Of a tokenizer whose texts are the sums of their tokens."""

    def __init__(self, vocabulary: Vocabulary, begun: bool):
        self.vocabulary, self.begun = vocabulary, begun
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def of(self, token_ids: Sequence[int]) -> list[str]:
        return [self._decoder.decode(self._text(index)) for index in token_ids]

    def rest(self) -> str:
        return self._decoder.decode(b"", final=True)

    def _text(self, index: int) -> bytes:
        known = self.vocabulary
        if not known.has_text(index):
            return b""
        texts = known.texts if self.begun else known.first_texts
        self.begun = True
        return texts[index]


class _Whole:
    """Of another tokenizer: the whole text is made anew each time."""

    def __init__(self, text_of: Callable[[np.ndarray], str]):
        self.text_of = text_of
        self.token_ids: list[int] = []
        self.size = 0  # characters that were given

    def of(self, token_ids: Sequence[int]) -> list[str]:
        self.token_ids += token_ids
        new = self._new(REPLACEMENT)
        return [""] * (len(token_ids) - 1) + [new]

    def rest(self) -> str:
        return self._new("")

    def _new(self, open_end: str) -> str:
        text = self.text_of(np.asarray(self.token_ids, np.int32)).rstrip(open_end)
        new, self.size = text[self.size :], max(self.size, len(text))
        return new
