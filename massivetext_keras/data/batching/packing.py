"""Documents packed into rows of one length, with little padding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

WINDOW = 2048


def cut(ids: np.ndarray, length: int) -> list[np.ndarray]:
    """A document as pieces that give each of its tokens but the first one prediction.

    A piece has at most `length + 1` tokens, `length` of them to predict; the last token
    of a piece is also the first that the next one reads. A document of one token has
    nothing to predict and no pieces.

    Args:
        ids: int [tokens].
        length: most predictions of a piece.

    >>> [piece.tolist() for piece in cut(np.arange(8), 3)]
    [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7]]
    """
    return [ids[at : at + length + 1] for at in range(0, len(ids) - 1, length)]


def pack(sizes: Sequence[int], capacity: int) -> list[list[int]]:
    """Row by row the largest piece that fits, and what fills the row if two can.

    That is best-fit-decreasing (Ding et al., 2024: no document is cut that would fit)
    with exact ends, which short documents need. Sets of sizes are bits of a number: a
    size, or two that sum to the room, are found in a few machine words.

    Args:
        sizes: of the pieces, 1 to `capacity`.
        capacity: of a row.

    Returns:
        For each row the numbers of its pieces.

    >>> pack([6, 5, 3, 3], capacity=12)
    [[0, 2, 3], [1]]
    """
    waiting = defaultdict(list)  # size -> pieces
    for piece in reversed(range(len(sizes))):
        waiting[int(sizes[piece])].append(piece)
    there = sum(1 << size for size in waiting)
    mirrored = sum(1 << (capacity - size) for size in waiting)

    def take(size: int) -> int:
        nonlocal there, mirrored
        piece = waiting[size].pop()
        if not waiting[size]:
            there ^= 1 << size
            mirrored ^= 1 << (capacity - size)
        return piece

    rows = []
    while there:
        row: list[int] = []
        left = capacity
        while fitting := there & ((2 << left) - 1):
            size = fitting.bit_length() - 1
            # sizes of which another piece has what they leave
            pairs = fitting & (mirrored >> (capacity - left)) if row else 0
            if size < left and pairs:
                half = pairs.bit_length() - 1
                if 2 * half != left or len(waiting[half]) > 1:
                    row += [take(half), take(left - half)]
                    break
            row.append(take(size))
            left -= size
        rows.append(row)
    return rows


def lay_out(
    pieces: Sequence[np.ndarray], rows: Sequence[Sequence[int]], capacity: int
) -> tuple[np.ndarray, np.ndarray]:
    """Writes pieces into rows.

    Args:
        pieces: int [tokens] each.
        rows: numbers of the pieces of each row.
        capacity: tokens of a row.

    Returns:
        Tokens and segments, int32 [rows, capacity]: the pieces of a row are its
        segments 1, 2 and so on; 0 is padding.

    >>> tokens, segments = lay_out([np.array([7]), np.array([8, 9])], [[1, 0]], 4)
    >>> tokens.tolist(), segments.tolist()
    ([[8, 9, 7, 0]], [[1, 1, 2, 0]])
    """
    tokens = np.zeros([len(rows), capacity], np.int32)
    segments = np.zeros_like(tokens)
    for row, members in enumerate(rows):
        at = 0
        for segment, piece in enumerate(members, 1):
            end = at + len(pieces[piece])
            tokens[row, at:end] = pieces[piece]
            segments[row, at:end] = segment
            at = end
    return tokens, segments


class Packer:
    """Packs a stream of documents, window by window.

    Pieces that fill a row are passed on; the others are packed when they are a window
    of rows, so that memory is bounded.

    Args:
        length: predictions of a row; it has `length + 1` tokens.
        window: rows that are packed together.

    >>> packer = Packer(length=3, window=1)
    >>> packer.add(np.array([5, 6]))
    >>> packer.ready
    False
    >>> packer.add(np.array([7, 8]))
    >>> [rows.tolist() for rows in packer.take()]
    [[[5, 6, 7, 8]], [[1, 1, 2, 2]]]
    """

    def __init__(self, length: int, window: int = WINDOW):
        self.length, self.window = length, window
        self._full: list[np.ndarray] = []
        self._pieces: list[np.ndarray] = []
        self._tokens = 0  # of the pieces

    def add(self, ids: np.ndarray) -> None:
        """Takes the ids of a document, int [tokens]."""
        for piece in cut(ids, self.length):
            if len(piece) == self.length + 1:
                self._full.append(piece)
            else:
                self._pieces.append(piece)
                self._tokens += len(piece)

    @property
    def ready(self) -> bool:
        """Whether there is a window of rows, of either kind."""
        return self._has_window or len(self._full) >= self.window

    @property
    def _has_window(self) -> bool:
        return self._tokens >= self.window * (self.length + 1)

    def take(self, rest: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Rows of what is ready.

        Args:
            rest: of all that is left, ready or not.

        Returns:
            Tokens and segments, int32 [rows, length + 1], see `lay_out`.
        """
        pieces, self._full = self._full, []
        if rest or self._has_window:
            pieces += self._pieces
            self._pieces, self._tokens = [], 0
        capacity = self.length + 1
        rows = pack([len(piece) for piece in pieces], capacity)
        return lay_out(pieces, rows, capacity)
