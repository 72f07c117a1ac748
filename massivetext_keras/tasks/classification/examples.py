"""What a `TextClassifier` learns from: texts, or pairs of them, with their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import keras
import numpy as np

from massivetext_keras import data, evaluation
from massivetext_keras.data.records import Problems, Record
from massivetext_keras.tasks.classification.encoding import encode_labeled, warn_of_cut
from massivetext_keras.tasks.classification.label_columns import (
    problem_of,
    read_column,
)
from massivetext_keras.tasks.classification.labelling import SingleLabel
from massivetext_keras.tasks.classification.labels import label_of
from massivetext_keras.tasks.examples import EMPTY, Examples
from massivetext_keras.text.examples import LabeledText


class LabeledTexts(Examples):
    """Texts with a label, several labels or a number each."""

    fields = ("text", "label", "second")
    options = ("class_weights",)
    encodes_strings = True

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> LabeledText:
        """The `LabeledText` of a record.

        Its "label" is a class; or several, a list in JSON or joined by "|" in a table,
        where nothing means none of them; or a number. A whole number is a class; where
        there is none, None or NaN, the example has no label. What else is missing is
        told by the labels of all examples, see `read_column`.

        Raises:
            ValueError: there is no text, or a field is of the wrong kind.

        >>> LabeledTexts.example({"text": "good", "label": "funny|sad"})
        LabeledText(text='good', label=('funny', 'sad'), second=None)
        """
        text, second = fields.get("text"), fields.get("second")
        if text is None:
            raise ValueError("no 'text'")
        if not isinstance(text, str) or not isinstance(second, str | None):
            raise ValueError("'text' or 'second' is no string")
        return LabeledText(text, label_of(fields.get("label")), second)

    @classmethod
    def noted_example(
        cls, fields: Mapping[str, Any], note: Callable[[str], None]
    ) -> LabeledText:
        example = cls.example(fields)
        if not (example.text.strip() and (example.second or "-").strip()):
            note(EMPTY)
        return example

    @classmethod
    def in_records(
        cls, records: Iterable[Record], problems: Problems, files: Any
    ) -> list[tuple[Record, LabeledText]]:
        """See `Examples.in_records`; labels are read as those of one data set."""
        found = super().in_records(records, problems, files)
        labels = read_column([example.label for _, example in found])
        return [
            (
                record,
                example if example.label is label else example._replace(label=label),
            )
            for (record, example), label in zip(found, labels, strict=True)
        ]

    @classmethod
    def options_for(cls, examples: Sequence[LabeledText]) -> dict[str, Any]:
        """The labels that examples have, sorted, and the problem that they are.

        One that has several labels makes it "multi_label"; numbers, of which one has a
        fraction, "regression". Lists of 0 and 1 (multi-hot) are labels without names,
        LABEL_0 and so on, as Hugging Face calls them.

        Raises:
            ValueError: none has a label.

        >>> LabeledTexts.options_for([LabeledText("a", "x"), LabeledText("b", "c")])
        {'labels': ('c', 'x'), 'problem': 'single_label'}
        """
        labels, problem = problem_of([example.label for example in examples])
        return {"labels": labels, "problem": problem}

    def training(self, items: Sequence[LabeledText], how: data.Batching):
        """As of all examples; `class_weights` are those of the constructor from now on,
        if they are given."""
        weights = how.options.get("class_weights")
        if weights is not None:
            self.task.labelling.check_weights(weights)
            self.task.class_weights = weights
        return super().training(items, how)

    def batches(
        self,
        examples: Sequence[LabeledText],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        task = self.task
        length = task.within_context("max_length", how.length)
        kept, targets = task.labelling.targets(examples)
        encoded = encode_labeled(task.need_tokenizer(), kept, length)
        warn_of_cut(encoded.cut, len(kept), length)
        weights = task.labelling.weights(
            targets, task.class_weights if training else None
        )
        paired = task.segmented and any(x.second is not None for x in kept)
        rows = data.BucketedRows(
            [encoded.ids],
            how.batch_tokens,
            how.batch_size,
            aligned=[encoded.segments] if paired else [],
            fixed=[targets, weights],
        )
        rows.log("texts")

        def example(ids, mask, *rest):
            *segments, labels, weights = rest
            features = {"token_ids": ids, "padding_mask": mask}
            if segments:
                features["segment_ids"] = segments[0]
            return features, labels, weights

        return data.Batches(rows, example)

    def encode(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        x, y = self.texts_and_labels(x, y)
        labels = None if y is None else self.task.labelling.encode(y)
        features = self.features_of(x)
        return keras.utils.pack_x_y_sample_weight(features, labels, sample_weight)

    def is_answered(self, example: LabeledText) -> bool:
        return self.task.labelling.reads(example.label)

    def as_strings(self, labels: Any) -> Any:
        return self.task.readable_labels(labels)

    def class_weights(self, weights: Mapping) -> np.ndarray:
        labelling = self.task.labelling
        if not isinstance(labelling, SingleLabel):
            return super().class_weights(weights)
        named, labels = {}, self.task.labels
        for key, weight in weights.items():
            known = isinstance(key, Integral) and 0 <= int(key) < len(labels)
            named[labels[key] if known else str(key)] = float(weight)
        labelling.check_weights(named)
        return labelling.table(named)

    def predictions(
        self, examples: Sequence[LabeledText], progress: bool = False
    ) -> list[dict[str, Any]]:
        answers = self.task.answers(list(examples), progress)
        if self.task.problem == "regression":
            return [{"label": number} for number in answers]
        return [
            {
                "label": list(label) if isinstance(label, tuple) else label,
                "score": score,
                "scores": scores,
            }
            for label, score, scores in answers
        ]

    def scores(
        self,
        examples: Sequence[LabeledText],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, float]:
        """Accuracy, F1, precision and recall as means and for each label, and the
        expected calibration error; or errors and correlations of numbers."""
        labelling = self.task.labelling
        return labelling.measures(*labelling.judged(examples, predictions))

    def check_measured(self, examples: Sequence[LabeledText]) -> None:
        self.task.labelling.warn_of_unknown(examples)

    def pictures(
        self,
        examples: Sequence[LabeledText],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, np.ndarray]:
        """The confusion matrix, uint8 [height, width, 3], of single labels."""
        labelling, labels = self.task.labelling, self.task.labels
        if not isinstance(labelling, SingleLabel):
            return {}
        true, given = labelling.judged(examples, predictions)
        given = [one["label"] for one in given]
        matrix = evaluation.confusion(true, given, labels)
        return {"confusion": evaluation.draw_confusion(matrix, labels)}
