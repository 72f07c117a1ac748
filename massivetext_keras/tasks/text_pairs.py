"""Learning from texts and what was written for them: what a `Seq2SeqLM` also does."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.configs import choose
from massivetext_keras.data.examples import TextPair
from massivetext_keras.data.pairs import pair_example
from massivetext_keras.data.records.parallel import UNPAIRED
from massivetext_keras.evaluation.words import language_of
from massivetext_keras.evaluation.writing import MEASURES, written_scores
from massivetext_keras.tasks.from_examples import FromExamples, in_parts
from massivetext_keras.tasks.text_scoring import HeldOutLoss


class FromPairs(HeldOutLoss, FromExamples):
    """A mixin for `Seq2SeqLM`: sources and targets from files, answers and scores."""

    fields = ("source", "target")

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
        sides = [p.source for p in pairs], [p.target for p in pairs]
        batches = self.pair_batches(*sides, length, batch_tokens, batch_size, cut=True)
        if training:
            batches.rows.log("pairs")
        return batches

    def datasets(
        self,
        sources: str | Path | Sequence[str],
        targets: str | Path | Sequence[str],
        batch_tokens: int = 4096,
        validation: tuple | None = None,
        max_length: int | None = None,
        seed: int = 0,
        start: int = 0,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
        """Pairs of texts to batches for `fit`, of pairs of like lengths.

        Pairs with an empty side, or one that is too long, are left out, with a warning
        that counts them.

        Args:
            sources: a file of one text a line, or texts.
            targets: what is to be written for each of them, in the same form.
            batch_tokens: tokens of a batch, both sides and padding together.
            validation: sources and targets to evaluate on.
            max_length: tokens of a text (None: the model's `max_length`).
            seed: of the order of the training batches.
            start: number of the first training batch.

        Returns:
            Endless training batches and the validation batches (None if none).

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there are more sources than targets or the other way round, or
                no pair that can be used.
        """
        longest = self.within_context("max_length", max_length)

        def batches(sources, targets):
            sides = self._sides(sources, targets)
            return self.pair_batches(*sides, longest, batch_tokens)

        train = batches(sources, targets)
        train.rows.log("pairs")
        train = train.training(seed, start)
        return train, batches(*validation).validation() if validation else None

    @classmethod
    def _sides(cls, *sides: str | Path | Sequence[str]) -> tuple[Sequence, Sequence]:
        """Texts and what is to be written for them, of two files or as they are."""
        files = [isinstance(side, str | Path) for side in sides]
        if all(files):
            problems = data.Problems()
            records = data.read_records(
                sides, cls.fields, "parallel", None, "utf-8", problems
            )
            pairs = [pair for _, pair in cls.examples_in(records, problems, sides)]
            if UNPAIRED in problems.places:
                raise ValueError(f"texts are no pairs: {problems}")
            return [pair.source for pair in pairs], [pair.target for pair in pairs]
        if any(files) or len(sides[0]) != len(sides[1]):
            raise ValueError(
                "texts are no pairs: give two files, or two lists of as many texts"
            )
        return sides

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
