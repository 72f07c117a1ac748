"""What several documents have in common, against a plain search."""

from __future__ import annotations

import functools
import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.duplicates.deduplication import find_duplicates
from massivetext_keras.corpus.duplicates.repeats import (
    cut_repeats,
    cut_text,
    find_repeats,
)
from massivetext_keras.reading.document import Document
from tests.corpus.plain_engine import PlainEngine
from tests.corpus.planted import SortedEngine, rows, text_id, write_parts


def cut(folder, parts, engine=None, search=False, **options):
    """(source, position) -> the text that is left, or the reason of a drop."""
    engine = engine or SortedEngine()
    documents = write_parts(folder / "documents", parts)
    duplicates = []
    if search:
        duplicates = find_duplicates(engine, documents, folder / "duplicates")
    repeats = find_repeats(engine, documents, duplicates, folder / "repeats", **options)
    function = functools.partial(cut_repeats, repeats=repeats)
    left = rows(engine.map_batches(documents, function, folder / "cut"))
    assert all(row["id"] == text_id(row["text"]) for row in left)
    assert all(row["bytes"] == len(row["text"].encode()) for row in left)
    return {
        (row["source"], row["position"]): row["reason"] or row["text"] for row in left
    }


def listed(texts, source="a"):
    """Documents in the order of their ids."""
    texts = sorted(texts, key=text_id)
    return [Document(text, "", source, position) for position, text in enumerate(texts)]


def numbered(start, stop):
    return " ".join(f"w{n}" for n in range(start, stop))


def test_paragraphs_stay_in_the_first_document(tmp_path):
    shared = "Alle Rechte\nvorbehalten."
    texts = [f"{n}\n\n{shared}\n\n{n} {n}\n\n{n}" for n in (1, 2)]
    first, second = listed(texts)
    n = second.text[0]
    found = cut(tmp_path, [[second], [first]], paragraphs=True)
    assert found["a", first.position].count(shared) == 1
    assert found["a", second.position] == f"{n}\n\n{n} {n}"


def test_lines_from_a_length_on(tmp_path):
    texts = [f"登录 注册\n请先登录再评论\n{n} 你好" for n in "一二三"]
    first, *others = listed(texts)
    found = cut(tmp_path, [[first, *others]], lines=7)
    assert found["a", 0] == first.text
    for document in others:
        assert found["a", document.position] == f"登录 注册\n{document.text[-4:]}"


def test_what_is_nowhere_else_is_all_that_is_left(tmp_path):
    long, short = "one two\n\nthree\n", "three\n\none two"
    found = cut(tmp_path, [listed([long, short])], paragraphs=True)
    assert sorted(found.values()) == sorted(
        [listed([long, short])[0].text, "repeats.nothing_left"]
    )


def test_runs_of_words(tmp_path):
    shared = numbered(0, 50)
    texts = [
        f"{numbered(100, 120)} {shared} {numbered(120, 140)}",
        f"{numbered(200, 220)} {shared}\n\n{numbered(220, 240)}",
        f"{numbered(300, 320)} {numbered(1, 50)} {numbered(320, 340)}",
    ]
    found = cut(tmp_path, [listed(texts)], run=50)
    first, second = sorted(texts[:2], key=text_id)
    space = " " if second == texts[0] else "\n\n"
    halves = second.split(shared)
    left = halves[0].strip() + space + halves[1].strip()
    assert sorted(found.values()) == sorted([first, left, texts[2]])


def test_runs_within_a_document(tmp_path):
    text = f"{numbered(0, 60)} {numbered(100, 110)} {numbered(5, 60)} end"
    found = cut(tmp_path, [[Document(text, "", "a", 0)]], run=50)
    assert found["a", 0] == f"{numbered(0, 60)} {numbered(100, 110)} end"


