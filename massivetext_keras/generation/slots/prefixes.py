"""What beginnings of prompts become in a model, kept for prompts that begin alike."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

BLOCK = 32  # tokens that are kept together


class Prefixes:
    """Keys and values of prompts' first blocks; the least recently used ones go.

    A block is found by the hash of all tokens up to its end, so that it is that of the
    same tokens behind the same tokens.

    Args:
        limit: bytes that may be kept.

    >>> kept = Prefixes(limit=2**20)
    >>> ids = [*range(70)]
    >>> kept.keep(ids, 0, np.zeros([4, 2, 64, 8], np.float32))
    >>> [block.shape for block in kept.blocks_of(ids[:40] + ids[:40])]
    [(4, 2, 32, 8)]
    """

    def __init__(self, limit: int):
        self.limit, self.number_of_bytes = limit, 0
        self._blocks: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def blocks_of(self, token_ids: Sequence[int]) -> list[np.ndarray]:
        """The blocks that are kept of a prompt, from its first token on, in order."""
        found = []
        for key in _keys(token_ids) if self._blocks else ():
            if key not in self._blocks:
                break
            self._blocks.move_to_end(key)
            found.append(self._blocks[key])
        return found

    def keep(self, token_ids: Sequence[int], begin: int, read: np.ndarray) -> None:
        """Keeps what whole blocks of a prompt became.

        Args:
            token_ids: of the prompt.
            begin: a multiple of `BLOCK`.
            read: [parts, heads, tokens, size], of the tokens from `begin` on.
        """
        keys = _keys(token_ids)[begin // BLOCK :]
        for i, key in enumerate(keys[: read.shape[2] // BLOCK]):
            if key not in self._blocks:
                block = read[:, :, i * BLOCK : (i + 1) * BLOCK].copy()
                self._blocks[key] = block
                self.number_of_bytes += block.nbytes
        while self.number_of_bytes > self.limit:
            self.number_of_bytes -= self._blocks.popitem(last=False)[1].nbytes


def _keys(token_ids: Sequence[int]) -> list[bytes]:
    """Of every whole block of a prompt."""
    digest, keys = hashlib.blake2b(digest_size=16), []
    ids = np.asarray(token_ids, np.int32)
    for end in range(BLOCK, len(ids) + 1, BLOCK):
        digest.update(ids[end - BLOCK : end].tobytes())
        keys.append(digest.digest())
    return keys
