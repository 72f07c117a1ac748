"""Strings that know where their characters are from, with the operations of `str`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from massivetext_keras.text.traced import (
    Traced,
    in_reply,
    joined,
    read_and_replied,
    said_spans,
    written,
)

# Who wrote a character is seen by it: a template these, and no others.
OF_TEMPLATE = "xy.\n \u3000"
SAID = "ab-\r\t\x1c"
runs = st.lists(
    st.one_of(
        st.text(OF_TEMPLATE, max_size=4).map(written),
        st.text(SAID, max_size=4).map(Traced),
    ),
    max_size=6,
)
SEPARATORS = ["x", "a", "ab", "ax", "\n", " ", "-", ".."]


def checked(text: str) -> str:
    """A text whose sources are right, as a plain string."""
    assert type(text) is Traced
    wanted = [c in SAID for c in text]
    found = [False] * len(text)
    for start, end in said_spans(text):
        found[start:end] = [True] * (end - start)
    assert found == wanted
    return str.__str__(text)


CUTS = [
    lambda t, s, n: [t[n:], t[:n], t[::-1], t[n::2]],
    lambda t, s, n: list(t),
    lambda t, s, n: [*reversed(t)],
    lambda t, s, n: [t.strip(), t.lstrip(), t.rstrip(), t.strip(s), t.lstrip(s)],
    lambda t, s, n: [t.removeprefix(s), t.removesuffix(s)],
    lambda t, s, n: t.partition(s),
    lambda t, s, n: t.rpartition(s),
    lambda t, s, n: t.split(),
    lambda t, s, n: t.split(maxsplit=n),
    lambda t, s, n: t.rsplit(None, n),
    lambda t, s, n: t.split(s),
    lambda t, s, n: t.split(s, n),
    lambda t, s, n: t.rsplit(s, n),
    lambda t, s, n: t.splitlines(),
    lambda t, s, n: t.splitlines(True),
    lambda t, s, n: [t * 2, 3 * t, t * n],
    lambda t, s, n: [str(t), t + t[1:]],
]


@given(runs, st.sampled_from(SEPARATORS), st.integers(-3, 3))
def test_what_is_cut(parts, sep, number):
    text = joined(parts)
    plain = checked(text)
    for cut in CUTS:
        found = map(checked, cut(text, sep, number))
        assert [*found] == [*cut(plain, sep, number)]


@given(runs, runs, st.sampled_from(["x", "a", "ab", "\n", "xy.", "a\n", ""]))
def test_what_is_joined_and_replaced(parts, others, sep):
    text, other = joined(parts), joined(others)
    plain, more = checked(text), checked(other)
    assert checked(text + other) == plain + more
    assert checked(other.join(parts)) == more.join(map(str.__str__, parts))
    for new in (Traced("-b"), written("x."), other):
        if sep:
            assert checked(text.replace(sep, new)) == plain.replace(sep, new)
            assert checked(text.replace(sep, new, 1)) == plain.replace(sep, new, 1)
        assert text.replace(sep, new) == plain.replace(sep, new)
    assert checked(written("x%s.%sy") % (text, other)) == f"x{plain}.{more}y"
    assert checked(written("%(a)s") % {"a": text}) == plain


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        (written("<s>") + "a" + written("<s>"), [(3, 4)]),
        ("a" + written("b") + Traced("c"), [(0, 1), (2, 3)]),
        (joined([written("a"), 12, None, 1.5, [written("b")], "c"]), [(10, 16)]),
        (written("%s-%d%%") % (Traced("a"), 3), [(0, 1)]),
        (written("%(a)s%(b)5s") % {"a": written("x"), "b": Traced("y")}, [(1, 6)]),
        (written("%*d") % (3, 1), [(0, 3)]),  # not followed
        (Traced("%s-") % written("x"), [(0, 2)]),
        ("-".join([written("x")] * 2), [(0, 3)]),
        ((written("a") + Traced("b")).upper(), [(1, 2)]),
        ((written("a") + Traced("ß")).upper(), [(0, 3)]),
        (written("ß").upper(), []),
        (written("a").center(3), []),
        (Traced("a").center(3), [(0, 3)]),
        (Traced("ab").replace("", written("x")), [(0, 5)]),
        (Traced(written("a")), []),
    ],
)
def test_where_characters_are_from(text, spans):
    assert said_spans(Traced(text)) == spans


def test_what_is_like_str():
    assert repr(Traced("a'")) == repr("a'") and hash(Traced("a")) == hash("a")
    assert {"a": 1}[Traced("a")] == 1 and "a" in Traced("cat")
    # Markup has its own way to join
    assert written("<") + Markup("<b>") == Markup("&lt;<b>")
    assert Markup("<b>") + written("<") == Markup("<b>&lt;")
    for wrong in (
        lambda: Traced("a") + 1,
        lambda: 1 + Traced("a"),
        lambda: Traced("a") * "b",
        lambda: Traced("a").join([1]),
        lambda: Traced("a")["b"],
        lambda: Traced("%d") % "a",
    ):
        with pytest.raises(TypeError):
            wrong()


def test_replies_are_apart():
    text = joined(
        ["q", in_reply(written("a") + "b", "a"), in_reply("c", "b"), "d", written("e")]
    )
    assert read_and_replied(text) == ["q", "ab", "", "c", "de"]
    assert said_spans(text) == [(0, 1), (2, 5)]
    assert read_and_replied(Traced("")) == [""]