def test_what_only_dropped_documents_have_is_not_a_repeat(tmp_path):
    tail = "a paragraph that only near-duplicates have"
    numbers = map(str, range(99))
    pairs = (
        (numbered(0, 200) + " " + n, f"{numbered(0, 200)}\n\n{tail}") for n in numbers
    )
    survivor, near = next(pair for pair in pairs if text_id(pair[0]) < text_id(pair[1]))
    others = (f"{n}\n\n{tail}" for n in range(99))
    other = next(text for text in others if text_id(near) < text_id(text))
    documents = listed([survivor, near, other])
    found = cut(tmp_path / "all", [documents], paragraphs=True)
    assert other not in found.values()
    found = cut(tmp_path / "kept", [documents], search=True, paragraphs=True)
    assert other in found.values()


def brute_force(documents, run):
    """Texts without the words of runs that occur before; spaces are single."""
    seen, left = set(), {}
    for document in sorted(documents, key=lambda one: text_id(one.text)):
        words = document.text.split()
        kept = [True] * len(words)
        for start in range(len(words) - run + 1):
            gram = tuple(words[start : start + run])
            if gram in seen:
                kept[start : start + run] = [False] * run
            seen.add(gram)
        left[document.text] = " ".join(
            word for word, keep in zip(words, kept, strict=True) if keep
        )
    return left


@given(
    st.lists(
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=25),
        max_size=6,
        unique_by=tuple,
    ),
    st.integers(2, 7),
    st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_runs_against_a_search_in_all(tmp_path_factory, texts, run, seed):
    folder = tmp_path_factory.mktemp("run")
    documents = [
        Document(" ".join(words), "", "a", position)
        for position, words in enumerate(texts)
    ]
    expected = brute_force(documents, run)
    shuffled = random.Random(seed).sample(documents, len(documents))
    found = cut(
        folder,
        [shuffled[::2], shuffled[1::2]],
        PlainEngine(groups_per_part=50) if seed % 2 else None,
        run=run,
    )
    for document in documents:
        left = expected[document.text] or "repeats.nothing_left"
        assert found["a", document.position] == left


def test_runs_of_a_large_text_against_a_search_in_all(tmp_path):
    generator = random.Random(0)
    source = [f"w{generator.randrange(500)}" for _ in range(3000)]
    texts = []
    for _ in range(60):
        parts = []
        for _ in range(generator.randrange(1, 4)):
            start = generator.randrange(2900)
            parts += source[start : start + generator.randrange(20, 100)]
            parts += [str(generator.random())]
        texts.append(" ".join(parts))
    documents = listed(texts)
    expected = brute_force(documents, 50)
    found = cut(tmp_path, [documents[::2], documents[1::2]], run=50)
    assert sum(map(len, expected.values())) < 0.8 * sum(map(len, texts))
    assert {one.text: found["a", one.position] for one in documents} == expected
    # Seeds are few: about 2 of 27 words.
    [seeds] = (tmp_path / "repeats" / "seeds").glob("0.parquet")
    words = sum(len(one.text.split()) for one in documents[::2])
    assert pq.read_metadata(seeds).num_rows < words / 8


@pytest.mark.parametrize(
    ("text", "spans", "left"),
    [
        ("A\nB\nC\nD", [(2, 3), (4, 5)], "A\nD"),
        ("A\n\nB\n\nC", [(0, 1)], "B\n\nC"),
        ("A\n\nB\n\nC", [(6, 7)], "A\n\nB"),
        ("a b c", [(2, 3)], "a c"),
        ("a b\nc", [(2, 3)], "a\nc"),
        ("a\nb c", [(2, 3)], "a\nc"),
        ("用户登录使用", [(2, 4)], "用户使用"),
        ("a", [(0, 1)], ""),
    ],
)
def test_white_space_around_a_cut(text, spans, left):
    assert cut_text(text, spans) == left


def test_without_a_kind_nothing_is_cut(tmp_path):
    texts = ["one\n\ntwo", "one\n\nthree"]
    assert sorted(cut(tmp_path, [listed(texts)]).values()) == sorted(texts)
