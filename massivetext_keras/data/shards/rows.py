"""Rows of shards by their numbers, out of files that are mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from massivetext_keras.data.shards.format import Manifest


class Rows:
    """Rows of one side of some folders by their numbers, read where they lie.

    Args:
        manifest: of the folders, which are alike.
        shards: files and their numbers of rows, in order.
    """

    def __init__(self, manifest: Manifest, shards: Sequence[tuple[Path, int]]):
        self._manifest, self._shards = manifest, list(shards)
        self._ends = np.cumsum([0, *(count for _, count in shards)])[1:]
        self.count = int(self._ends[-1]) if shards else 0

    def __getitem__(self, number: int) -> np.void:
        """`tokens` and `segments`, [length + 1] each, of a row."""
        path, place = self._place(number)
        return np.memmap(path, self._manifest.record_dtype, mode="r")[place]["row"]

    def name(self, number: int) -> str:
        """File and record of a row."""
        path, place = self._place(number)
        return f"{path}:{place}"

    def _place(self, number: int) -> tuple[Path, int]:
        shard = int(np.searchsorted(self._ends, number, side="right"))
        path, count = self._shards[shard]
        return path, number - int(self._ends[shard]) + count

    def gather(self, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Some rows, by the graph alone.

        Args:
            numbers: int64 [n].

        Returns:
            Tokens and segments, int32 [n, length + 1].
        """
        record, row = self._manifest.record_dtype, self._manifest.row_dtype
        records = self._records(numbers)
        return tuple(
            _integers(records, record.fields["row"][1] + at, field)
            for field, at in (row.fields[name] for name in ("tokens", "segments"))
        )

    def _records(self, numbers: tf.Tensor) -> tf.Tensor:
        """The bytes of records, uint8 [n, bytes]."""
        if len(self._shards) == 1:
            return tf.gather(self._bytes(0), numbers)
        ends = tf.constant(self._ends)
        shards = tf.searchsorted(ends, numbers, side="right")
        starts = tf.constant([0, *self._ends[:-1]], tf.int64)
        places = numbers - tf.gather(starts, shards)

        def record(pair):
            shard, place = pair
            branches = [
                lambda i=i: self._bytes(i)[place] for i in range(len(self._shards))
            ]
            return tf.switch_case(shard, branches)

        signature = tf.TensorSpec([self._manifest.record_dtype.itemsize], tf.uint8)
        return tf.map_fn(record, (shards, places), fn_output_signature=signature)

    def _bytes(self, shard: int) -> tf.Tensor:
        """A file as uint8 [records, bytes], mapped into memory and not read."""
        path, count = self._shards[shard]
        return tf.raw_ops.ImmutableConst(
            dtype=tf.uint8,
            shape=[count, self._manifest.record_dtype.itemsize],
            memory_region_name=str(path),
        )


def _integers(records: tf.Tensor, at: int, field: np.dtype) -> tf.Tensor:
    """An array within records, from byte `at` on, as int32."""
    base, (count,) = field.subdtype
    numbers = records[:, at : at + field.itemsize]
    if base.itemsize > 1:
        numbers = tf.reshape(numbers, [-1, count, base.itemsize])
        numbers = tf.bitcast(numbers, tf.as_dtype(base.type))
    return tf.cast(numbers, tf.int32)
