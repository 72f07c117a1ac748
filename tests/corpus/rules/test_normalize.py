"""Normalisation: what is mended, what is removed, and that twice is once."""

from __future__ import annotations

import json
import unicodedata

import ftfy
import numpy as np
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.rules.normalize import _suspicious, normalize
from massivetext_keras.reading.document import Document


def normal(text, kind="text", **arguments):
    batch = Batch([Document(text, kind=kind)])
    normalize(batch, **arguments)
    return batch.texts[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "one\r\ntwo\rthree\u2028four\x0bfive\x85",
            "one\ntwo\nthree\nfour\nfive…",  # as Windows wrote it
        ),
        ("a\0b\x07c\x7fd\ufeffe\u200bf\u00adg\u202eh", "abcdefgh"),
        ("a\xa0b\u2003c  d \t e\tf", "a b c d e\tf"),
        ("one  \n\n \n\n\ntwo\t\n", "one\n\ntwo"),
        ("\n\n  indented\n    more  \nless", "  indented\n    more\nless"),
        ("\u3000\u3000段落一。\n\u3000\u3000段落二。", "段落一。\n段落二。"),
        ("e\u0301 \u1112\u1161\u11ab \u212b", "é 한 Å"),
        ("ﬁ ２ ①", "ﬁ ２ ①"),
        ("می\u200cخواهم 👩\u200d💻 \u0915\u094d\u200d", None),
        ("fÃ¼r â€œdichâ€\x9d", "für “dich”"),
        ("Grüße, „Straße“: 5 °C – 3 € œuvre", None),
        ("“It’s café” – naïve… «да» 中文，標點。 ¿qué? £5 ½", None),
        ("half \ud800 a pair", "half \ufffd a pair"),
        ("", ""),
        (" \n\t\u3000\n", ""),
    ],
)
def test_prose(text, expected):
    assert normal(text) == (text if expected is None else expected)


def test_compatible_characters_on_demand():
    assert normal("ﬁ ２ ①", form="NFKC") == "fi 2 1"


def test_mojibake_on_demand():
    assert normal("fÃ¼r\x85", mojibake=False) == "fÃ¼r"


def test_lines_are_mended_each_by_itself():
    text = "Grüße aus MÃ¼nchen\nDie StraÃŸe ist nass.\nUnd schön."
    assert normal(text) == "Grüße aus München\nDie Straße ist nass.\nUnd schön."


def test_code_keeps_its_shape():
    code = "def f():\n\tif  a:   \n\n\n\n\t\tb = 'fÃ¼r\u200b e\u0301'\n"
    assert normal(code, "code") == code
    assert normal("\ufeffa\r\nb\0\x0c\n", "code") == "a\nb\x0c\n"


def test_pages_are_left_alone():
    page = "<p>fÃ¼r\r\n  \0</p>"
    assert normal(page, "html") == page


def test_too_much_that_is_not_valid():
    batch = Batch([Document("\ufffd" + "a" * 99), Document("\ufffd\ufffd" + "a" * 98)])
    [check] = normalize(batch)
    assert check.values.tolist() == [0.01, 0.02]
    assert check.failed.tolist() == [False, True]


def test_what_ftfy_repairs_is_repaired(data_dir):
    cases = json.loads((data_dir / "clean/ftfy_synthetic.json").read_text("utf-8"))
    repaired = 0
    for case in cases:
        wanted = case.get("fixed-encoding", case["fixed"])
        found = ftfy.fix_encoding(case["original"])
        assert found == case["original"] or _suspicious().search(case["original"])
        repaired += normal(case["original"]) == normal(wanted, mojibake=False)
    assert (repaired, len(cases)) == (30, 30)


LETTERS = "".join(
    chr(code)
    for code in range(0x80, 0x2600)
    if any(chr(code) in value for value in MOJIBAKE_CATEGORIES.values())
)
# What the categories name as ranges, which the above sees the ends of.
LETTERS += "".join(map(chr, range(0x80, 0x180))) + "ВГРСЂўвβΒΓΞΟΆĀā√≈‚"
SOUP = st.text(st.sampled_from(LETTERS + "aZ .,\n"), max_size=6)
WHITE = "\r\n\t\x0b\x0c\x85\xa0\u2003\u3000\u200b\xad\ufeff\u202e \0"
MESS = st.text(st.sampled_from(LETTERS + WHITE + "aZe\u0301\u1112\u1161\ud800中"))


@given(st.lists(SOUP, min_size=20, max_size=20))
def test_nothing_that_ftfy_would_mend_passes_the_gate(texts):
    for text in texts:
        assert not is_bad(text) or _suspicious().search(text), ascii(text)


def test_the_gate_lets_few_texts_through(data_dir):
    german = (data_dir / "mt/multi30k/train.de").read_text("utf-8").splitlines()
    assert len(german) == 29_000
    assert sum(bool(_suspicious().search(text)) for text in german) < 10


@given(st.lists(st.text() | MESS | SOUP, min_size=1, max_size=4))
def test_twice_is_once(parts):
    text = "".join(parts)
    once = normal(text)
    assert normal(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once.encode().decode() == once
    assert not set(once) & set("\0\r\x0b\x85\u200b\xad\ufeff\u202e")
    assert not any(line.endswith((" ", "\t")) for line in once.split("\n"))
    for kind, arguments in [("text", {"form": "NFKC"}), ("code", {})]:
        once = normal(text, kind, **arguments)
        assert normal(once, kind, **arguments) == once


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000", "\xa0", "\n", "Ã", " \n", "é"])
def test_long_runs_take_linear_time(blank):
    text = "a" + blank * 1_000_000 + "b"
    once = normal(text)
    assert once[0] == "a" and once[-1] == "b"
    assert np.isfinite(len(once))
