"""A text for a text in one graph: tokenize, encode, decode, detokenize."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.generation.beam import BeamDecoder, BeamRules
from massivetext_keras.generation.decoding import Decoder, written
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.sampling import SamplingTensors
from massivetext_keras.layers.capacity import power_of_two

_FEWEST_KEYS = 32


class IdsToIds:
    """Answers rows of ids with an encoder-decoder.

    Args:
        decoder: writes ids with a `Seq2Seq`.
        start_id: what the decoder reads first.
    """

    def __init__(self, decoder: Decoder | BeamDecoder, start_id: int):
        self.decoder: Any = decoder  # that of `sampled`, or that of `searched`
        self.start_id = start_id
        rows = tf.RaggedTensorSpec([None, None], tf.int32)
        self.sample, self.search = _graphs(self, rows)

    def sampled(
        self,
        sources: tf.RaggedTensor,
        rows: tf.Tensor,
        max_new_tokens: tf.Tensor,
        sampling: SamplingTensors,
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """One answer to each source, written token by token, inside a graph.

        Args:
            sources: int32 [batch, (length)], no row empty nor longer than the context.
            rows: int32 [batch], the stream of random numbers of each row.
            max_new_tokens: int32 scalar, at least 1.
            sampling: how tokens are chosen.

        Returns:
            int32 [batch, (length)], and how sure the tokens were: `State.lead`, float32
            [batch].
        """
        state = self.decoder.start(
            *self._begin(sources, max_new_tokens), sampling, rows, self._read(sources)
        )
        state = self.decoder.decode(state, sampling, max_new_tokens)
        batch = sources.nrows()
        return written(state, batch, max_new_tokens), state.lead[:batch]

    def searched(
        self, sources: tf.RaggedTensor, max_new_tokens: tf.Tensor, rules: BeamRules
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """The best answers to each source that beam search finds: see `BeamDecoder`."""
        return self.decoder.search(
            *self._begin(sources, max_new_tokens), rules, self._read(sources)
        )

    def _begin(self, sources, max_new_tokens) -> tuple:
        starts = tf.fill([sources.nrows(), 1], self.start_id)
        return tf.RaggedTensor.from_tensor(starts), max_new_tokens

    def _read(self, sources: tf.RaggedTensor) -> tuple:
        """The keys and values of the sources and their mask, of a bucket's width."""
        model = self.decoder.model
        longest = tf.cast(sources.bounding_shape()[1], tf.int32)
        width = power_of_two(tf.maximum(longest, _FEWEST_KEYS))
        width = tf.maximum(longest, tf.minimum(width, model.config.max_length))
        mask = tf.sequence_mask(sources.row_lengths(), width, tf.int32)
        token_ids = tf.pad(sources.to_tensor(), [[0, 0], [0, width - longest]])
        with in_float32(model):
            return model.encode(token_ids, mask), mask


class TextToText:
    """Answers texts with an encoder-decoder.

    Args:
        tokenizer: strings to ids and back, of both texts.
        answers: ids to ids.
    """

    def __init__(self, tokenizer, answers: IdsToIds):
        self.tokenizer, self.answers = tokenizer, answers
        texts = tf.TensorSpec([None], tf.string, "text")
        self.sample, self.search = _graphs(self, texts)

    def sampled(self, texts, rows, max_new_tokens, sampling: SamplingTensors) -> tuple:
        """String [batch] -> string [batch] and float32 [batch], inside a graph: see
        `IdsToIds.sampled`."""
        sources = self._ids(texts)
        ids, lead = self.answers.sampled(sources, rows, max_new_tokens, sampling)
        return self.tokenizer.detokenize(ids), lead

    def searched(self, texts, max_new_tokens, rules: BeamRules) -> tuple:
        """String [batch] -> the best answers, string [batch, beams], and their scores,
        float32, inside a graph."""
        ids = self._ids(texts)
        ids, scores = self.answers.searched(ids, max_new_tokens, rules)
        return tf.reshape(self.tokenizer.detokenize(ids), tf.shape(scores)), scores

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """A text that is longer than the context keeps its beginning."""
        ids = self.tokenizer.tokenize(texts)
        room = self.answers.decoder.model.config.max_length
        return data.enclosed(self.tokenizer, ids, room)


def is_blank(texts: tf.Tensor) -> tf.Tensor:
    """Which texts have nothing to be answered, bool [batch].

    >>> is_blank(tf.constant(["", " \\t", " a"])).numpy().tolist()
    [True, True, False]
    """
    return tf.strings.regex_full_match(texts, r"[\s\pZ\x{85}\x1c-\x1f\x0b]*")


def _graphs(answers: IdsToIds | TextToText, sources) -> tuple:
    """`sampled` and `searched` as graphs for sources of any number and length."""
    limit = tf.TensorSpec([], tf.int32, "max_new_tokens")
    rows = tf.TensorSpec([None], tf.int32, "rows")
    sampled = [sources, rows, limit, SamplingTensors.spec()]
    searched = [sources, limit, BeamRules.spec()]
    return (
        tf.function(answers.sampled, input_signature=sampled, autograph=False),
        tf.function(answers.searched, input_signature=searched, autograph=False),
    )
