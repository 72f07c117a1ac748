"""Personal data: found by patterns, believed if it is valid, masked or dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text import identifiers
from massivetext_keras.corpus.text.email_addresses import find_email_addresses
from massivetext_keras.corpus.text.personal_numbers import DIGITS, RULES
from massivetext_keras.support.arguments import Count, Known
from massivetext_keras.support.scripts import primary_language
from massivetext_keras.support.values import choose

MASKS = {
    "email": "|||EMAIL_ADDRESS|||",
    "iban": "|||BANK_ACCOUNT|||",
    "card": "|||CARD_NUMBER|||",
    "national_id": "|||NATIONAL_ID|||",
    "ip": "|||IP_ADDRESS|||",
    "phone": "|||PHONE_NUMBER|||",
}


class Span(NamedTuple):
    """Where something personal lies: `text[start:end]`."""

    start: int
    end: int
    kind: str


@rule
def personal_data(
    batch: Batch,
    *,
    action: Literal["mask", "drop"] = "mask",
    kinds: Sequence[Annotated[str, Known(MASKS)]] = tuple(MASKS),
    max_spans: Count | None = 5,
) -> list[Check]:
    """Masks personal data, and drops documents with too much of it.

    What is found becomes a name of its kind, such as `|||EMAIL_ADDRESS|||`; a document
    with more than `max_spans` of them is dropped, as in Dolma (Soldaini et al., 2024,
    "Dolma: an open corpus of three trillion tokens", section 5.3). Dropped documents
    are masked too, so that no report shows them. How many there are of each kind is the
    column `personal_data`.

    Holds for every language and for code: an e-mail address, a public IP address, a
    phone number in international form, as it is written in the US, Britain, Germany,
    Austria, Switzerland, France or China, or after a word such as "tel", and what its
    check digits confirm: cards, IBANs, social security numbers (US), tax ids (German)
    and resident ids (Chinese). A number that is announced as another one ("ISBN",
    "Az.", "Order no.") or has the form of a ZIP code is no phone number; one of a
    service that people call ("service no.", 0900) is. Names and postal addresses are
    not looked for. In the 710 copyright files of a Debian machine (15 MB), each of the
    83 phone numbers that are found is one.

    Args:
        batch: documents; those in which something is found get another text.
        action: "mask"; or "drop" every document with any.
        kinds: which are looked for, of `MASKS`.
        max_spans: the most that are masked; None for any number.

    Returns:
        The check `spans`, the number found.

    Raises:
        ValueError: an unknown action or kind.

    >>> from massivetext_keras.reading.document import Document
    >>> batch = Batch([Document("Write to ada@example.org or call +49 30 1234567.")])
    >>> [check] = personal_data(batch)
    >>> batch.texts, check.values.tolist()
    (['Write to |||EMAIL_ADDRESS||| or call |||PHONE_NUMBER|||.'], [2.0])
    """
    choose("action of personal_data", action, dict.fromkeys(("mask", "drop")))
    for kind in kinds:
        choose("kind of personal data", kind, MASKS)
    texts, counts = batch.texts, np.zeros(len(batch))
    for index, document in enumerate(batch.documents):
        found = find_spans(document.text, kinds, document.language)
        if found:
            counts[index] = len(found)
            texts[index] = _masked(document.text, found)
            numbers = Counter(span.kind for span in found)
            document.columns["personal_data"] = {
                kind: numbers[kind] for kind in MASKS if numbers[kind]
            }
    if counts.any():
        batch.rewrite(texts)
    return [Check("spans", counts, at_most=max_spans if action == "mask" else 0)]


def find_spans(
    text: str, kinds: Sequence[str] = tuple(MASKS), language: str | None = None
) -> list[Span]:
    """Everything personal in a text, in order, without overlaps.

    Args:
        text: any.
        kinds: which are looked for; where two overlap, the earlier of `MASKS` counts.
        language: ISO 639-1 code, with or without a country. In Chinese ("zh") eleven
            digits that begin as mobile numbers do are one, elsewhere a word such as
            "tel" has to come before.

    >>> find_spans("from 93.184.216.34")
    [Span(start=5, end=18, kind='ip')]
    """
    found: list[Span] = []
    if "email" in kinds:
        found += (Span(*span, "email") for span in find_email_addresses(text))
    if "iban" in kinds:
        found += _ibans(text)
    if "ip" in kinds:
        found += _version_6(text)
    rules = [rule for rule in RULES if rule.kind in kinds]
    language = language and primary_language(language)
    for digits in DIGITS.finditer(text) if rules else ():
        # With the character before and those after, for what must not be there.
        start, end = max(digits.start() - 3, 0), digits.end() + 2
        for kind, pattern, valid in rules:
            for match in pattern.finditer(text, start, end):
                if valid(match, language):
                    found.append(Span(match.start(), match.end(), kind))
    return _apart(found, len(text)) if len(found) > 1 else found


def _apart(found: list[Span], length: int) -> list[Span]:
    """Those that do not overlap one of an earlier kind, or an earlier one."""
    order, taken, kept = list(MASKS), bytearray(length), []
    for span in sorted(found, key=lambda span: (order.index(span.kind), span)):
        if taken.find(1, span.start, span.end) < 0:
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept)


def _masked(text: str, found: Sequence[Span]) -> str:
    pieces, end = [], 0
    for span in found:
        pieces += [text[end : span.start], MASKS[span.kind]]
        end = span.end
    return "".join([*pieces, text[end:]])


# What precedes the first character is looked at behind it: a pattern that begins with a
# set of characters is searched several times faster.
_IBAN = re.compile(r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z][0-9]{2}(?=[ \u00a0]?[A-Z0-9]{4})")
_IBAN_REST = {
    length: re.compile(rf"(?:[ \u00a0]?[A-Z0-9]){{{length - 4}}}(?![A-Za-z0-9])")
    for length in range(15, 34)
}


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = identifiers.iban_length(match[0][:2])
        rest = length and _IBAN_REST[length].match(text, match.end())
        if rest and identifiers.is_iban(re.sub(r"\s", "", match[0] + rest[0])):
            yield Span(match.start(), rest.end(), "iban")


# Addresses in use begin with 2000::/3.
_VERSION_6 = re.compile(
    r"[23](?<![0-9A-Za-z:._][23])[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{3,34}(?![0-9A-Za-z:_])"
)


def _version_6(text: str) -> Iterator[Span]:
    for match in _VERSION_6.finditer(text):
        groups = sum(map(bool, match[0].split(":")))
        if groups >= 3 and identifiers.is_public_ip(match[0]):
            yield Span(*match.span(), "ip")
