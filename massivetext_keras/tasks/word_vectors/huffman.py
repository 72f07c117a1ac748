"""Paths to words in a tree of frequencies, for hierarchical softmax."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np


def huffman(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The tree in which frequent words have short paths (Huffman, 1952).

    Args:
        counts: of each word; of one word alone, its path has one node.

    Returns:
        Inner nodes on the way to each word, int32 [words, longest], -1 behind its end;
        and at which of them the way goes left, float32 [words, longest], 1 or 0.

    >>> nodes, left = huffman([5, 1, 2])
    >>> nodes.tolist(), left.tolist()
    ([[1, -1], [1, 0], [1, 0]], [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    """
    words = len(counts)
    heap = [(int(count), i) for i, count in enumerate(counts)]
    heapq.heapify(heap)
    above: dict[int, tuple[int, float]] = {0: (words, 1.0)} if words == 1 else {}
    for node in range(words, 2 * words - 1):
        (one, first), (other, second) = heapq.heappop(heap), heapq.heappop(heap)
        above[first], above[second] = (node, 1.0), (node, 0.0)
        heapq.heappush(heap, (one + other, node))
    paths = []
    for place in range(words):
        path: list[tuple[int, float]] = []
        while place in above and (not path or place >= words):
            place, is_left = above[place]
            path.append((place - words, is_left))
        paths.append(path[::-1])
    longest = max(map(len, paths))
    nodes = np.full((words, longest), -1, np.int32)
    left = np.zeros((words, longest), np.float32)
    for word, path in enumerate(paths):
        nodes[word, : len(path)] = [node for node, _ in path]
        left[word, : len(path)] = [is_left for _, is_left in path]
    return nodes, left
