"""Batches out of folders of shards: batch k is a function of the seed and k."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped
from massivetext_keras.data.batching.windows import shuffled
from massivetext_keras.data.shards.format import (
    SIDES,
    Manifest,
    check_files,
    is_shards,
    read_manifest,
)
from massivetext_keras.data.shards.interleaving import earlier, interleaved, shares
from massivetext_keras.data.shards.rows import Rows


class Shards:
    """Folders of shards as endless shuffled batches, and as validation batches.

    Row i of training is from a corpus that the weights decide (`interleaved`), and the
    rows of a corpus come in another order in every epoch, each once. Nothing but i is
    state.

    Args:
        folders: written by `write_shards`.
        weights: share of the rows for each folder (None: its number of rows).

    Raises:
        FileNotFoundError: a folder or a file of it is missing.
        ValueError: a file was truncated or changed, or the folders differ in tokenizer
            or length.
    """

    def __init__(
        self, folders: Sequence[str | Path], weights: Sequence[float] | None = None
    ):
        self.folders, self.weights = [Path(folder) for folder in folders], weights
        self.manifests = [read_manifest(folder) for folder in self.folders]
        for folder, manifest in zip(self.folders, self.manifests, strict=True):
            self._check_same_format(folder, manifest)
            check_files(folder, manifest)
        self._train, self._valid = map(self._rows, SIDES)
        sizes = [manifest.train.examples for manifest in self.manifests]
        counts = shares(sizes, weights)
        order = interleaved(counts)
        self._order, self._earlier = tf.constant(order), tf.constant(earlier(order))
        self._counts = tf.constant(counts, tf.int64)
        self._sizes = tf.constant(sizes, tf.int64)

    def _rows(self, side: str) -> Rows:
        shards = [
            (folder / name, shard.examples)
            for folder, manifest in zip(self.folders, self.manifests, strict=True)
            for name, shard in getattr(manifest, side).shards.items()
        ]
        return Rows(self.manifests[0], shards)

    @property
    def names(self) -> list[str]:
        """The corpora by their number in `corpus_ids`."""
        return [manifest.corpus for manifest in self.manifests]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the folders hold and of their weights, wherever they lie."""
        hashes = [
            [shard.hash for side in SIDES for shard in getattr(m, side).shards.values()]
            for m in self.manifests
        ]
        described = json.dumps([hashes, self.weights and list(self.weights)])
        return hashlib.sha256(described.encode()).hexdigest()

    @property
    def sequence_length(self) -> int:
        return self.manifests[0].sequence_length

    def check(
        self,
        tokenizer,
        vocabulary_size: int,
        max_length: int,
        sequence_length: int | None = None,
    ) -> None:
        """Refuses a model that the shards were not written for.

        Args:
            tokenizer: the model's, or None.
            vocabulary_size: tokens that it embeds.
            max_length: its context.
            sequence_length: that is wanted (None: what the shards have).

        Raises:
            ValueError: says what differs.
        """
        folder, manifest = self.folders[0], self.manifests[0]
        if tokenizer is not None and tokenizer.fingerprint != manifest.tokenizer:
            raise ValueError(
                f"{folder} was written with another tokenizer: its fingerprint is "
                f"{manifest.tokenizer} there ({manifest.vocabulary_size:,} tokens) and "
                f"{tokenizer.fingerprint} here ({tokenizer.vocabulary_size:,} tokens)"
            )
        if manifest.vocabulary_size > vocabulary_size:
            raise ValueError(
                f"{folder} has a vocabulary of {manifest.vocabulary_size:,} tokens, "
                f"the model embeds {vocabulary_size:,}"
            )
        if sequence_length not in (None, manifest.sequence_length):
            raise ValueError(
                f"{folder} has rows of {manifest.sequence_length} tokens: set "
                f"sequence_length to that, it is {sequence_length}"
            )
        if manifest.sequence_length > max_length:
            raise ValueError(
                f"{folder} has rows of {manifest.sequence_length} tokens, the model's "
                f"context is {max_length}"
            )

    def training(
        self,
        batch_size: int,
        seed: int = 0,
        start: int = 0,
        worker: int = 0,
        workers: int = 1,
    ) -> TrainingBatches:
        """Endless batches, in an order that only depends on the seed.

        Under a strategy, `fit` gives each worker its part of these; where you feed the
        workers yourself, `worker` of `workers` gives their parts.

        Args:
            batch_size: rows of the global batch.
            seed: of the orders.
            start: number of the first batch.
            worker: which of the equal parts of each batch to give.
            workers: parts.

        Returns:
            Dataset of features `token_ids`, `segment_ids`, `positions`, int32 [batch,
            length], of several folders also `corpus_ids`, int32 [batch]; labels, int32
            [batch, length]; and loss weights, float32, 0 where the next token is of
            another document or none.

        Raises:
            ValueError: the batch has no rows, or no such equal parts.
        """
        first, rows = _part(batch_size, worker, workers)

        def batch(k):
            return self._batch(
                self._train, *self._drawn(k * batch_size + first, rows, seed)
            )

        rows_in_all = sum(manifest.train.examples for manifest in self.manifests)
        per_epoch = -(-rows_in_all // batch_size)
        return TrainingBatches(batch, per_epoch, start, endless=True)

    def validation(self, batch_size: int) -> tf.data.Dataset | None:
        """Every row that was held out once, in order; None if there is none.

        What fills the last batch has loss weight 0.
        """
        _part(batch_size, 0, 1)
        count = self._valid.count
        if not count:
            return None
        ends = np.cumsum([manifest.validation.examples for manifest in self.manifests])

        def batch(k):
            index = k * batch_size + tf.range(batch_size, dtype=tf.int64)
            real = tf.cast(index < count, tf.float32)
            numbers = tf.minimum(index, count - 1)
            corpora = tf.searchsorted(tf.constant(ends), numbers, side="right")
            features, labels, weights = self._batch(self._valid, corpora, numbers)
            return features, labels, weights * real[:, None]

        batches = tf.data.Dataset.range(-(-count // batch_size))
        return mapped(batches, batch).prefetch(2)

    def examples(self, k: int, batch_size: int, seed: int = 0) -> list[str]:
        """File and record of each row of training batch k.

        Args:
            k: number of the batch.
            batch_size, seed: as they were given to `training`.
        """
        first = tf.constant(k * batch_size, tf.int64)
        _, numbers = self._drawn(first, batch_size, seed)
        return [self._train.name(number) for number in numbers.numpy().tolist()]

    def _drawn(
        self, first: tf.Tensor, rows: int, seed: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Corpora, int32 [rows], and numbers, int64 [rows], of some training rows."""
        index = first + tf.range(rows, dtype=tf.int64)
        period = self._order.shape[0]
        place = index % period
        corpora = tf.gather(self._order, place)
        # its number among the rows of the same corpus
        nth = index // period * tf.gather(self._counts, corpora)
        nth += tf.gather(self._earlier, place)
        seeds = seed + tf.cast(corpora, tf.int64)
        within, _ = shuffled(nth, tf.gather(self._sizes, corpora), seeds)
        before = tf.cumsum(self._sizes, exclusive=True)
        return corpora, tf.gather(before, corpora) + tf.cast(within, tf.int64)

    def _batch(self, side: Rows, corpora: tf.Tensor, numbers: tf.Tensor) -> tuple:
        tokens, segments = side.gather(numbers)
        features, labels, weights = packed_example(tokens, segments)
        if len(self.folders) > 1:
            features["corpus_ids"] = corpora
        return features, labels, weights

    def _check_same_format(self, folder: Path, manifest: Manifest) -> None:
        first = self.manifests[0]
        for field in ("tokenizer", "sequence_length"):
            here, there = getattr(manifest, field), getattr(first, field)
            if here != there:
                raise ValueError(
                    f"{folder} and {self.folders[0]} differ in {field}: {here} and "
                    f"{there}"
                )


def open_shards(
    files: str | Path | Sequence[str | Path] | Mapping[str | Path, float] | Shards,
) -> Shards | None:
    """The shards that a training's `files` name, or None where they name text.

    Args:
        files: folders of shards, each of them with a weight or none: `"web"`, `["web",
            "books"]`, `{"web": 0.7, "books": 0.3}` or, as from the command line,
            `["web=0.7", "books=0.3"]`; or else what `corpus.expand` takes.

    Raises:
        ValueError: some of them are shards, or have a weight, and others not; or as
            `Shards` does.
    """
    if isinstance(files, Shards):
        return files
    pairs: list[tuple[str | Path, float | None]]
    if isinstance(files, Mapping):
        pairs = [*files.items()]
    else:
        some = [files] if isinstance(files, str | Path) else files
        pairs = [_weighted(name) for name in some]
    found = [is_shards(folder) for folder, _ in pairs]
    if not any(found) and not isinstance(files, Mapping):
        return None
    if not all(found):
        name = pairs[found.index(False)][0]
        raise ValueError(f"{str(name)!r} holds no shards: train on them alone or not")
    folders, weights = zip(*pairs, strict=True)
    if None in weights and any(weight is not None for weight in weights):
        raise ValueError(f"{folders[weights.index(None)]} has no weight, others have")
    return Shards(folders, None if None in weights else weights)


def _weighted(name: str | Path) -> tuple[str | Path, float | None]:
    """`"web=0.7"` -> `("web", 0.7)` if that is a folder of shards."""
    folder, equals, weight = str(name).rpartition("=")
    if is_shards(name) or not equals or not is_shards(folder):
        return name, None
    try:
        return folder, float(weight)
    except ValueError:
        raise ValueError(f"{name!r}: {weight!r} is no weight of shards") from None


def packed_example(
    tokens: tf.Tensor, segments: tf.Tensor
) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """Packed rows as a causal language model reads them.

    Args:
        tokens: int32 [batch, length + 1].
        segments: int32 [batch, length + 1]: 1, 2 and so on, then 0 at padding.

    Returns:
        Features `token_ids`, `segment_ids` and `positions` (from 0 in each segment),
        int32 [batch, length]; labels, int32; loss weights, float32, 0 where the next
        token is not of the same segment.

    >>> features, labels, weights = packed_example(
    ...     tf.constant([[5, 6, 7, 8, 9, 0]]), tf.constant([[1, 1, 1, 2, 2, 0]])
    ... )
    >>> features["positions"].numpy().tolist(), labels.numpy().tolist()
    ([[0, 1, 2, 0, 1]], [[6, 7, 0, 9, 0]])
    >>> weights.numpy().tolist()
    [[1.0, 1.0, 0.0, 1.0, 0.0]]
    """
    ids, after = segments[:, :-1], segments[:, 1:]
    counted = (ids == after) & (after > 0)
    ascending = tf.where(ids > 0, ids, tf.int32.max)
    places = tf.range(tf.shape(ids)[1])
    features = {
        "token_ids": tokens[:, :-1],
        "segment_ids": ids,
        "positions": places - tf.searchsorted(ascending, ascending),
    }
    labels = tf.where(counted, tokens[:, 1:], 0)
    return features, labels, tf.cast(counted, tf.float32)


def _part(batch_size: int, worker: int, workers: int) -> tuple[int, int]:
    """First row and number of rows of a worker's part of a batch."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, got {batch_size}")
    if not 0 <= worker < workers or batch_size % workers:
        raise ValueError(
            f"worker {worker} of {workers} has no equal part of batch_size {batch_size}"
        )
    rows = batch_size // workers
    return worker * rows, rows
