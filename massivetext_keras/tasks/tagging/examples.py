"""What a `TokenClassifier` learns from: texts, and the spans of characters in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras import data, evaluation
from massivetext_keras.support.tags import tags_of_spans
from massivetext_keras.support.threads import made_once
from massivetext_keras.support.values import nearest
from massivetext_keras.tasks.examples import EMPTY, Examples, in_parts
from massivetext_keras.tasks.tagging.encoding import tagged_rows
from massivetext_keras.tasks.tagging.records import spans_in, tagged_text
from massivetext_keras.text.examples import TaggedText
from massivetext_keras.text.framing import utf8

logger = logging.getLogger(__name__)

_TEXTS_AT_ONCE = 256  # encoded together


class TaggedTexts(Examples):
    """Texts with the entities in them, or with the roles of a predicate."""

    fields = ("text", "entities", "words", "tags", "predicate")

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> TaggedText:
        """A `TaggedText` of `text` and, if known, `entities`, [start, end, label] each
        in characters, `words` and `predicate`; or of `words` as strings and `tags`."""
        return tagged_text(fields)

    @classmethod
    def noted_example(
        cls, fields: Mapping[str, Any], note: Callable[[str], None]
    ) -> TaggedText:
        example = tagged_text(fields)
        if not example.text.strip():
            note(EMPTY)
        return example

    @classmethod
    def options_for(cls, examples: Sequence[TaggedText]) -> dict[str, Any]:
        """The labels of the spans, sorted, and whether they are of predicates."""
        labels = {span.label for x in examples for span in x.spans or ()}
        if not labels:
            raise ValueError("no example has entities or tags to learn")
        predicate = any(x.predicate is not None for x in examples)
        return {"labels": sorted(labels), "predicate": predicate}

    def batches(
        self,
        examples: Sequence[TaggedText],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        """Windows of words, each with its tag."""
        tokenizer = self.task.need_tokenizer()
        length = self.task.within_context("max_length", how.length)
        known = [x for x in examples if x.spans is not None]
        if not known:
            raise ValueError("there are no examples with spans to learn from")
        self._check(known, training)
        rows: dict[str, list] = {"ids": [], "marks": [], "tags": [], "weights": []}
        for first in range(0, len(known), _TEXTS_AT_ONCE):
            for name, some in self._rows(
                known[first : first + _TEXTS_AT_ONCE], length
            ).items():
                rows[name] += some
        rows_of = data.BucketedRows(
            [rows["ids"]],
            how.batch_tokens,
            how.batch_size,
            aligned=[rows["marks"], rows["tags"], rows["weights"]],
        )
        rows_of.log("rows of words")

        def example(ids, mask, marks, tags, weights):
            ids = tf.where(mask > 0, ids, tokenizer.pad_id or 0)
            features = {"token_ids": ids, "padding_mask": mask}
            if self.task.predicate:
                features["segment_ids"] = marks
            return features, tags, weights

        return data.Batches(rows_of, example)

    def _check(self, examples: Sequence[TaggedText], training: bool) -> None:
        """Raises ValueError for labels or predicates that the task does not know; where
        it only measures, it warns of labels."""
        given = [s.label for x in examples for s in x.spans or ()]
        others = [label for label in given if label not in self.task.labels]
        if others:
            label = min(others)
            hint = nearest(label, self.task.labels)
            if training:
                raise ValueError(f"label {label!r} is not one of the task's: {hint}")
            logger.warning(
                "%s of %s spans have labels that the task has not learnt, such as %r "
                "(%s): they count as wrong",
                f"{len(others):,}",
                f"{len(given):,}",
                label,
                hint,
            )
        if self.task.predicate and any(x.predicate is None for x in examples):
            raise ValueError("an example has no predicate, whose roles are learnt")

    def _rows(self, examples: Sequence[TaggedText], length: int) -> dict[str, list]:
        """Ids, marks of the predicate, tags and weights of the windows of examples."""
        texts = tf.constant([utf8(x.text) for x in examples])
        rows = self._row_graph(texts, self._places(examples), length)
        starts, ends = rows.starts.to_list(), rows.ends.to_list()
        numbers: list[int] = []
        for example, *words in zip(examples, starts, ends, strict=True):
            known = spans_in(example.spans or ())
            spans = [span for span in known if span[2] in self.task.labels]
            tags = tags_of_spans([*zip(*words, strict=True)], spans, self.task.scheme)
            numbers += (self.task.tag_set.ids[tag] for tag in tags)
        ids, marks, places = (
            x.to_list() for x in (rows.token_ids, rows.segment_ids, rows.places)
        )
        found: dict[str, list] = {"ids": ids, "marks": marks, "tags": [], "weights": []}
        numbers_left = iter(numbers)
        for row, asked in zip(ids, places, strict=True):
            tags, weights = np.zeros(len(row), np.int32), np.zeros(len(row), np.float32)
            for place in asked:
                tags[place], weights[place] = next(numbers_left), 1.0
            found["tags"].append(tags)
            found["weights"].append(weights)
        return found

    @staticmethod
    def _places(examples: Sequence[TaggedText]) -> tf.Tensor:
        """Predicates, int32 [n, 2]; (0, 0) where there is none."""
        return tf.constant([x.predicate or (0, 0) for x in examples], tf.int32)

    @property
    @made_once
    def _row_graph(self):
        return tf.function(
            lambda texts, predicates, length: tagged_rows(
                self.task.tokenizer, texts, length, predicates
            ),
            autograph=False,
            reduce_retracing=True,
        )

    def predictions(
        self, examples: Sequence[TaggedText], progress: bool = False
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for some in in_parts(list(examples), "text", progress):
            places = [x.predicate for x in some] if self.task.predicate else None
            for spans in self.task.tag([x.text for x in some], places):
                found.append({"entities": [span._asdict() for span in spans]})
        return found

    def scores(
        self,
        examples: Sequence[TaggedText],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, float]:
        """F1, precision and recall of spans by seqeval, over the words of people where
        they are given; see `evaluation.span_scores`.

        Raises:
            ValueError: nobody says what spans there are.
        """
        both = zip(examples, predictions, strict=True)
        pairs = [(x, found) for x, found in both if x.spans is not None]
        if not pairs:
            raise ValueError("no example has entities or tags to compare with")
        return evaluation.span_scores(
            [spans_in(x.spans or ()) for x, _ in pairs],
            [spans_in(found["entities"]) for _, found in pairs],
            [x.words for x, _ in pairs],
        )

    def check_measured(self, examples: Sequence[TaggedText]) -> None:
        self._check(examples, training=False)
        if unknown := sum(x.spans is None for x in examples):
            logger.warning("%s examples without entities or tags", f"{unknown:,}")
