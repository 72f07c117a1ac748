"""Hashes of spans of arrays, and which items of a document are the same."""

from __future__ import annotations

import functools

import numpy as np

# A hash is a polynomial in _BASE over the values of a span, modulo 2 ** 64. As _BASE is
# odd it has an inverse, so differences of running sums give every span at once.
_BASE = 0xD1342543DE82EF95
_INVERSE = pow(_BASE, -1, 2**64)


def span_hashes(
    values: np.ndarray, starts: np.ndarray, ends: np.ndarray, block: int = 1 << 15
) -> np.ndarray:
    """Hashes of spans of an array; equal spans give equal hashes wherever they lie.

    Args:
        values: unsigned integers [n].
        starts, ends: int64 [spans], each sorted; spans may overlap.
        block: values that are summed at a time; the hashes do not depend on it.

    Returns:
        uint64 [spans].

    >>> hashes = span_hashes(
    ...     np.array([5, 6, 5, 6]), np.array([0, 1, 2]), np.array([2, 3, 4])
    ... )
    >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
    (True, False)
    """
    powers, inverses = _powers(_BASE, block), _powers(_INVERSE, block)
    low, high, unshift = (np.empty(len(starts), np.uint64) for _ in range(3))
    sums = np.zeros(block + 1, np.uint64)
    total, scale, unscale = 0, 1, 1
    for first in range(0, len(values), block):
        some = values[first : first + block].astype(np.uint64, copy=False)
        np.cumsum(some * powers[: len(some)], out=sums[1 : len(some) + 1])
        running = sums[: len(some) + 1] * np.uint64(scale) + np.uint64(total)
        here = slice(*np.searchsorted(starts, [first, first + block]))
        low[here] = running[starts[here] - first]
        unshift[here] = inverses[starts[here] - first] * np.uint64(unscale)
        here = slice(*np.searchsorted(ends, [first, first + block], "right"))
        high[here] = running[ends[here] - first]
        total = int(running[-1])
        scale = scale * int(powers[-1]) * _BASE % 2**64
        unscale = unscale * int(inverses[-1]) * _INVERSE % 2**64
    # The length tells apart what a value of 0 at the end does not.
    return mixed((high - low) * unshift + (ends - starts).astype(np.uint64))


@functools.cache
def _powers(base: int, count: int) -> np.ndarray:
    """base ** [0, 1, ...] modulo 2 ** 64, uint64 [count]."""
    return np.cumprod(np.array([1] + [base] * (count - 1), np.uint64))


def mixed(hashes: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit depends on every bit; works in place."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def segment_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sums of values[offsets[i] : offsets[i + 1]], which may be empty.

    >>> segment_sums(np.array([1, 2, 3]), np.array([0, 2, 2, 3])).tolist()
    [3, 0, 3]
    """
    running = np.concatenate([[0], np.cumsum(values)])
    return running[offsets[1:]] - running[offsets[:-1]]


def equal_groups(
    hashes: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds items that the same document has more than once.

    Hash, document and position are packed into one integer, so that one sort of
    integers brings equal items together; what the packing cut off is compared after.

    Args:
        hashes: uint64 [items], those of all documents one after another.
        offsets: int64 [documents + 1], document i has items offsets[i] to offsets[i+1].

    Returns:
        int64 [found], positions of items that are not alone, those of an equal group
        side by side and ascending, those of a document too, documents in order; and
        bool [found], true for the first of each group.

    >>> found, first = equal_groups(
    ...     np.array([7, 8, 7, 7], np.uint64), np.array([0, 3, 4])
    ... )
    >>> found.tolist(), first.tolist()
    ([0, 2], [True, False])
    """
    owner_bits = max(len(offsets) - 2, 0).bit_length()
    index_bits = max(len(hashes) - 1, 0).bit_length()
    mask = np.uint64((1 << index_bits) - 1)
    keys = hashes >> np.uint64(owner_bits)
    if owner_bits:
        owners = np.arange(len(offsets) - 1, dtype=np.uint64)
        owners <<= np.uint64(64 - owner_bits)
        keys |= np.repeat(owners, np.diff(offsets))
    keys &= ~mask
    keys |= np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    same = (keys[1:] ^ keys[:-1]) <= mask
    alone = np.ones(len(keys), bool)
    alone[1:] &= ~same
    alone[:-1] &= ~same
    at = np.flatnonzero(~alone)
    found = (keys[at] & mask).astype(np.int64)
    first = np.ones(len(at), bool)
    first[1:] = ~same[at[1:] - 1]
    if (hashes[found[1:]] != hashes[found[:-1]])[~first[1:]].any():
        return _told_apart(hashes, found, first)
    return found, first


def _told_apart(hashes, found, first) -> tuple[np.ndarray, np.ndarray]:
    """Divides groups whose hashes agree only as far as they were packed."""
    groups = np.cumsum(first)
    order = np.lexsort((found, hashes[found], groups))
    found, groups = found[order], groups[order]
    first = np.ones(len(found), bool)
    first[1:] = (groups[1:] != groups[:-1]) | (hashes[found[1:]] != hashes[found[:-1]])
    alone = first & np.append(first[1:], True)
    return found[~alone], first[~alone]


def find(hashes: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where some known hashes occur.

    Args:
        hashes: uint64 [items].
        known: uint64 [n], of any order.

    Returns:
        int64 [found], positions in `hashes`, ascending, and int64 [found], positions in
        `known` of what is there (any of them where `known` has it twice).

    >>> where, which = find(
    ...     np.array([5, 9, 7, 5], np.uint64), np.array([5, 7], np.uint64)
    ... )
    >>> where.tolist(), which.tolist()
    ([0, 2, 3], [0, 1, 0])
    """
    # A table of the low bits first, as most items are not among the known ones.
    low = np.uint64((1 << max(len(known) * 16, 2).bit_length()) - 1)
    table = np.zeros(int(low) + 1, bool)
    table[known & low] = True
    where = np.flatnonzero(table[hashes & low])
    order = np.argsort(known)
    ranks = np.searchsorted(known[order], hashes[where])
    ranks[ranks == len(known)] = 0
    which = order[ranks]
    there = known[which] == hashes[where]
    return where[there], which[there]
