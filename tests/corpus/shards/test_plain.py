"""Values as JSON: nothing that a record may hold is refused, nor changed in silence."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.shards.plain import from_json, to_json


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (2**63, "9223372036854775808"),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**400, "1" + "0" * 400),
        (True, "true"),
        (0.1, "0.1"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        ("a\ud83d\ude00", '"a😀"'),
        ("a\ud83db", '"a\ufffdb"'),
        ("\udc80", '"\ufffd"'),
        ({"\ud83d": 2**70}, '{"\ufffd":1180591620717411303424}'),
        ({1: 2**70}, '{"1":1180591620717411303424}'),
        ([(2**64, "\udfff")], '[[18446744073709551616,"\ufffd"]]'),
        (b"caf\xc3\xa9 \xff", '"café \ufffd"'),
        (np.float32("nan"), "null"),
        (np.array([1, 2]), "[1,2]"),
        ([np.int64(7), 2**64], "[7,18446744073709551616]"),
        (datetime.date(2024, 5, 6), '"2024-05-06"'),
        (Path("a/b"), '"a/b"'),
    ],
)
def test_what_a_value_becomes(value, written):
    assert to_json({"value": value}).decode() == f'{{"value":{written}}}'


def test_no_data_are_no_values():
    assert from_json(None) == from_json(b"") == {}


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters()),
        st.binary(max_size=4),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters()), anything))
def test_strict_parsers_take_what_is_written(values):
    data = to_json(values)
    orjson.loads(data)
    assert json.loads(data, parse_constant=pytest.fail) == from_json(data)
    assert from_json(to_json(from_json(data))) == from_json(data)
