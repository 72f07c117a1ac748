"""The merges of byte-pair encoding, as scores of SentencePiece."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence


def parse_merges(text: str) -> list[str]:
    """Returns the merges of a `merges.txt`.

    >>> parse_merges("#version: 0.2\\nl o\\n")
    ['l o']
    """
    lines = text.split("\n")
    return [line for line in lines if line and not line.startswith("#version")]


def merge_pairs(merges: Iterable[str | Sequence[str]]) -> list[tuple[str, ...]]:
    """Returns the merges as tuples, of "left right" or pairs.

    >>> merge_pairs(["l o", ["lo", "w"]])
    [('l', 'o'), ('lo', 'w')]
    """
    return [tuple(m.split(" ") if isinstance(m, str) else m) for m in merges]


def last_merges(
    tokens: Sequence[str], merges: Sequence[tuple[str, ...]]
) -> list[int | None]:
    """Returns for each token the rank of the merge that completes it.

    SentencePiece joins two neighbours whenever the result is a piece, the best score
    first. A token's parts meet as neighbours in a text just as they do when the BPE
    runs on the token alone, since a merge across its borders would have destroyed it.
    So each token is run alone: its last merge is the only one that can make it in any
    text, and its negative rank is the score. None is for a token that is not reached.

    Raises:
        ValueError: the part or result of a merge is missing in the tokens.

    >>> last_merges(["a", "b", "c", "ab", "abc"], [("b", "c"), ("a", "b"), ("ab", "c")])
    Traceback (most recent call last):
    ValueError: merges: 'b c' is not made of known tokens
    >>> last_merges(["a", "b", "c", "ab", "abc"], [("a", "b"), ("ab", "c")])
    [0, 0, 0, 0, 1]
    """
    known = set(tokens)
    for pair in merges:
        if len(pair) != 2 or not known.issuperset((*pair, "".join(pair))):
            raise ValueError(f"merges: {' '.join(pair)!r} is not made of known tokens")
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return [_last_merge(token, ranks) for token in tokens]


def _last_merge(token: str, ranks: Mapping[tuple[str, ...], int]) -> int | None:
    """Returns the rank of one token; 0 for one character.

    >>> _last_merge("abc", {("a", "b"): 0, ("b", "c"): 1, ("ab", "c"): 2})
    2
    >>> _last_merge("abc", {("b", "c"): 0, ("a", "b"): 1, ("ab", "c"): 2})
    """
    parts, rank = list(token), 0
    while len(parts) > 1:
        found = [ranks.get(pair, len(ranks)) for pair in itertools.pairwise(parts)]
        rank = min(found)
        if rank == len(ranks):
            return None
        at = found.index(rank)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return rank
