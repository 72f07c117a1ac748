"""Training and validation texts, split the same way every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

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
    if not 0 <= validation_fraction < 1:
        raise ValueError(
            f"validation_fraction must be at least 0 and below 1, "
            f"not {validation_fraction}"
        )
    if validation_fraction == 0:
        return documents, []
    distinct = set(documents)
    if len(distinct) < FEWEST_DOCUMENTS:
        exact = len(documents) == 1
        pairs = [_cut(text, validation_fraction, exact) for text in documents]
        train = [head for head, _ in pairs if head]
        valid = [tail for _, tail in pairs if tail]
    else:
        places = {text: _place(text, seed) for text in distinct}
        held_out = {text for text in places if places[text] < validation_fraction}
        held_out |= {min(places, key=places.__getitem__)}  # neither side stays empty
        held_out -= {max(places, key=places.__getitem__)}
        train = [text for text in documents if text not in held_out]
        valid = [text for text in documents if text in held_out]
    if not train or not valid:
        raise ValueError(
            f"{sum(map(len, documents))} characters are too few to set "
            f"{validation_fraction} of them aside for validation"
        )
    return train, valid


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
