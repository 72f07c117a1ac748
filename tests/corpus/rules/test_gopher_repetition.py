"""Gopher's table of repetition: each bound, and equality with a plain count."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.rules.gopher_repetition import gopher_repetition
from massivetext_keras.reading.document import Document


def reference(text: str) -> dict[str, float]:
    """The table for a text in a script with spaces, counted with dictionaries."""
    values = {}
    pieces = {
        "line": [(line.split(), len(line.strip())) for line in text.split("\n")],
        "paragraph": [],
    }
    start = None
    rows = text.split("\n")
    for index, row in enumerate([*rows, ""]):
        if row.strip() and start is None:
            start = index
        if not row.strip() and start is not None:
            whole = "\n".join(rows[start:index]).strip()
            pieces["paragraph"].append((whole.split(), len(whole)))
            start = None
    for name, spans in pieces.items():
        spans = [(tuple(words), length) for words, length in spans if words]
        seen, repeated, characters = set(), 0, 0
        for words, length in spans:
            if words in seen:
                repeated, characters = repeated + 1, characters + length
            seen.add(words)
        total = sum(length for _, length in spans)
        values[f"duplicate_{name}s"] = repeated / max(len(spans), 1)
        values[f"duplicate_{name}_characters"] = characters / max(total, 1)
    words = text.split()
    total = max(sum(map(len, words)), 1)
    for size in range(2, 11):
        grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        if size < 5:
            top = max(
                (
                    (times, len("".join(gram)))
                    for gram, times in Counter(grams).items()
                    if times > 1
                ),
                default=(0, 0),
            )
            values[f"top_{size}gram"] = top[0] * top[1] / total
        else:
            seen, covered = set(), set()
            for index, gram in enumerate(grams):
                if gram in seen:
                    covered.update(range(index, index + size))
                seen.add(gram)
            values[f"duplicate_{size}grams"] = (
                sum(len(words[index]) for index in covered) / total
            )
    return values


def table(checks, index=0) -> dict[str, float]:
    return {check.name: float(check.values[index]) for check in checks}


PHRASES = st.sampled_from(
    [*("a", "bb", "c", "dd eee", "\n", "\n\n", " \n ", "one two three four five six")]
)
TEXTS = st.lists(PHRASES, max_size=40).map(" ".join)


@settings(max_examples=150)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_values_are_those_of_a_plain_count(texts):
    checks = gopher_repetition(Batch(map(Document, texts)), measure_all=True)
    for index, text in enumerate(texts):
        assert table(checks, index) == pytest.approx(reference(text))


@settings(max_examples=150)
@given(st.lists(st.one_of(TEXTS, st.text("中文字 \na", max_size=60)), max_size=4))
def test_a_batch_is_its_documents_alone(texts):
    together = gopher_repetition(Batch(map(Document, texts)))
    for index, text in enumerate(texts):
        alone = table(gopher_repetition(Batch([Document(text)])))
        assert np.array_equal(
            list(alone.values()),
            list(table(together, index).values()),
            equal_nan=True,
        )


@settings(max_examples=150)
@given(TEXTS)
def test_what_is_not_measured_would_pass(text):
    batch = Batch([Document(text)])
    some, everything = (
        gopher_repetition(batch),
        gopher_repetition(batch, measure_all=True),
    )
    for one, other in zip(some, everything, strict=True):
        assert one.failed.tolist() == other.failed.tolist()
        assert np.isnan(one.values[0]) or one.values[0] == other.values[0]
        assert not np.isnan(other.values[0])


def distinct(count: int, width: int = 5) -> list[str]:
    """Words of so many letters, each once."""
    return [f"{index:0{width}}" for index in range(count)]


def padded(parts: list[str], count: int) -> str:
    """The parts with other words between them, `count` words of 5 letters in all."""
    rest = distinct(count - sum(len(part.split()) for part in parts))
    words = [word for part in parts for word in (part, rest.pop())]
    return " ".join(words + rest)


def gram(size: int) -> str:
    return " ".join("abcdefghij"[index] * 5 for index in range(size))


BOUNDS = [
    # check, text at the bound (kept), text beyond it (dropped)
    (
        "duplicate_lines",
        "\n".join(["aa"] * 4 + distinct(6)),
        "\n".join(["aa"] * 5 + distinct(6)),
    ),
    (
        "duplicate_paragraphs",
        "\n\n".join(["aa"] * 4 + distinct(6)),
        "\n\n".join(["aa"] * 5 + distinct(6)),
    ),
    (
        "duplicate_line_characters",
        "\n".join(["aaaaa"] * 3 + distinct(7)),
        "\n".join(["aaaaa"] * 3 + distinct(6)),
    ),
    (
        "duplicate_paragraph_characters",
        "\n\n".join(["aaaaa"] * 3 + distinct(7)),
        "\n \n".join(["aaaaa"] * 3 + distinct(6)),
    ),
    ("top_2gram", padded([gram(2)] * 10, 100), padded([gram(2)] * 10, 99)),
    ("top_3gram", padded([gram(3)] * 6, 100), padded([gram(3)] * 6, 99)),
    ("top_4gram", padded([gram(4)] * 4, 100), padded([gram(4)] * 4, 99)),
    ("duplicate_5grams", padded([gram(5)] * 4, 100), padded([gram(5)] * 4, 99)),
    ("duplicate_6grams", padded([gram(6)] * 8, 300), padded([gram(6)] * 8, 299)),
    ("duplicate_7grams", padded([gram(7)] * 14, 700), padded([gram(7)] * 14, 699)),
    ("duplicate_8grams", padded([gram(8)] * 4, 200), padded([gram(8)] * 4, 199)),
    ("duplicate_9grams", padded([gram(9)] * 12, 900), padded([gram(9)] * 12, 899)),
    ("duplicate_10grams", padded([gram(10)] * 2, 100), padded([gram(10)] * 2, 99)),
]
TABLE_A1 = {
    **{"duplicate_lines": 0.30, "duplicate_paragraphs": 0.30},
    **{"duplicate_line_characters": 0.20, "duplicate_paragraph_characters": 0.20},
    **{"top_2gram": 0.20, "top_3gram": 0.18, "top_4gram": 0.16},
    **{"duplicate_5grams": 0.15, "duplicate_6grams": 0.14, "duplicate_7grams": 0.13},
    **{"duplicate_8grams": 0.12, "duplicate_9grams": 0.11, "duplicate_10grams": 0.10},
}


@pytest.mark.parametrize(("name", "kept", "dropped"), BOUNDS)
def test_table_at_both_sides(name, kept, dropped):
    checks = gopher_repetition(
        Batch([Document(kept), Document(dropped)]), measure_all=True
    )
    assert {check.name: check.at_most for check in checks} == TABLE_A1
    [check] = [check for check in checks if check.name == name]
    assert check.values[0] == pytest.approx(TABLE_A1[name])
    assert check.failed.tolist() == [False, True]
    # The bound lies next to what was measured: the next word decided.
    assert check.values[1] == pytest.approx(TABLE_A1[name], rel=0.25)


def test_a_long_repeat_is_found_though_short_ones_pass():
    text = padded([gram(10)] * 2, 84)  # 10 of 84 words: .119, under .15 to .12
    checks = gopher_repetition(Batch([Document(text)]))
    assert [check.name for check in checks if check.failed[0]] == [
        *("duplicate_9grams", "duplicate_10grams")
    ]


def test_each_bound_is_an_argument():
    rest = distinct(100)
    parts = [" ".join(rest[start : start + 20]) for start in range(0, 100, 20)]
    text = "\n\n".join([gram(10), gram(10), *parts])
    batch = Batch([Document(text)])
    none = dict.fromkeys(("2", "3", "4"), 0.0)
    assert not any(check.failed[0] for check in gopher_repetition(batch))
    checks = gopher_repetition(
        batch,
        max_duplicate_lines=0,
        max_duplicate_paragraphs=0,
        max_duplicate_line_characters=0,
        max_duplicate_paragraph_characters=0,
        max_top_ngrams=none,
        max_duplicate_ngrams={"10": 0.0, "12": 0.0},
    )
    assert [check.name for check in checks if check.failed[0]] == [
        *("duplicate_lines", "duplicate_line_characters"),
        *("duplicate_paragraphs", "duplicate_paragraph_characters"),
        *("top_2gram", "top_3gram", "top_4gram", "duplicate_10grams"),
    ]


def test_chinese_runs_are_twice_as_long():
    text = "中华人民共和国是" + "甲乙丙丁戊己庚辛壬癸" + "中华人民共和国有"
    values = table(gopher_repetition(Batch([Document(text)]), measure_all=True))
    assert values["top_2gram"] == pytest.approx(2 * 4 / 26)  # runs of 4 characters
    assert values["top_3gram"] == pytest.approx(2 * 6 / 26)
    assert values["top_4gram"] == 0  # of 8: 7 are repeated
    assert values["duplicate_5grams"] == 0


def test_code_is_not_measured():
    batch = Batch([Document("x\n" * 50, kind="code"), Document("x\n" * 50)])
    checks = gopher_repetition(batch)
    assert all(np.isnan(check.values[0]) for check in checks)
    assert checks[0].failed.tolist() == [False, True]


def test_nothing_to_measure():
    checks = gopher_repetition(Batch([Document(""), Document("word")]))
    assert all(not check.failed.any() for check in checks)
    assert all(len(check.values) == 0 for check in gopher_repetition(Batch([])))
