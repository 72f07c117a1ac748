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
        ("2<sup>100 000</sup> x<sup>3&thinsp;000</sup>", "2^(100 000) x^(3 000)"),
        (
            "5<sup>3×2</sup> 10<sup>±3</sup> 2<sup>6 − 1</sup>",
            "5^(3×2) 10^(±3) 2^(6 − 1)",
        ),
        ("10<sup>&nbsp;3</sup> 10<sup>&#51;</sup> 10<sup>− 5</sup>", "10³ 10³ 10⁻⁵"),
        ("10<sup>½</sup> x<sup>1½</sup> 2<sup>&frac12;</sup>", "10^½ x^(1½) 2^½"),
        ("2<sup>N</sup> A<sup>T</sup> (x)<sup>M</sup>", "2^N A^T (x)^M"),
        ("a<sup>b</sup> 2<sup>''m''</sup> x<sup>π</sup>", "a^b 2^m x^π"),
        ("e<sup>2πi</sup> 2<sup>∞</sup> 2<sup>+∞</sup>", "e^(2πi) 2^∞ 2^(+∞)"),
        (
            "x<sub>1,2</sub> x<sub>i, j</sub> log<sub>1,2</sub>",
            "x_(1,2) x_(i, j) log_(1,2)",
        ),
        ("x<sub>A</sub> v<sub>e</sub> x<sub>12 a</sub>", "x_A v_e x_(12 a)"),
        (
            "2<sup>log n</sup> 2<sup>x y</sup> 2<sup>a b</sup>",
            "2^(log n) 2^(x y) 2^(a b)",
        ),
        ("T<sub>room temperature</sub>", "T_(room temperature)"),
        ("10<sup>one hundred</sup>", "10^(one hundred)"),
        (
            "2<sup>a&lt;b</sup> 2<sup>√2</sup> 2<sup>4!</sup>",
            "2^(a&lt;b) 2^(√2) 2^(4!)",
        ),
        ("&pi;<sup>N</sup> ''x''<sup>N</sup>", "&pi;^N ''x''^N"),
        # within each other
        ("2<sup>10<sup>3</sup></sup>", "2^(10³)"),
        ("2<sup>2<sup>k+1</sup></sup>", "2^(2^(k+1))"),
        ("9<sup>9<sup>9</sup>+1</sup>", "9^(9⁹+1)"),
        ("e<sup>x<sub>1</sub></sup> x<sub>1</sub><sup>N</sup>", "e^(x₁) x₁^N"),
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
        *(
            "19<sup>th century</sup>",
            "1<sup>er.</sup>",
            "N<sup>o.</sup>",
            "V<sup>E</sup>",
        ),
        *("2<sup>ème</sup>", "1<sup>o</sup>", "5<sup>-й</sup>", "M<sup>r</sup>"),
        *(
            "$19<sup>.99</sup>",
            "19<sup>99 €</sup>",
            "7<sup>TM</sup>",
            "7<sup>(R)</sup>",
        ),
        *(
            "word<sup>a</sup>",
            "word<sup>a, b</sup>",
            "word<sup>N</sup>",
            "9.5<sup>a</sup>",
        ),
        *("12<sup>h</sup> 30<sup>m</sup>", "20<sup>o</sup>C", "20<sup>º</sup>C"),
        *("H<sup>+</sup>", "U<sup>*</sup>", "CO<sub>2(g)</sub>", "a <sup>b c 3×</sup>"),
    ],
)
def test_what_is_no_formula_stays(page):
    assert with_exponents(page) == page
