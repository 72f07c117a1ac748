"""Tagging: entities in a text, or the roles of a predicate, as spans of characters."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import overload

import tensorflow as tf

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.decoding import lead_of
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.heads.crf import CRF
from massivetext_keras.models.bert import BERT
from massivetext_keras.models.word_encoder import WordEncoder
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.tasks.base import FORMATS, LIBRARIES, Task
from massivetext_keras.tasks.served import NUMBERS, SAMPLES, STRING, Check, served
from massivetext_keras.tasks.tagging.decoding import TagSet
from massivetext_keras.tasks.tagging.encoding import tagged_rows
from massivetext_keras.tasks.tagging.examples import TaggedTexts
from massivetext_keras.tasks.tagging.records import tags_of_words
from massivetext_keras.text.examples import Span
from massivetext_keras.text.framing import padded
from massivetext_keras.text.strings import Texts, as_texts
from massivetext_keras.tokenizers.base import valid_utf8

logger = logging.getLogger(__name__)

_WINDOWS_AT_ONCE = 32

Predicates = tuple[int, int] | Sequence[tuple[int, int]] | None


class TokenClassifier(Task):
    """An encoder that tags words, and spans of characters out of the tags.

    A text is cut into words in the graph, the same way for training and in use, and
    each word has its tag at its first token (Devlin et al., 2019). Spans are of
    characters: wherever people cut their words, an example is a text and places in it.

    Args:
        config: shape of the model; its `stack` is "encoder" or "word_encoder".
        tokenizer: strings to ids; None for a task on ids alone.
        labels: of the spans.
        scheme: of the tags: "BIO", or "BIOES", which also tells where spans end.
        crf: whether the tags of a text are a linear chain (Lample et al., 2016), or
            each is found for itself (None: as the config says; of a Transformer the
            latter).
        predicate: whether the spans are the roles of a predicate in the text (He et
            al., 2017; Shi and Lin, 2019), whose tokens are of the second segment.

    Raises:
        ValueError: there are no labels, one occurs twice, the scheme is unknown, or the
            config does not fit.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> tagger = TokenClassifier.from_preset(
    ...     "bert_tiny", tokenizer=ByteTokenizer(), labels=["PER", "LOC"]
    ... )
    >>> tagger({"token_ids": [[1, 100, 2]]}).shape
    TensorShape([1, 3, 5])
    >>> spans = tagger.tag("Angela Merkel visited Paris")
    >>> all(x.text == "Angela Merkel visited Paris"[x.start : x.end] for x in spans)
    True
    """

    backbone_class = (BERT, WordEncoder)
    data_class = TaggedTexts
    hugging_face_heads = ("token_classification",)
    predicts_tokens = False
    options = ("labels", "scheme", "crf", "predicate")

    def __init__(
        self,
        config: ModelConfig,
        tokenizer=None,
        labels: Sequence[str] = (),
        scheme: str = "BIO",
        crf: bool | None = None,
        predicate: bool = False,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        self.labels, self.scheme = tuple(labels), scheme
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels must be some, each once, got {list(labels)}")
        if predicate and config.segment_types < 2:
            raise ValueError("a predicate needs a config with segment_types=2")
        self.predicate = predicate
        self.tag_set = TagSet(self.labels, scheme)
        tags = len(self.tag_set.names)
        self.dropout = Dropout(config.dropout, name="head_dropout")
        self.dropout.build((None, None, config.hidden_size))
        self.head = Dense(tags, dtype=self.dtype_policy, name="head")
        self.head.build((None, None, config.hidden_size))
        self.crf, self.chain = config.crf if crf is None else bool(crf), None
        if self.crf:
            self.chain = CRF(tags, self.tag_set.allowed(), name="crf")

    def save_preset(self, folder, format=FORMATS[0]):
        if library := LIBRARIES.get(format):
            if self.crf:
                raise ValueError(f"no class of {library} has a chain of tags: crf")
            if self.predicate:
                logger.warning(
                    "%s has no place for what the second segment means, the predicate",
                    library,
                )
        super().save_preset(folder, format)

    def heads(self):
        heads = {"head": self.head}
        if self.chain is not None:
            heads["head/crf"] = self.chain
        return heads

    def portable_head(self):
        return Head("tokens", {"tags": list(self.tag_set.names), "crf": self.crf})

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 logits [batch, length, tags]."""
        hidden = self.backbone(inputs, training=training)
        hidden = self.dropout(hidden, training=training)
        return tf.cast(self.head(hidden), tf.float32)

    def summed_loss(self, features, labels, weights, training):
        """Negative log-probabilities of the tags where they have a weight: of each for
        itself, or of all of a row as a chain."""
        output = self(features, training=training)
        return self.losses_of(output, features, labels, weights)

    def losses_of(self, output, features, labels, weights):
        if self.chain is not None:
            rows = -self.chain.log_likelihood(output, labels, weights > 0.0)
        else:
            losses = token_losses(output, labels) * weights
            rows = tf.reduce_sum(losses, axis=1)
        return [tf.reduce_sum(rows)], rows

    @overload
    def tag(self, texts: str, predicate: Predicates = None) -> list[Span]: ...
    @overload
    def tag(self, texts: Texts, predicate: Predicates = None) -> list[list[Span]]: ...
    def tag(
        self, texts: Texts, predicate: Predicates = None
    ) -> list[Span] | list[list[Span]]:
        """The spans of texts, computed in float32.

        Args:
            texts: one text or several, of any length: long ones are read in windows
                that overlap. A list of words is for `tag_words`.
            predicate: (start, end) of the predicate in the text, in characters, or one
                for each text; for a task of predicates.

        Returns:
            `Span`s of a text, in their order, with `text[start:end] == span.text`; a
            list of such for a list. The score of a span is the mean of its words'
            probabilities: of a CRF, their marginal ones.

        Raises:
            ValueError: there is no tokenizer; or predicates are missing, too many, or
                not in their texts.
        """
        self.need_tokenizer()
        texts, one = as_texts("text", texts)
        places = self._predicates([predicate] if one else predicate, texts)
        if not texts:
            return []
        if self.predicate:
            found = self.roles_graph.rows(texts, *zip(*places, strict=True))
        else:
            found = self.tag_graph.rows(texts)
        names = "starts", "ends", "labels", "scores"
        spans = [
            [
                Span(text[a:b], label.decode(), int(a), int(b), float(score))
                for a, b, label, score in zip(*row, strict=True)
                if a >= 0
            ]
            for text, *row in zip(texts, *(found[name] for name in names), strict=True)
        ]
        return spans[0] if one else spans

    def tag_words(self, words, predicate=None) -> list[str] | list[list[str]]:
        """The tags of words that are given; see `records.tags_of_words`."""
        return tags_of_words(self, words, predicate)

    def _predicates(self, predicates, texts: Sequence[str]) -> list[tuple[int, int]]:
        given = [x for x in predicates or () if x is not None]
        if not self.predicate:
            if given:
                raise ValueError("this task has no predicates: predicate=False")
            return [(0, 0)] * len(texts)
        if len(given) != len(texts):
            raise ValueError(
                f"{len(given)} predicates for {len(texts)} texts: this task labels the "
                "roles of one predicate, (start, end), in each"
            )
        for (start, end), text in zip(given, texts, strict=True):
            if not 0 <= start < end <= len(text):
                raise ValueError(
                    f"predicate ({start}, {end}) is not in a text of {len(text)} "
                    "characters"
                )
        return given

    @served("tag", "serving_default", text=STRING, when=lambda task: not task.predicate)
    def tag_graph(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """`tag` (text -> texts, labels, starts, ends, scores, counts).

        A row for each text, padded with "" and -1; `counts`, int32 [n], says how many
        spans it has.
        """
        return self._spans(texts, None)

    @served(
        "tag",
        "serving_default",
        text=STRING,
        start=NUMBERS,
        end=NUMBERS,
        checks=lambda task: task._checks(),
        when=lambda task: task.predicate,
    )
    def roles_graph(
        self, texts: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """`tag` (text, start, end -> as without a predicate): the roles of what stands
        there in the text."""
        places = tf.stack([starts, ends], axis=1)
        size = tf.strings.length(valid_utf8(texts), unit="UTF8_CHAR")[:, None]
        inside = (places >= 0) & (places <= size) & (places[:, :1] < places[:, 1:])
        wanted = "start and end must be those of a part of the text"
        return self._spans(texts, checked(places, inside, wanted))

    def _checks(self) -> list[Check]:
        texts = [text for text in SAMPLES if text]
        places = {"start": [0] * len(texts), "end": [3] * len(texts)}
        return [({"text": texts, **places}, None)]

    def _spans(self, texts: tf.Tensor, predicates: tf.Tensor | None) -> dict:
        rows, tags, probabilities = self.tagged(texts, predicates)
        lead = lead_of(tags.flat_values, probabilities.flat_values)
        lead /= tf.reduce_max(probabilities.flat_values, axis=-1)
        of_tags = tf.gather(probabilities.flat_values, tags.flat_values, batch_dims=1)
        of_tags = tags.with_flat_values(of_tags)
        sure = tags.with_flat_values(lead)  # below 0 where the chain takes another
        if self.predicate:  # far away from it there are no roles
            tags = tags.with_flat_values(tags.flat_values * rows.sees.flat_values)
        found = self.tag_set.spans(tags, of_tags, rows.starts, rows.ends)
        starts, ends, labels, scores = found
        parts = tf.strings.substr(
            tf.gather(valid_utf8(texts), starts.value_rowids()),
            starts.flat_values,
            ends.flat_values - starts.flat_values,
            unit="UTF8_CHAR",
        )
        names = tf.gather(tf.constant(self.labels), labels.flat_values)
        return {
            "texts": starts.with_flat_values(parts).to_tensor(""),
            "labels": starts.with_flat_values(names).to_tensor(""),
            "starts": starts.to_tensor(-1),
            "ends": ends.to_tensor(-1),
            "scores": scores.to_tensor(0.0),
            "counts": tf.cast(starts.row_lengths(), tf.int32),
            "_lead": tf.reduce_min(sure, axis=1),
        }

    def tagged(self, texts: tf.Tensor, predicates: tf.Tensor | None) -> tuple:
        """The rows of texts, and what `_decoded` gives for them, inside a graph."""
        length = self.config.max_length
        asked = predicates if self.predicate else None
        rows = tagged_rows(self.tokenizer, valid_utf8(texts), length, asked)
        return rows, *self._decoded(self._emissions(rows), rows)

    def _emissions(self, rows) -> tf.Tensor:
        """Logits of all words, one after another, float32 [words, tags]."""
        features = padded(self.tokenizer, rows.token_ids)
        shape = tf.shape(features["token_ids"])
        if self.predicate:
            features["segment_ids"] = rows.segment_ids.to_tensor(shape=shape)
        # Windows in parts of about one size, which memory has room for.
        parts = tf.maximum(-(-shape[0] // _WINDOWS_AT_ONCE), 1)
        size = -(-shape[0] // parts)
        more = parts * size - shape[0]

        def cut(x):
            x = tf.pad(x, [[0, more], [0, 0]])
            return tf.reshape(x, tf.stack([parts, size, shape[1]]))

        with in_float32(self):
            logits = tf.map_fn(
                self.__call__,
                {name: cut(x) for name, x in features.items()},
                fn_output_signature=tf.float32,
            )
        logits = tf.reshape(logits, tf.stack([-1, shape[1], logits.shape[-1]]))
        places = rows.places
        at = tf.stack(
            [tf.cast(places.value_rowids(), tf.int32), places.flat_values], axis=1
        )
        return tf.gather_nd(logits, at)

    def _decoded(self, emissions: tf.Tensor, rows) -> tuple:
        """Tags, int32, and the probabilities of all, float32, [n, (words)]."""
        if self.chain is None:
            probabilities = tf.nn.softmax(emissions)
            tags = tf.argmax(emissions, axis=-1, output_type=tf.int32)
        else:
            by_text = tf.RaggedTensor.from_row_splits(
                emissions, rows.starts.row_splits, validate=False
            )
            dense = by_text.to_tensor(shape=[None, None, emissions.shape[-1]])
            mask = tf.ones_like(rows.starts).to_tensor()
            real = tf.where(mask > 0)
            tags = tf.gather_nd(self.chain.decode(dense, mask), real)
            probabilities = tf.gather_nd(self.chain.marginals(dense, mask), real)
        return tuple(rows.starts.with_flat_values(x) for x in (tags, probabilities))
