"""Check digits and issued ranges, on published examples and their neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.text import identifiers

digits = st.text("0123456789", min_size=1, max_size=19)


@pytest.mark.parametrize(
    "number",
    [
        # the test numbers that payment services publish
        *("4242424242424242", "4000056655665556", "5555555555554444"),
        *("2223003122003222", "5105105105105100", "378282246310005"),
        *("371449635398431", "6011111111111117", "6011000990139424"),
        *("3056930009020004"[:14], "38520000023237", "3566002020360505"),
        *("6200000000000005", "6205500000000000004", "2200700000000004"[:16]),
    ],
)
def test_cards_of_all_issuers(number):
    known = identifiers._CARDS.fullmatch(number) is not None
    assert known and identifiers.is_card(number) == identifiers.luhn(number)


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424241",  # another check digit
        "424242424242424",  # 15 digits of Visa
        "4222222222222",  # its old 13: as many product numbers begin so
        "5000000000000009",  # no issuer begins with 50 and 16 digits
        "2221000000000009"[:3] + "0000000000001",  # below Mastercard's range
        "9999999999999995",
        "0000000000000000",
    ],
)
def test_what_is_no_card(number):
    assert not identifiers.is_card(number)


@given(digits)
def test_luhn_has_one_check_digit_and_sees_every_single_error(number):
    valid = [number + d for d in "0123456789" if identifiers.luhn(number + d)]
    assert len(valid) == 1
    for at, right in enumerate(valid[0]):
        wrong = str((int(right) + 1) % 10)
        assert not identifiers.luhn(valid[0][:at] + wrong + valid[0][at + 1 :])


@pytest.mark.parametrize(
    "number",
    # the examples of the registry of ISO 13616
    [
        *("GB29NWBK60161331926819", "DE89370400440532013000", "NO9386011117947"),
        *("FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"),
        *("CH9300762011623852957", "BE68539007547034", "NL91ABNA0417164300"),
        *("AT611904300234573201", "PL61109010140000071219812874"),
        *("SA0380000000608010167519", "IT60X0542811101000000123456"),
        *("ES9121000418450200051332", "KZ86125KZT5004100100"),
    ],
)
def test_ibans(number):
    assert identifiers.is_iban(number)
    assert not identifiers.is_iban(number[:-1])
    assert not identifiers.is_iban(number + "0")
    changed = number[:-1] + str((int(number[-1], 36) + 1) % 10)
    assert not identifiers.is_iban(changed)


@pytest.mark.parametrize("number", ["US89370400440532013000", "DE00", "", "DE"])
def test_what_is_no_iban(number):
    assert not identifiers.is_iban(number)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("536904399", True),
        ("001010001", True),
        ("899999998", True),
        ("000010001", False),
        ("666010001", False),
        ("900010001", False),
        ("536004399", False),
        ("536900000", False),
        ("078051120", False),  # came with wallets, 40,000 people used it
        ("111111111", False),
        ("53690439", False),
    ],
)
def test_social_security_numbers(digits, valid):
    assert identifiers.is_us_social_security(digits) == valid


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("86095742719", True),
        ("47036892816", True),
        ("65929970489", True),
        ("57549285017", True),
        ("25768131411", True),
        ("86095742718", False),  # check digit
        ("06095742719", False),  # begins with 0
        ("12345678903", False),  # no digit twice
        ("11223456789", False),  # two digits twice
        ("8609574271", False),
    ],
)
def test_german_tax_ids(digits, valid):
    assert identifiers.is_german_tax_id(digits) == valid


def test_three_equal_digits_of_a_tax_id_do_not_stand_in_a_row():
    def complete(ten: str) -> str:
        [number] = {n for d in "0123456789" if _product_ok(n := ten + d)}
        return number

    def _product_ok(number: str) -> bool:
        product = 10
        for digit in number[:10]:
            total = (int(digit) + product) % 10
            product = (total if total else 10) * 2 % 11
        return (11 - product) % 10 == int(number[10])

    assert identifiers.is_german_tax_id(complete("1213145678"))
    assert not identifiers.is_german_tax_id(complete("1112345678"))


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("11010519491231002X", True),  # the example of the standard
        ("440524188001010014", False),  # born in 1880
        ("11010519491231002x", True),
        ("110105194912310021", False),
        ("990105194912310029", False),
        ("11010519490231002X", False),  # 31 February
        ("1101051949123100", False),
    ],
)
def test_resident_ids(number, valid):
    assert identifiers.is_chinese_resident_id(number) == valid


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("16.0.0.1", True),
        ("223.255.255.254", True),
        ("10.20.30.40", False),
        ("172.16.30.40", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.10.20", False),
        ("100.64.30.20", False),
        ("192.0.2.44", False),
        ("224.0.0.251", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("256.100.100.100", False),
        ("093.184.216.34", False),
        ("1.15.4.10", False),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("2001:db8::1", False),
        ("fe80::1", False),
        ("::1", False),
        ("fc00::20", False),
        ("a::b::c", False),
    ],
)
def test_addresses(address, public):
    assert identifiers.is_public_ip(address) == public
