"""Text classification: a label, several labels or a number for a text or a pair."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from massivetext_keras import evaluation
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.layers.heads.classification import HEADS
from massivetext_keras.models.bert import BERT
from massivetext_keras.models.word_encoder import WordEncoder
from massivetext_keras.optimization.trackers import mean
from massivetext_keras.runtimes.portable import Head
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.base import FORMATS, LIBRARIES, Task
from massivetext_keras.tasks.classification.encoding import (
    rows_graph,
    singles_and_pairs,
    warn_of_cut,
)
from massivetext_keras.tasks.classification.examples import LabeledTexts
from massivetext_keras.tasks.classification.labelling import LABELLINGS
from massivetext_keras.tasks.classification.labels import Classification
from massivetext_keras.tasks.served import STRING, served
from massivetext_keras.text.examples import LabeledText
from massivetext_keras.text.framing import padded
from massivetext_keras.text.strings import Texts, as_texts

logger = logging.getLogger(__name__)


class TextClassifier(Task):
    """An encoder and a head that says which class a text, or a pair of texts, is of.

    Args:
        config: shape of the model; its `stack` is "encoder" or "word_encoder".
        tokenizer: strings to ids; None for a task on ids alone.
        labels: the classes, in the order of the scores.
        problem: "single_label", "multi_label" (any of the labels, or none) or
            "regression" (a number; there are no labels).
        head: of `layers.heads`: "pooled" (the first token; "pooled_relu" as DistilBERT,
            "pooled_gelu" as ELECTRA), "mean" or "max" (of all tokens), "ends" (what a
            recurrent encoder ends with), "convolution" (Kim, 2014), "lstm" or "gru"
            (both ways; Hochreiter & Schmidhuber, 1997; Cho et al., 2014). None: the
            config's, which is "pooled" of a Transformer.
        head_dropout: rate on what the head makes of a text (None: the config's, or 0.5
            with "convolution", "lstm" and "gru").
        class_weights: of the loss of training examples with one label: "balanced" (all
            classes weigh the same together) or label -> weight (None: all weigh 1).
        r_drop: how much two passes with other dropout shall agree in training: weight
            of their divergence beside the mean of their losses (R-Drop; Liang et al.,
            2021); an update then takes twice the time (0: one pass).
        threshold: probability from which one of several labels is given.
        temperature: divides the logits where probabilities are made of them; see
            `calibrate`.

    Raises:
        ValueError: there are too few labels, a name is unknown, a number out of range,
            or the config does not fit.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> classifier = TextClassifier.from_preset(
    ...     "bert_tiny", tokenizer=ByteTokenizer(), labels=["ham", "spam"]
    ... )
    >>> answer = classifier.classify("You won a prize!")
    >>> answer.label in ("ham", "spam"), round(sum(answer.scores.values()), 4)
    (True, 1.0)
    >>> classifier({"token_ids": [[1, 100, 2]]}).shape
    TensorShape([1, 2])
    """

    backbone_class = (BERT, WordEncoder)
    data: LabeledTexts
    data_class = LabeledTexts
    predicts_tokens = False
    weighs_rows = True
    hugging_face_heads = ("classification", "dense_classification")
    options = (
        "labels",
        "problem",
        "head",
        "head_dropout",
        "class_weights",
        "r_drop",
        "threshold",
        "temperature",
    )

    def __init__(
        self,
        config: ModelConfig,
        tokenizer=None,
        labels: Sequence[str] = (),
        problem: str = "single_label",
        head: str | None = None,
        head_dropout: float | None = None,
        class_weights: str | Mapping[str, float] | None = None,
        r_drop: float = 0.0,
        threshold: float = 0.5,
        temperature: float = 1.0,
        **kwargs,
    ):
        super().__init__(config, tokenizer, **kwargs)
        if temperature <= 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        if config.reads_spelling:
            raise ValueError(
                "a classifier reads words and not their bytes: character_size=0; "
                "features of characters are for a TokenClassifier"
            )
        if r_drop < 0.0:
            raise ValueError(f"r_drop must not be negative, got {r_drop}")
        self.labelling = choose("problem", problem, LABELLINGS)(labels, threshold)
        self.labelling.check_weights(class_weights)
        self.labels, self.problem = self.labelling.labels, problem
        self.head, self.head_dropout = head or config.head, head_dropout
        self.class_weights, self.r_drop = class_weights, r_drop
        self.threshold, self.temperature = threshold, temperature
        self.classifier = choose("head", self.head, HEADS)(
            config,
            self.labelling.size,
            head_dropout,
            dtype=self.dtype_policy,
            name="head",
        )
        self.classifier.build((None, None, config.hidden_size))
        better = "down" if problem == "regression" else "up"
        self.tally_trackers = [mean(self.labelling.tally, better)]

    def save_preset(self, folder, format=FORMATS[0]):
        if library := LIBRARIES.get(format):
            if not self.head.startswith("pooled"):
                raise ValueError(
                    f"no class of {library} has the head {self.head!r}, but 'pooled'"
                )
            if self.temperature != 1.0:
                logger.warning(
                    "%s has no place for a temperature: probabilities are those before "
                    "the calibration",
                    library,
                )
        super().save_preset(folder, format)

    @property
    def segmented(self) -> bool:
        """Whether the model tells the second text of a pair by its segment."""
        return self.config.segment_types > 1

    def heads(self):
        return {"head": self.classifier}

    def portable_head(self):
        settings = {
            "head": self.head,
            "widths": list(getattr(self.classifier, "widths", ())),
            "scores": self.labelling.scored_by,
            "temperature": self.temperature,
        }
        return Head("classification", settings)

    def call(self, inputs, training: bool | None = None) -> tf.Tensor:
        """Features of `BERT` -> float32 logits [batch, labels]; of a regression the
        number, [batch, 1]."""
        if not isinstance(inputs, dict):
            inputs = {"token_ids": inputs}
        ids = tf.convert_to_tensor(inputs["token_ids"])
        mask = inputs.get("padding_mask")
        mask = tf.ones_like(ids) if mask is None else mask
        hidden = self.backbone(inputs, training=training)
        if self.head == "pooled" and self.config.pooler:
            hidden = tf.expand_dims(self.backbone.pooled(hidden), 1)
        return self.classifier(hidden, mask, training=training)

    def summed_loss(self, features, labels, weights, training):
        """Losses of texts; labels are int32 [batch], or float32 [batch, labels] of 0
        and 1, or numbers."""
        logits = self(features, training=training)
        if not (training and self.r_drop):
            return self.losses_of(logits, features, labels, weights)
        again = self(features, training=True)
        apart = self.r_drop * self.labelling.divergence(logits, again)
        both = self.labelling.losses(again, labels) + apart
        rows = 0.5 * (self.labelling.losses(logits, labels) + both)
        return self._summed(rows * weights, logits, labels, weights)

    def losses_of(self, output, features, labels, weights):
        rows = self.labelling.losses(output, labels) * weights
        return self._summed(rows, output, labels, weights)

    def _summed(self, rows, logits, labels, weights):
        tallies = self.labelling.tallies(logits, labels, weights)
        return [tf.reduce_sum(rows)], rows, tf.expand_dims(tallies, 0)

    @property
    def gives_probabilities(self) -> bool:
        return self.problem != "regression"

    def choices(self, output, features):
        """Of several labels, each is there or not."""
        if self.problem == "multi_label":
            return tf.stack([output, tf.zeros_like(output)], axis=-1)
        return output

    def as_labels(self, labels):
        return self.labelling.as_labels(labels)

    def readable_labels(self, labels: Any) -> Any:
        """Names of labels in memory as one string for each row; numbers stay."""
        return self.labelling.joined_names(labels)

    @served("classify", "serving_default", text=STRING)
    def texts_graph(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """`classify` (text -> labels, scores, classes).

        `labels` is string [n]; several are joined by "|", and of a regression it is the
        number. `scores` is float32 [n, classes], and `classes`, string [n, classes],
        says whose they are. Python also gets `_logits`, and in `_cut` which texts are
        too long.
        """
        return self._graph(texts, None)

    @served("classify_pairs", text=STRING, second=STRING)
    def pairs_graph(self, texts: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
        """`classify_pairs` (text, second -> the same as `classify`)."""
        return self._graph(texts, second)

    def _graph(self, texts, second) -> dict[str, tf.Tensor]:
        length = self.config.max_length
        ids, segments, cut = rows_graph(self.tokenizer, length, texts, second)
        features = padded(self.tokenizer, ids)
        if second is not None and self.segmented:
            shape = tf.shape(features["token_ids"], ids.row_splits.dtype)
            features["segment_ids"] = segments.to_tensor(0, shape=shape)
        with in_float32(self):
            logits = self(features)
        scores = self.labelling.scores(logits, self.temperature)
        classes = tf.constant(self.labels or ("",))[None]
        return {
            "labels": self.labelling.names(scores),
            "scores": scores,
            "classes": tf.tile(classes, [tf.shape(scores)[0], 1]),
            "_logits": logits,
            "_cut": cut,
        }

    def logits_of(
        self, examples: Sequence[LabeledText], progress: bool = False
    ) -> np.ndarray:
        """Scores before they are probabilities, computed in float32.

        Args:
            examples: their labels are not read.
            progress: show a bar.

        Returns:
            float32 [examples, labels].
        """
        logits, cut = np.zeros([len(examples), self.labelling.size], np.float32), 0
        with tqdm(total=len(examples), unit="text", disable=not progress) as bar:
            for places, columns in singles_and_pairs(examples):
                graph = self.texts_graph if len(columns) == 1 else self.pairs_graph
                found = graph.rows(*columns, bar=bar)
                logits[places], cut = found["_logits"], cut + int(found["_cut"].sum())
        warn_of_cut(cut, len(examples), self.config.max_length)
        return logits

    def answers(self, examples: Sequence[LabeledText], progress: bool = False) -> list:
        """What `classify` says of examples, whose labels are not read."""
        self.need_tokenizer()
        if not examples:
            return []
        logits = self.logits_of(examples, progress)
        scores = self.labelling.scores(tf.constant(logits), self.temperature).numpy()
        return [self.labelling.answer(row) for row in scores]

    @overload
    def classify(
        self, texts: str, second: str | None = None
    ) -> Classification | float: ...
    @overload
    def classify(
        self, texts: Texts, second: Texts | None = None
    ) -> list[Classification] | list[float]: ...
    def classify(
        self,
        texts: Texts,
        second: Texts | None = None,
    ) -> Classification | float | list[Classification] | list[float]:
        """Says what texts, or pairs of texts, are.

        Args:
            texts: one text or several; of one that is too long, the beginning counts.
            second: the second text of each pair, one or as many.

        Returns:
            A `Classification` for a text, a list for a list; numbers of a regression.

        Raises:
            ValueError: there is no tokenizer, or not as many texts on both sides.
        """
        texts, one = as_texts("text", texts)
        if second is None:
            second = [None] * len(texts)
        else:
            second, _ = as_texts("second text", second)
        if len(second) != len(texts):
            raise ValueError(f"{len(texts)} texts, but {len(second)} second ones")
        pairs = zip(texts, second, strict=True)
        answers = self.answers([LabeledText(a, None, b) for a, b in pairs])
        return answers[0] if one else answers

    def pictures(self, examples, predictions) -> dict[str, np.ndarray]:
        """See `LabeledTexts.pictures`."""
        return self.data.pictures(examples, predictions)

    def calibrate(self, examples: Any) -> float:
        """Sets the temperature such that probabilities fit (Guo et al., 2017).

        It is the one that makes the labels of these examples most likely. No answer
        changes, but its probability.

        Args:
            examples: labelled, and not those of training; or files of such.

        Returns:
            The temperature.

        Raises:
            ValueError: there is none to use, or the task has no probabilities.
        """
        if self.problem == "regression":
            raise ValueError("a regression has no probabilities to calibrate")
        kept, targets = self.labelling.targets(self.examples_of(examples))
        self.temperature = evaluation.fit_temperature(self.logits_of(kept), targets)
        return self.temperature
