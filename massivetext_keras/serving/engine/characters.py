"""The characters that new tokens add to a text, none of them cut in two."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.stop_strings import REPLACEMENT
from massivetext_keras.generation.texts import Prompts

_READ_AGAIN, _KEPT = 64, 16  # tokens


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
        return _Whole(self._text_of, prompt)

    def has_text(self, index: int) -> bool:
        """Whether an id stands for text."""
        return index < self.tokenizer.vocabulary_size and index not in self.special

    def _text_of(self, prompt: Sequence[int], new: Sequence[int]) -> str:
        rows = (np.asarray(ids, np.int32) for ids in (prompt, new))
        return self._read(*rows).numpy().decode()

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
    """Of another tokenizer: the end of the text is made anew each time, behind as many
    tokens before it as may say how it reads."""

    def __init__(
        self,
        text_of: Callable[[Sequence[int], Sequence[int]], str],
        prompt: Sequence[int],
    ):
        self.text_of, self.before = text_of, [*prompt]
        self.token_ids: list[int] = []
        self.size = 0  # characters that were given

    def of(self, token_ids: Sequence[int]) -> list[str]:
        self.token_ids += token_ids
        return [""] * (len(token_ids) - 1) + [self._new(REPLACEMENT)]

    def rest(self) -> str:
        return self._new("")

    def _new(self, open_end: str) -> str:
        whole = self.text_of(self.before, self.token_ids)
        text = whole.rstrip(open_end)
        new, self.size = text[self.size :], max(self.size, len(text))
        if len(self.token_ids) > _READ_AGAIN:
            self._forget(whole)
        return new

    def _forget(self, whole: str) -> None:
        """Lets the first tokens go, if the last ones read the same without them."""
        head, tail = self.token_ids[:-_KEPT], self.token_ids[-_KEPT:]
        before = [*self.before, *head][-_KEPT:]
        end = self.text_of(before, tail)
        dropped = len(whole) - len(end)
        if whole.endswith(end) and dropped <= self.size:
            self.before, self.token_ids = before, tail
            self.size -= dropped


class Told:
    """Of a graph that says the text so far: what is new of it comes with the last of
    some tokens.

    Attributes:
        text: so far, without a character that may not be whole.

    >>> characters = Told()
    >>> characters.text = "ab"
    >>> characters.of([5, 6, 7]), characters.rest()
    (['', '', 'ab'], '')
    """

    def __init__(self) -> None:
        self.text, self._size = "", 0

    def of(self, token_ids: Sequence[int]) -> list[str]:
        new, self._size = self.text[self._size :], max(self._size, len(self.text))
        return [""] * (len(token_ids) - 1) + [new]

    def rest(self) -> str:
        return ""
