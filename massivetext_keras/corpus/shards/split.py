"""Training and validation texts, split the same way every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

FEWEST_DOCUMENTS = 20  # below this many distinct ones, each is cut in two
_NEAR = 200  # characters a cut may move back to the last line break


def split_documents(
    documents: Iterable[str], validation_fraction: float, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Split documents into training and validation texts.

    From 20 distinct documents on, a hash of its contents sends each to one side: equal
    documents stay together, and a document keeps its side when others are added. The
    validation side then has about `validation_fraction` of the documents, and each side
    at least one.

    Fewer documents are cut instead: the last `validation_fraction` of each one's
    characters are for validation. A single document is cut at exactly
    `int(length * (1 - validation_fraction))`, the convention of nanoGPT's
    `data/shakespeare_char/prepare.py`; several are cut at the last line break before
    that, if one is within 200 characters and a tenth of the training part.

    Args:
        documents: texts.
        validation_fraction: share of validation, 0 <= fraction < 1; 0 gives all to
            training.
        seed: another seed, another split by hash; cuts don't depend on it.

    Returns:
        (training texts, validation texts), both in the order of the documents.

    Raises:
        ValueError: a fraction out of range, or too little text to give both sides some.

    Example:
        >>> split_documents(["to be or not to be"], validation_fraction=0.25)
        (['to be or not '], ['to be'])
    """
    documents = list(documents)
    split = Split.of(documents, validation_fraction, seed)
    train, valid = zip(*map(split, documents), strict=True) if documents else ((), ())
    return (
        [text for text in train if text is not None],
        [text for text in valid if text is not None],
    )


@dataclass(frozen=True)
class Split:
    """Sends one document after another where `split_documents` sends them.

    `Split.of` reads all documents once and keeps none of them.

    Args:
        fraction: share of validation.
        seed: of the split by hash.
        cut: every document is cut in two.
        exact: it is not cut at a line break.
        first, last: where the first and the last document lie by their hashes; they
            go to validation and to training whatever the fraction is.

    >>> split = Split.of(["to be or not to be"], 0.25)
    >>> split("to be or not to be")
    ('to be or not ', 'to be')
    """

    fraction: float
    seed: int = 0
    cut: bool = False
    exact: bool = False
    first: float = 0.0
    last: float = 1.0

    @classmethod
    def of(cls, documents: Iterable[str], fraction: float, seed: int = 0) -> Split:
        """The split of some documents.

        Args:
            documents: texts; they are not read if the fraction is 0.
            fraction: share of validation, 0 <= fraction < 1.
            seed: of the split by hash.

        Raises:
            ValueError: a fraction out of range, or too little text for two sides.
        """
        if not 0 <= fraction < 1:
            raise ValueError(
                f"validation_fraction must be at least 0 and below 1, not {fraction}"
            )
        if fraction == 0:
            return cls(0.0)
        count = characters = longest = 0
        first, last = 1.0, 0.0
        distinct: set[float] = set()
        for text in documents:
            count, characters = count + 1, characters + len(text)
            longest, place = max(longest, len(text)), _place(text, seed)
            first, last = min(first, place), max(last, place)
            if len(distinct) < FEWEST_DOCUMENTS:
                distinct.add(place)
        cut = len(distinct) < FEWEST_DOCUMENTS
        if cut and not 0 < int(longest * (1 - fraction)) < longest:
            raise ValueError(
                f"{characters} characters are too few to set {fraction} of them aside "
                "for validation"
            )
        return cls(fraction, seed, cut, count == 1, first, last)

    def __call__(self, text: str) -> tuple[str | None, str | None]:
        """What of a document is for training and for validation, None for nothing."""
        if self.fraction == 0:
            return text, None
        if self.cut:
            head, tail = _cut(text, self.fraction, self.exact)
            return head or None, tail or None
        place = _place(text, self.seed)
        held_out = place < self.fraction or place == self.first
        return (None, text) if held_out and place != self.last else (text, None)


def _cut(text: str, fraction: float, exact: bool) -> tuple[str, str]:
    at = int(len(text) * (1 - fraction))
    if not exact:
        near = min(_NEAR, at // 10)
        at = text.rfind("\n", at - near, at) + 1 or at
    return text[:at], text[at:]


def _place(text: str, seed: int) -> float:
    """Where a text lies between 0 and 1, by its contents alone."""
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()
    )
    return int.from_bytes(digest.digest(), "big") / 2**64
