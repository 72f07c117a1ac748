"""What a `Seq2SeqLM` learns from: texts, and what was written for them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.data.objectives.pairs import pair_example
from massivetext_keras.evaluation.words import language_of
from massivetext_keras.evaluation.writing import written_scores
from massivetext_keras.generation.scoring import held_out_loss
from massivetext_keras.tasks.examples import Examples, in_parts
from massivetext_keras.tasks.preprocessor import Preprocessor
from massivetext_keras.text.examples import TextPair


class TextPairs(Examples):
    """Sources and their targets."""

    fields = ("source", "target")
    objective = "pairs"
    batch_sizes = {"batch_tokens": 4096}
    encodes_strings = True

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

    def batches(
        self,
        examples: Sequence[TextPair],
        how: data.Batching,
        training: bool = True,
    ) -> data.Batches:
        """Pairs for teacher forcing. A source that is too long keeps its beginning, as
        it does in `generate`; a pair whose target is too long is left out."""
        task = self.task
        length = task.within_context("max_length", how.length)
        pairs = [(x.source, x.target) for x in examples if x.target is not None]
        if not pairs:
            raise ValueError(
                "no example has a target to learn: give list(zip(sources, targets))"
            )
        sources = [task.prefix + source for source, _ in pairs]
        targets = [target for _, target in pairs]
        columns = data.encode_pairs(
            task.need_tokenizer(), sources, targets, length, cut=True
        )
        rows = data.BucketedRows(columns, how.batch_tokens, how.batch_size)
        if training:
            rows.log("pairs")
        return data.Batches(rows, functools.partial(pair_example, task.start_id))

    def encode(self, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        x, y = self.texts_and_labels(x, y)
        if isinstance(x, Mapping):
            x = x[self.fields[0]]
        features, target, mask = self.features_of.pair(x, y)
        source = features["encoder_token_ids"], features["encoder_padding_mask"]
        features, labels, weights = pair_example(
            self.task.start_id, *source, target, mask
        )
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        return features, labels, weights

    def preprocessor(
        self, sequence_length: int | None = None, **settings: Any
    ) -> Preprocessor:
        own = {"prefix": self.task.prefix, "start_id": self.task.start_id}
        return super().preprocessor(sequence_length, **own, **settings)

    def read(self, data: Any, **reading) -> list[TextPair]:
        try:
            return super().read(data, **reading)
        except (FileNotFoundError, ValueError) as error:
            if reading.get("format") is not None:
                raise
            raise type(error)(
                f"{error}; pairs in memory are list(zip(sources, targets)), parallel "
                "files are given together: ['a.en', 'a.de'] with format='parallel'"
            ) from error

    def predictions(
        self, examples: Sequence[TextPair], progress: bool = False
    ) -> list[dict[str, str]]:
        """What `generate` writes for each source, as the task's `generation` says."""
        sources, targets = [example.source for example in examples], []
        for some in in_parts(sources, "text", progress):
            targets += self.task.generate(some)
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
        written, targets = zip(*pairs, strict=True)
        return written_scores(
            written,
            targets,
            language=self.task.language,
            measures=self.task.measures,
        )

    def held_out(self, examples: Sequence[TextPair]) -> dict[str, float]:
        """`loss`, nats per token of the targets."""
        batches = self.task.example_batches(examples, training=False)
        return {"loss": held_out_loss(self.task, batches)["loss"]}
