"""Learning from texts and what was written for them: what a `Seq2SeqLM` also does."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.data.objectives.pairs import pair_example
from massivetext_keras.evaluation.words import language_of
from massivetext_keras.evaluation.writing import MEASURES, written_scores
from massivetext_keras.generation.scoring import HeldOutLoss
from massivetext_keras.support.values import choose
from massivetext_keras.tasks.examples import FromExamples, in_parts
from massivetext_keras.tasks.seq2seq.span_filling import FillsSpans
from massivetext_keras.text.examples import TextPair


class FromPairs(FillsSpans, HeldOutLoss, FromExamples):
    """A mixin for `Seq2SeqLM`: sources and targets from files, answers and scores."""

    fields = ("source", "target")
    objective = "pairs"
    batches_of = {"batch_tokens": 4096}

    @classmethod
    def example(cls, fields: Mapping[str, Any]) -> TextPair:
        """A pair from a `source` and, but for predictions, its `target`."""
        source, target = fields.get("source"), fields.get("target")
        if not isinstance(source, str) or not source.strip():
            raise ValueError("there is no source")
        if target is not None and not (isinstance(target, str) and target.strip()):
            raise ValueError("the target is empty, or no text")
        return TextPair(source, target)

    @classmethod
    def options_for(cls, examples: Sequence[TextPair]) -> dict[str, Any]:
        """The language of the targets, which decides how they are measured."""
        texts = sorted({x.target for x in examples if x.target is not None})
        return {"language": language_of(texts[:1000])} if texts else {}

    def measure_by(self, language: str | None, measures: str | Sequence[str]) -> None:
        """Sets what `measure` gives.

        Args:
            language: of what is written, an ISO code (None: that of what should be).
            measures: names in `evaluation.writing.MEASURES`.

        Raises:
            ValueError: a measure is unknown.
        """
        measures = (measures,) if isinstance(measures, str) else tuple(measures)
        for name in measures:
            choose("measure", name, MEASURES)
        self.language, self.measures = language, measures

    def example_batches(
        self,
        examples: Sequence[TextPair],
        batch_size: int | None = 32,
        batch_tokens: int | None = None,
        max_length: int | None = None,
        training: bool = True,
    ) -> data.Batches:
        """Pairs for teacher forcing. A source that is too long keeps its beginning, as
        it does in `generate`; a pair whose target is too long is left out."""
        length = self.within_context("max_length", max_length)
        pairs = [pair for pair in examples if pair.target is not None]
        if not pairs:
            raise ValueError(
                "no example has a target to learn: give list(zip(sources, targets))"
            )
        sides = [p.source for p in pairs], [p.target for p in pairs]
        batches = self.pair_batches(*sides, length, batch_tokens, batch_size, cut=True)
        if training:
            batches.rows.log("pairs")
        return batches

    fits_strings = True

    def encode_texts(self, x, y=None, sample_weight=None):
        x, y = self.parted(x, y)
        if isinstance(x, Mapping):
            x = x[self.fields[0]]
        features, target, mask = self.text_features.pair(x, y)
        source = features["encoder_token_ids"], features["encoder_padding_mask"]
        features, labels, weights = pair_example(self.start_id, *source, target, mask)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        return features, labels, weights

    def read_data(self, data, **reading):
        try:
            return super().read_data(data, **reading)
        except (FileNotFoundError, ValueError) as error:
            if reading.get("format") is not None:
                raise
            raise type(error)(
                f"{error}; pairs in memory are list(zip(sources, targets)), parallel "
                "files are given together: ['a.en', 'a.de'] with format='parallel'"
            ) from error

    def pair_batches(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        max_length: int,
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        cut: bool = False,
    ) -> data.Batches:
        """Texts, as many of one as of the other, as rows and batches of them.

        Args:
            sources, targets: texts, without the task's prefix.
            max_length: tokens of a text.
            batch_tokens, batch_size: see `data.BucketedRows`.
            cut: see `data.encode_pairs`.
        """
        sources = [self.prefix + source for source in sources]
        columns = data.encode_pairs(
            self.need_tokenizer(), sources, targets, max_length, cut
        )
        rows = data.BucketedRows(columns, batch_tokens, batch_size)
        return data.Batches(rows, functools.partial(pair_example, self.start_id))

    def predictions(
        self, examples: Sequence[TextPair], progress: bool = False
    ) -> list[dict[str, str]]:
        """What `generate` writes for each source, as the task's `generation` says."""
        sources, targets = [example.source for example in examples], []
        for some in in_parts(sources, "text", progress):
            targets += self.generate(some)
        return [{"target": target} for target in targets]

    def scores(
        self,
        examples: Sequence[TextPair],
        predictions: Sequence[Mapping[str, Any]],
    ) -> dict[str, float]:
        """The task's `measures` of what it writes.

        Raises:
            ValueError: no example has a target.
        """
        pairs = [
            (found["target"], pair.target)
            for found, pair in zip(predictions, examples, strict=True)
            if pair.target is not None
        ]
        if not pairs:
            raise ValueError("no example has a target to compare with")
        return written_scores(
            *zip(*pairs, strict=True), language=self.language, measures=self.measures
        )

    def held_out(self, examples: Sequence[TextPair]) -> dict[str, float]:
        """`loss`, nats per token of the targets."""
        batches = self.example_batches(examples, training=False)
        return {"loss": self.held_out_loss(batches)["loss"]}
