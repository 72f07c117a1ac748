"""What is known of each text of a batch: columns of one table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.sampling import SamplingTensors

MOST_STOP_IDS = 8  # that end a row's text
_KINDS = [spec.dtype for spec in SamplingTensors.spec()]


class Rows(NamedTuple):
    """What is known of each row, [batch] where nothing else is said.

    Attributes:
        newest: int32, the token that is read next.
        filled: int32, tokens that were read.
        written: int32, tokens of the text so far.
        room: int32, tokens that may still be written; 0 where a row does not write.
        phrase: int32, how much of a banned phrase the text ends with.
        scored: int32, whether log-probabilities are wanted.
        stop_ids: int32 [batch, MOST_STOP_IDS], ids that end the text, else -1.
        recent: int32 [batch, n], the latest tokens of the text, before it -1.
        sampling: how tokens are chosen.
    """

    newest: tf.Tensor
    filled: tf.Tensor
    written: tf.Tensor
    room: tf.Tensor
    phrase: tf.Tensor
    scored: tf.Tensor
    stop_ids: tf.Tensor
    recent: tf.Tensor
    sampling: SamplingTensors

    @classmethod
    def of(cls, table: np.ndarray | tf.Tensor, recent: int) -> Rows:
        """The columns of a table, int32 [batch, width]: views of an array, and parts of
        a tensor. A program takes one table in a tenth of the time of its columns.

        Args:
            table: in which floats stand as their bits.
            recent: tokens of a text that are looked at.

        >>> table = Rows.empty_table(2, recent=1)
        >>> Rows.of(table, 1).sampling.temperature[:] = 0.5
        >>> table[0, -7:].tolist()
        [1056964608, 0, 0, 0, 0, 0, 0]
        >>> Rows.of(tf.constant(table), 1).sampling.temperature.numpy().tolist()
        [0.5, 0.5]
        """
        numbers = [table[:, i] for i in range(_NUMBERS)]
        stop, end = _NUMBERS + MOST_STOP_IDS, _NUMBERS + MOST_STOP_IDS + recent
        is_array = isinstance(table, np.ndarray)
        sampling = [
            table[:, end + i].view(kind.as_numpy_dtype)
            if is_array
            else tf.bitcast(table[:, end + i], kind)
            for i, kind in enumerate(_KINDS)
        ]
        wide = table[:, _NUMBERS:stop], table[:, stop:end]
        return cls._make([*numbers, *wide, SamplingTensors(*sampling)])

    def table(self) -> tf.Tensor:
        """The table of these columns, which are tensors."""
        numbers = tf.stack(self[:_NUMBERS], axis=1)
        sampling = tf.stack([tf.bitcast(x, tf.int32) for x in self.sampling], axis=1)
        return tf.concat([numbers, self.stop_ids, self.recent, sampling], axis=1)

    @staticmethod
    def empty_table(count: int, recent: int) -> np.ndarray:
        """A table of rows in which nothing is written."""
        width = _NUMBERS + MOST_STOP_IDS + recent + len(_KINDS)
        table = np.zeros([count, width], np.int32)
        table[:, _NUMBERS : _NUMBERS + MOST_STOP_IDS + recent] = -1
        return table


_NUMBERS = len(Rows._fields) - 3  # columns of one number, before the wide ones
