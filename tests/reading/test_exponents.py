"""Exponents and indices: which are characters, which formulas, and which neither."""

from __future__ import annotations

import pytest

from massivetext_keras.reading.exponents import with_exponents


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("100<sup>2</sup>=10000", "100²=10000"),
        ("10<SUP class=x> -3 </SUP>", "10⁻³"),
        ("m<sup>&minus;1</sup> s<sup>−2</sup>", "m⁻¹ s⁻²"),
        ("a<sup>2n+1</sup>", "a²ⁿ⁺¹"),
        ("10<sup><b>6</b></sup>", "10⁶"),
        ("word<sup>1,2</sup>", "word¹,²"),
        ("H<sub>2</sub>SO<sub>4</sub>", "H₂SO₄"),
        ("x<sub>n+1</sub> x<sub>i</sub>", "xₙ₊₁ xᵢ"),
        ("e<sup>x+y</sup> a<sup>1/2</sup> e<sup>2x</sup>", "e^(x+y) a^(1/2) e^(2x)"),
        ("2<sup>k</sup>", "2^k"),
        ("2<sup><i>n</i>+1</sup> x<sup>2<var>n</var></sup>", "2ⁿ⁺¹ x²ⁿ"),
        ("2<sup>''n''−1</sup> a<sub>''i''</sub>", "2ⁿ⁻¹ aᵢ"),
        ("10<sup>–6</sup> 10<sup>&ndash;9</sup>", "10⁻⁶ 10⁻⁹"),
        ("e<sup>-x</sup> e<sup>−2''t''</sup>", "e^(-x) e^(−2t)"),
        ("e<sup>iπ</sup> r<sup>2π</sup>", "e^(iπ) r^(2π)"),
        ("2<sup>2.5</sup>", "2^(2.5)"),
    ],
)
def test_formulas(page, text):
    assert with_exponents(page) == text


@pytest.mark.parametrize("inside", ["n" * 59 + "x", "1" * 50 + "?", "1+" * 29 + "?"])
def test_what_is_nearly_a_number_takes_no_time(inside):
    page = f"<sup>{inside}</sup><sub>{inside}</sub>" * 100
    assert with_exponents(page) == page


@pytest.mark.parametrize(
    "page",
    [
        *("19<sup>th</sup>", "1<sup>er</sup>", "XIX<sup>e</sup>", "M<sup>me</sup>"),
        *("x<sup>[1]</sup>", "x<sub>max</sub>", "X<sup>®</sup>", "x<sup>2nd</sup>"),
        *("<sup>2", "2</sup>", "<sup>2</sub>", "<sup><a>2</a></sup>", "<sup> </sup>"),
        *(
            "19<sup>ος</sup>",
            "1<sup>η</sup>",
            "f<sup>''</sup>",
            "1<sup><i>er</i></sup>",
        ),
    ],
)
def test_what_is_no_formula_stays(page):
    assert with_exponents(page) == page
