"""Strings to the features of a model, as a layer of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.configs import (
    RecurrentConfig,
    RecurrentSeq2SeqConfig,
    TransformerConfig,
    WordEncoderConfig,
)
from massivetext_keras.tasks.classification.encoding import rows_graph
from massivetext_keras.text.framing import max_text_tokens, padded, utf8
from massivetext_keras.tokenizers import Tokenizer
from massivetext_keras.tokenizers.base import valid_utf8
from massivetext_keras.tokenizers.parts.rewriting import rewrite

_CONFIGS = TransformerConfig, RecurrentConfig, RecurrentSeq2SeqConfig, WordEncoderConfig
STACKS = tuple(x for config in _CONFIGS for x in config.stacks)
_ENCODERS = ("encoder", *WordEncoderConfig.stacks)
_ENCODER_DECODERS = tuple(x for config in _CONFIGS for x in config.encoder_decoders)
_FEWEST_TOKENS = 16


@keras.saving.register_keras_serializable("massivetext_keras")
class Preprocessor(keras.layers.Layer):
    """Texts to padded features: in `tf.data`'s `map`, in a functional model, exported.

    Args:
        tokenizer: strings to ids.
        stack: of the model that reads them, as its config says.
        sequence_length: tokens of every row; what does not fit is cut. None: as many as
            the longest of the batch needs, rounded up to a power of two, so that there
            are few shapes.
        max_length: bound of a row where `sequence_length` is None.
        segmented: whether the model tells the second text of a pair by its segment.
        prefix: put before every text that an encoder-decoder reads.
        lowercase: read texts in lower case.
        start_id: what a decoder of an encoder-decoder reads first.

    Raises:
        ValueError: the stack is unknown, or a length has no room for a token.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> preprocessor = Preprocessor(ByteTokenizer(), sequence_length=5)
    >>> features = preprocessor(["ab", "c"])
    >>> features["token_ids"].numpy().tolist()
    [[1, 100, 101, 2, 0], [1, 102, 2, 0, 0]]
    >>> features["padding_mask"].numpy().tolist()
    [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stack: str = "encoder",
        sequence_length: int | None = None,
        max_length: int = 512,
        segmented: bool = False,
        prefix: str = "",
        start_id: int = 0,
        lowercase: bool = False,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        if stack not in STACKS:
            raise ValueError(f"stack must be one of {', '.join(STACKS)}, got {stack!r}")
        longest = sequence_length or max_length
        if max_text_tokens(tokenizer, longest) < 1:
            raise ValueError(f"a row of {longest} tokens has no room for text")
        self.tokenizer, self.stack = tokenizer, stack
        self.sequence_length, self.max_length = sequence_length, max_length
        self.segmented, self.prefix, self.start_id = segmented, prefix, start_id
        self.lowercase = lowercase
        self.built = True

    def call(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Texts, or two for each row, to features.

        Args:
            inputs: strings [batch]; or a pair of such, as a tuple or as a dict (`text`
                and `second`; `source` and `target`): two texts of one row, or what an
                encoder and a decoder read.

        Returns:
            int32 [batch, length]: `token_ids` and `padding_mask`, for pairs of a
            segmented encoder `segment_ids`; of an encoder-decoder
            `encoder_token_ids`, `encoder_padding_mask`, `decoder_token_ids` and
            `decoder_padding_mask`, of which the decoder's are the start alone where
            there is no target.
        """
        first, second = _two(inputs)
        if self.lowercase:
            first, second = (
                x if x is None else rewrite(x, [["lowercase"]]) for x in (first, second)
            )
        if self.stack in _ENCODER_DECODERS:
            features, target, mask = self.pair(first, second)
            starts = tf.fill([tf.shape(mask)[0], 1], self.start_id)
            shifted = tf.concat([starts, target[:, :-1]], axis=1)
            return {
                **features,
                "decoder_token_ids": shifted,
                "decoder_padding_mask": mask,
            }
        if self.stack not in _ENCODERS:
            return self._padded(self._opened(first)[:, : self._longest])
        ids, segments, _ = rows_graph(self.tokenizer, self._longest, first, second)
        features = self._padded(ids)
        if second is not None and self.segmented:
            shape = tf.shape(features["token_ids"], ids.row_splits.dtype)
            features["segment_ids"] = segments.to_tensor(0, shape=shape)
        return features

    def documents(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Whole texts with what opens and ends them, one token more than a row has.

        Args:
            texts: string [batch].

        Returns:
            ids and mask, int32 [batch, length + 1].
        """
        ids, end = self._opened(texts), self.tokenizer.eos_id
        if end is not None:
            ends = tf.fill([ids.nrows(), 1], tf.constant(end, ids.dtype))
            ids = tf.concat([ids, ends], axis=1)
        rows = self._padded(ids[:, : self._longest + 1], more=1)
        return rows["token_ids"], rows["padding_mask"]

    def pair(self, sources: tf.Tensor, targets: tf.Tensor | None) -> tuple:
        """What an encoder reads of sources, and the ids and mask of targets; of none,
        those of one empty place."""
        longest = self._longest
        if self.prefix:
            sources = tf.strings.join([self.prefix, sources])
        ids = data.enclosed(self.tokenizer, self.tokenizer.tokenize(sources), longest)
        read = {f"encoder_{k}": x for k, x in self._padded(ids).items()}
        if targets is None:
            ones = tf.ones([ids.nrows(), 1], tf.int32)
            return read, tf.zeros_like(ones), ones
        side = self.tokenizer.target_side()
        ids = data.enclosed(self.tokenizer, side.tokenize(targets), longest)
        rows = self._padded(ids)
        return read, rows["token_ids"], rows["padding_mask"]

    def _opened(self, texts: tf.Tensor) -> tf.RaggedTensor:
        ids = self.tokenizer.tokenize(texts)
        if not self.tokenizer.add_bos:
            return ids
        opening = tf.constant(self.tokenizer.bos_id, ids.dtype)
        return tf.concat([tf.fill([ids.nrows(), 1], opening), ids], axis=1)

    @property
    def _longest(self) -> int:
        return self.sequence_length or self.max_length

    def _padded(self, ids: tf.RaggedTensor, more: int = 0) -> dict[str, tf.Tensor]:
        length = self.sequence_length
        if length is None:
            needed = tf.cast(ids.bounding_shape()[1], tf.int32) - more
            length = self.max_length
            powers: list[int] = []
            while length > _FEWEST_TOKENS:
                length = 1 << (length - 1).bit_length() - 1
                powers.insert(0, length)
            widths = tf.constant([*powers, self.max_length])
            length = widths[tf.searchsorted(widths, needed[None])[0]]
        features = padded(self.tokenizer, ids, length + more)
        if self.sequence_length is not None:
            shape = [None, self.sequence_length + more]
            features = {k: tf.ensure_shape(x, shape) for k, x in features.items()}
        return features

    def compute_output_spec(self, inputs) -> dict[str, keras.KerasTensor]:
        first, second = _two(inputs, symbolic=True)
        length = self.sequence_length
        sides = {"": length}
        if self.stack in _ENCODER_DECODERS:
            target = 1 if second is None else length
            sides = {"encoder_": length, "decoder_": target}
        names = ["token_ids", "padding_mask"]
        if second is not None and self.segmented and self.stack in _ENCODERS:
            names.append("segment_ids")
        return {
            side + name: keras.KerasTensor((first.shape[0], width), "int32")
            for side, width in sides.items()
            for name in names
        }

    def get_config(self):
        own = ("stack", "sequence_length", "max_length", "segmented", "prefix")
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            **{name: getattr(self, name) for name in (*own, "start_id", "lowercase")},
        }

    @classmethod
    def from_config(cls, config):
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})


def _two(inputs: Any, symbolic: bool = False) -> tuple:
    """The first texts and the second ones, or None."""
    if isinstance(inputs, Mapping):
        inputs = tuple(inputs.values())
    texts = inputs if isinstance(inputs, tuple) else (inputs,)
    if len(texts) > 2:
        raise ValueError(f"one text or two make a row, got {len(texts)}")
    if not symbolic:
        texts = tuple(map(_strings, texts))
    return texts if len(texts) == 2 else (*texts, None)


def _strings(texts: Any) -> tf.Tensor:
    """string [batch], valid UTF-8."""
    if not isinstance(texts, tf.Tensor):
        texts = [utf8(x) if isinstance(x, str) else x for x in texts]
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank == 2:  # Keras gives each row an axis
        texts = tf.squeeze(texts, 1)
    return valid_utf8(texts)
