"""Where in a text its pieces are, in characters, inside the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# occurs in no valid UTF-8
_MARK = b"\xff"

Offsets = tuple[tf.RaggedTensor, tf.RaggedTensor]


class Origin(NamedTuple):
    """Where each character of a rewritten text is from.

    Attributes:
        starts: int32 [n, (characters)], the first character of the original it is of.
        ends: int32 [n, (characters)], the one behind the last.
    """

    starts: tf.RaggedTensor
    ends: tf.RaggedTensor

    @classmethod
    def of(cls, texts: tf.Tensor) -> Origin:
        """That of texts as they are, string [n]."""
        starts = tf.ragged.range(
            tf.strings.length(texts, unit="UTF8_CHAR"), row_splits_dtype=tf.int64
        )
        return cls(starts, starts + 1)

    def spans(self, starts: tf.RaggedTensor, ends: tf.RaggedTensor) -> Offsets:
        """Offsets in the rewritten text -> those in the original, int32 [n, (spans)].

        >>> origin = Origin.of(tf.constant(["abc"])).shifted(tf.constant([True]))
        >>> spans = tf.ragged.constant([[0, 1]]), tf.ragged.constant([[1, 4]])
        >>> [offsets.to_list() for offsets in origin.spans(*spans)]
        [[[0, 0]], [[0, 3]]]
        """
        begin, end, rows = starts.flat_values, ends.flat_values, starts.value_rowids()
        first = tf.cast(tf.gather(self.starts.row_starts(), rows), tf.int32)
        last = tf.cast(tf.gather(self.starts.row_limits(), rows), tf.int32) - 1

        def at(offsets, places):
            flat = tf.pad(offsets.flat_values, [[0, 1]])  # also where there are none
            places = tf.maximum(tf.minimum(first + places, last), first)
            return tf.where(last < first, 0, tf.gather(flat, places))

        behind = at(self.ends, end - 1)
        begin_at = tf.where(first + begin > last, behind, at(self.starts, begin))
        end_at = tf.where(end > begin, behind, begin_at)
        return starts.with_flat_values(begin_at), starts.with_flat_values(end_at)

    def followed_by(self, other: Origin) -> Origin:
        """That of the texts with others behind them."""
        pairs = zip(self, other, strict=True)
        return Origin(*(tf.concat(pair, axis=1) for pair in pairs))

    def shifted(self, where: tf.Tensor) -> Origin:
        """That of the texts with one more character before some, bool [n]."""
        more = tf.RaggedTensor.from_row_lengths(
            tf.zeros([tf.math.count_nonzero(where)], tf.int32),
            tf.cast(where, tf.int64),
            validate=False,
        )
        return Origin(more, more).followed_by(self)

    def joined(self, sizes: tf.RaggedTensor) -> Origin:
        """That of texts, where this is that of their parts.

        Args:
            sizes: int32 [texts, (parts)], characters of each part of the original.
        """
        before = tf.gather(sums_before(sizes).flat_values, self.starts.value_rowids())
        splits = tf.gather(self.starts.row_splits, sizes.row_splits)
        return Origin(
            *(
                tf.RaggedTensor.from_row_splits(
                    offsets.flat_values + before, splits, validate=False
                )
                for offsets in self
            )
        )

    def rewritten(
        self,
        texts: tf.Tensor,
        function: Callable[[tf.Tensor], tf.Tensor],
        unit: str | None = None,
    ) -> Origin:
        """That of `function(texts)`.

        Args:
            texts: string [n], valid UTF-8, whose origin this is.
            function: strings [m] -> [m], of each unit by itself.
            unit: regular expression that matches a unit, wherever one may begin (None:
                a character; a mark that goes away belongs to the one before it).
        """
        if unit is None:
            units = tf.strings.unicode_decode(texts, "UTF-8")
            different, index = tf.unique(units.flat_values)
            different = tf.strings.unicode_encode(different[:, None], "UTF-8")
        else:
            marked = tf.strings.regex_replace(texts, unit, rb"\0" + _MARK)
            units = tf.strings.split(marked, sep=_MARK)
            different, index = tf.unique(units.flat_values)
        before = tf.strings.length(different, unit="UTF8_CHAR")
        after = tf.strings.length(function(different), unit="UTF8_CHAR")

        def changed():
            last = tf.cumsum(tf.gather(before, index))
            first = tf.pad(last, [[1, 0]])[:-1]
            if unit is None:
                goes = tf.strings.regex_full_match(different, r"\pM") & (after == 0)
                last = _behind(tf.gather(goes, index), units.row_splits)
            sizes = tf.gather(after, index)
            out = tf.repeat(tf.range(tf.size(index)), sizes)
            sums = tf.cast(tf.pad(tf.cumsum(sizes), [[1, 0]]), tf.int64)
            return (
                tf.gather(self.starts.flat_values, tf.gather(first, out)),
                tf.gather(self.ends.flat_values, tf.gather(last, out) - 1),
                tf.gather(sums, units.row_splits),
            )

        def same():
            return *(x.flat_values for x in self), self.starts.row_splits

        one = tf.reduce_all(before == after) & tf.reduce_all(before <= 1)
        *offsets, splits = tf.cond(one, same, changed)
        return Origin(
            *(tf.RaggedTensor.from_row_splits(x, splits, False) for x in offsets)
        )


def _behind(goes: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """For each character the next one of its text that does not go away, or its end.

    Args:
        goes: bool [characters].
        splits: where the texts begin and end, int64 [n + 1].
    """
    count = tf.size(goes)
    begins = tf.scatter_nd(splits[:, None], tf.ones_like(splits), [count + 1]) > 0
    stays = tf.pad(~goes, [[0, 1]], constant_values=True) | begins
    places = tf.cast(tf.where(stays)[:, 0], tf.int32)
    return tf.gather(places, tf.cumsum(tf.cast(stays[:-1], tf.int32)))


def sums_before(sizes: tf.RaggedTensor) -> tf.RaggedTensor:
    """The sum of what comes before each number of a row.

    >>> sums_before(tf.ragged.constant([[2, 3], [4]])).to_list()
    [[0, 2], [0]]
    """
    sums = tf.cumsum(sizes.flat_values, exclusive=True)
    first = tf.gather(tf.pad(sums, [[0, 1]]), sizes.row_starts())
    return sizes.with_flat_values(sums - tf.gather(first, sizes.value_rowids()))


def in_characters(
    texts: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> Offsets:
    """Offsets in bytes -> in characters; a part of a character is the whole of it.

    Args:
        texts: string [n], valid UTF-8.
        starts, ends: int32 [n, (spans)].

    >>> offsets = tf.ragged.constant([[0, 1]]), tf.ragged.constant([[1, 4]])
    >>> [x.to_list() for x in in_characters(tf.constant(["aé."]), *offsets)]
    [[[0, 1]], [[1, 3]]]
    """
    data = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    begins = tf.cast(tf.bitwise.bitwise_and(data, 0xC0) != 0x80, tf.int32)
    # [bytes + 1]: the character of each byte, of all texts together
    owner = tf.pad(tf.cumsum(begins) - 1, [[0, 1]])
    owner = tf.tensor_scatter_nd_update(
        owner, [[tf.size(data)]], [tf.reduce_sum(begins)]
    )
    byte = tf.cumsum(tf.strings.length(texts), exclusive=True)
    begin, end, rows = starts.flat_values, ends.flat_values, starts.value_rowids()
    first, base = tf.gather(byte, rows), tf.gather(tf.gather(owner, byte), rows)
    begin_at = tf.gather(owner, first + begin) - base
    behind = tf.gather(owner, tf.maximum(first + end - 1, 0)) + 1 - base
    end_at = tf.where(end > begin, behind, begin_at)
    return starts.with_flat_values(begin_at), starts.with_flat_values(end_at)
