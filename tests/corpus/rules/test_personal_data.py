"""Personal data: what is found, what only looks like it, and hostile texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.rules.personal_data import (
    MASKS,
    find_spans,
    personal_data,
)
from massivetext_keras.reading.document import Document
from tests.clocks import seconds
from tests.corpus.personal_texts import (
    ADDRESSES,
    NO_ADDRESSES,
    NO_PHONES,
    PHONES,
    ZIP_CODES,
)

# What is personal stands between ⟦ and ⟧, by kind.
TRUE = {
    "email": [
        "Write to ⟦ada.lovelace@example.org⟧.",
        "Ada <⟦ada+lists@mail.example.co.uk⟧> wrote",
        "Schreiben Sie an ⟦müller@büro-süd.de⟧!",
        "我的邮箱是⟦li.wei2024@126.com⟧，请联系",
        "mailto:⟦O_Brien%x@EXAMPLE.COM⟧?subject=",
        "'⟦o'brien@example.ie⟧'",
        "user=⟦zoe@sub.xn--p1ai⟧;",
        "# Author: ⟦dev@company.io⟧",
        "(⟦a@b.museum⟧)",
    ],
    "phone": [
        "call ⟦+49 30 1234567⟧ now",
        "Tel.: ⟦+49 (0)30 901820⟧",
        "⟦+1-202-555-0143⟧",
        "⟦+12025550143⟧",
        "⟦(+44) 20 7946 0958⟧",
        "⟦+86 138 0013 8000⟧",
        "⟦0049 30 1234567⟧",
        "⟦(202) 555-0143⟧ or ⟦202-555-0143⟧ or ⟦202.555.0143⟧",
        "toll free ⟦1-800-234-5678⟧",
        "Phone: ⟦555-1234⟧",
        "Rufnummer ⟦0301234567⟧",
        "Telefon ⟦030 / 1234567⟧",
        "Büro ⟦(030) 1234567⟧, mobil ⟦0171-1234567⟧",
        "erreichbar unter ⟦0171 123 45 67⟧.",
        "⟦089/123456-0⟧ und ⟦01711234567⟧",
        "请拨打⟦13800138000⟧咨询",
        "电话：⟦010-62770334⟧",
        "手机 ⟦138-0013-8000⟧",
        "fax no. ⟦5551234567⟧",
    ],
    "ip": [
        "from ⟦93.184.216.34⟧ at noon",
        "http://⟦93.184.216.34⟧:8080/",
        "⟦81.2.69.142⟧/24, ⟦203.0.112.9⟧.",
        "⟦2606:2800:220:1:248:1893:25c8:1946⟧",
        "[⟦2a00:1450:4001:82b::200e⟧]",
        "来自⟦93.184.216.34⟧的请求",
    ],
    "card": [
        "card ⟦4111 1111 1111 1111⟧",
        "⟦4111-1111-1111-1111⟧, 12/28",
        "⟦5555555555554444⟧",
        "Amex ⟦3782 822463 10005⟧",
        "卡号⟦4111111111111111⟧。",
    ],
    "iban": [
        "IBAN: ⟦DE89 3704 0044 0532 0130 00⟧ BIC COBADEFFXXX",
        "⟦GB29NWBK60161331926819⟧",
        "⟦FR14 2004 1010 0505 0001 3M02 606⟧",
        "auf das Konto ⟦DE89370400440532013000⟧.",
    ],
    "national_id": [
        "SSN ⟦536-90-4399⟧",
        "social security number: ⟦536904399⟧",
        "Steuer-ID ⟦86 095 742 719⟧",
        "IdNr. ⟦86095742719⟧",
        "身份证号⟦11010519491231002X⟧",
    ],
}
LOOK_ALIKE = [
    "@dataclass and @media print",
    "root@localhost, user@host",
    "git clone git@github.com:owner/repository.git",
    "logo@2x.png banner@3x.webp",
    "react@16.8.0 or lodash@4.17.21",
    "this@MainActivity.onCreate()",
    "an e-mail@ address, a @ b.com",
    ".@example.com and a.@example.com",
    "On 2020-01-02, 01.02.2003, 12/31/1999 and 2019-2020-2021",
    "2024-05-06T07:08:09.123456+01:00 or 20240506070809",
    "1600000000 1600000000000 1600000000000000 seconds",
    "pi is 3.14159265358979323846, e 2.718281828",
    "+1 000 000 000 or 1.234.567.890 or 1,234,567,890",
    "ISBN 978-3-16-148410-0, 9783161484100, 0-306-40615-2",
    "ISSN 0028-0836, doi:10.1000/123-45-6789, arXiv:2112.11446v2",
    "version 93.184.216.34, v10.20.130.40, Chrome/90.100.212.34",
    "app-1.20.33.44.tar.gz, OID 1.3.6.1.4.1.311, §12.34.56.78",
    "section 1.2.3.4 and 10.0.0.1, 192.168.0.1, 127.0.0.1, 0.0.0.0",
    "std::vector<a::b>, 12:30:45, 00:1A:2B:3C:4D:5E, fe80::1, 2001:db8::1",
    "2019: 3 and 2020:5 Genesis 2:4",
    "0010 2030 4050 6070 8090 a0b0",
    "1990 1991 1992 1993 1994 1995 1996 1997",
    "0.25 0.50 0.75 1.00 1.25 1.50 1.75 2.00",
    "0x4111111111111111 a4111111111111111 41111111111111110000000",
    "https://example.com/photo/4111111111111111?id=202-555-0143",
    "4111 1111 1111 1112",
    "DE89 3704 0044 0532 0130 01 and DE00 1234 5678 9012 3456 78",
    "MODEL AB12 3456 7890 1234 5678",
    "666-12-1234 000-12-1234 987-65-4320 123-00-1234",
    "536904399 tonnes and 12345678901 pieces",
    "110105194913310020 110105194912310021",
    "13800138000 tonnes",
    "ISO 8601-1:2019, RFC 2119, DIN 33430, §823 BGB",
    "room 0815-4711, part 12-345-678, tail N123-456",
    "F(0) = 0, F(10) = 55, F(20) = 6765; (1) 2 (3) 4 (5) 6 (7) 8",
    "|||EMAIL_ADDRESS||| |||PHONE_NUMBER|||",
    "第2020123456号文件，共300,000,000元",
    "550e8400-e29b-41d4-a716-446655440000",
]


def marked(text: str) -> tuple[str, set[tuple[int, int]]]:
    """The text without brackets, and where they were."""
    plain, spans, start = "", set(), 0
    for character in text:
        if character == "⟦":
            start = len(plain)
        elif character == "⟧":
            spans.add((start, len(plain)))
        else:
            plain += character
    return plain, spans


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind in TRUE for text in TRUE[kind]]
)
def test_it_is_found_exactly(kind, text):
    plain, spans = marked(text)
    assert set(find_spans(plain)) == {(*span, kind) for span in spans}


@pytest.mark.parametrize("text", [*PHONES, *ADDRESSES])
def test_numbers_and_addresses_are_found_as_people_write_them(text):
    kind = "phone" if text in PHONES else "email"
    plain, spans = marked(text)
    assert set(find_spans(plain)) == {(*span, kind) for span in spans}
    # Whatever is beside them in a text without spaces between words.
    found = find_spans(f"请看：{plain}。再见", language="zh")
    assert {(start - 3, end - 3) for start, end, _ in found} == spans


@pytest.mark.parametrize("text", [*NO_PHONES, *NO_ADDRESSES])
def test_what_has_their_form_stays(text):
    assert find_spans(text) == []
    assert find_spans(f"One: {text}, two.\n{text}") == []


def test_the_language_tells_what_the_form_does_not():
    zip_or_phone, list_or_phone = "04101-1234", "01 23 45 67 89"
    assert find_spans(f"Büro {zip_or_phone}", language="en") == []
    assert find_spans(f"Büro {zip_or_phone}", language="de") == [(5, 15, "phone")]
    assert find_spans(f"Portland, ME {zip_or_phone}", language="de") == []
    assert find_spans(list_or_phone, language="en") == []
    assert find_spans(list_or_phone, language="fr") == [(0, 14, "phone")]


@pytest.mark.parametrize("language", [None, "en", "de", "de-AT", "fr", "zh"])
@pytest.mark.parametrize("text", ZIP_CODES)
def test_zip_codes_stay_in_any_language(text, language):
    assert find_spans(text, language=language) == []


@pytest.mark.parametrize("text", ["04101-1234", "04101 – 1234", "04101 1234"])
def test_what_has_the_form_of_a_zip_code_is_a_german_phone_number(text):
    spans = [(3, 3 + len(text), "phone")]
    for language in ("de", "de_AT"):
        assert find_spans(f"KG {text}", language=language) == spans


def test_a_tag_of_a_language_begins_with_it():
    assert find_spans("13800138000", language="zh-CN") == [(0, 11, "phone")]
    assert find_spans("订单号13800138000", language="zh-CN") == []


def test_an_announcement_decides_either_way():
    assert find_spans("Fax: 078-05-1120") == [(5, 16, "phone")]
    assert find_spans("Az. 0171/1234567") == []
    assert find_spans("Tel. 0171/1234567") == [(5, 17, "phone")]


@pytest.mark.parametrize("text", LOOK_ALIKE)
def test_it_only_looks_like_it(text):
    assert find_spans(text) == []


@pytest.mark.parametrize("join", ["\n", "; ", "。"])
def test_all_of_them_in_one_text(join):
    texts = [text for kind in TRUE for text in TRUE[kind]]
    mixed = [text for pair in zip(texts, LOOK_ALIKE, strict=False) for text in pair]
    plain, spans = marked(join.join(mixed))
    found = {(start, end) for start, end, _ in find_spans(plain)}
    missed = [plain[slice(*span)] for span in spans - found]
    wrong = [plain[slice(*span)] for span in found - spans]
    assert (missed, wrong) == ([], [])


def test_real_prose_has_none(data_dir):
    for name in ("lm/tinyshakespeare.txt", "lm/wikitext2_valid.raw.txt"):
        assert find_spans((data_dir / name).read_text()) == []
    chinese = (data_dir / "summ/csl_title_zh.tsv").read_text()
    assert find_spans(chinese, language="zh") == []


def test_masks_and_counts():
    batch = Batch(
        [
            Document("ada@example.org, eve@example.org: +49 30 1234567"),
            Document("nothing"),
        ]
    )
    [check] = personal_data(batch)
    assert batch.texts == [
        "|||EMAIL_ADDRESS|||, |||EMAIL_ADDRESS|||: |||PHONE_NUMBER|||",
        "nothing",
    ]
    assert check.values.tolist() == [3, 0] and not check.failed.any()
    assert batch.documents[0].columns == {"personal_data": {"email": 2, "phone": 1}}
    assert batch.documents[1].columns == {}


@pytest.mark.parametrize(
    ("count", "arguments", "dropped"),
    [
        (5, {}, False),
        (6, {}, True),
        (2, {"max_spans": 1}, True),
        (1, {"action": "drop"}, True),
        (0, {"action": "drop"}, False),
        (6, {"kinds": ["phone", "ip"]}, False),
    ],
)
def test_documents_with_many_are_dropped(count, arguments, dropped):
    text = "mail a@example.org " * count
    batch = Batch([Document(text)])
    [check] = personal_data(batch, **arguments)
    assert check.name == "spans" and check.failed.tolist() == [dropped]
    # Dropped ones are masked too: samples of them are shown to people.
    assert ("@" in batch.texts[0]) == ("kinds" in arguments)


def test_views_stay_where_nothing_is_found():
    batch = Batch([Document("nothing")])
    view = batch.view(len)
    personal_data(batch)
    assert batch._views == {len: view}


def test_in_chinese_eleven_digits_are_a_mobile_number():
    assert find_spans("13800138000", language="zh") == [(0, 11, "phone")]
    assert find_spans("13800138000") == []


def test_a_number_is_of_one_kind():
    # a card by its digits, and German mobile digits by its start in another reading
    text = "Tel: 4111111111111111"
    assert find_spans(text) == [(5, 21, "card")]
    assert find_spans(text, kinds=("phone",)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "hide"}, "action of personal_data 'hide'"),
        ({"kinds": ["mail"]}, "did you mean 'email'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        personal_data(Batch([Document("x")]), **arguments)


pieces = st.lists(
    st.one_of(
        st.text("0123456789 +-./()@:", max_size=12),
        st.text(max_size=4),
        st.sampled_from([marked(text)[0] for kind in TRUE for text in TRUE[kind]]),
    ),
    max_size=8,
)


@given(pieces)
def test_spans_are_apart_and_nothing_else_changes(parts):
    text = "".join(parts)
    found = find_spans(text)
    ends = [0, *(span.end for span in found)]
    assert all(end <= span.start for end, span in zip(ends, found, strict=False))
    assert all(span.start < span.end <= len(text) for span in found)
    batch = Batch([Document(text)])
    personal_data(batch)
    for start, end, kind in reversed(found):
        text = text[:start] + MASKS[kind] + text[end:]
    assert batch.texts == [text]


HOSTILE = [
    *("1", "@", "a@", "1.", "1 ", "+", "(", "0123 45 ", "2001:", "+1 ", "(+4)", "://"),
    *(
        "4111 1111 1111 1111 ",
        "DE89 ",
        "a.",
        "tel: 1234567 ",
        "536-90-4399 ",
        "0171 12 ",
    ),
    *(
        "x4111111111111111/",
        "1-",
        "0" * 9 + " ",
        "@a.",
        "a-",
        "DE89370400440532013000 ",
    ),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_grows_with_the_length_and_no_faster(piece):
    def cost(characters: int) -> float:
        text = piece * (characters // len(piece))
        return seconds(lambda: find_spans(text))

    # Quadratic time would be 64 times as long; a busy machine may double it.
    assert cost(40_000) < 24 * cost(5_000) + 0.02
