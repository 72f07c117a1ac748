"""Rules made for English web pages do no harm to German, Chinese and code."""

from __future__ import annotations

import inspect
import json
import textwrap

import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.c4_lines import c4_lines
from massivetext_keras.corpus.rules.c4_pages import c4_pages
from massivetext_keras.corpus.rules.fineweb_quality import fineweb_quality
from massivetext_keras.corpus.rules.gopher_quality import gopher_quality
from massivetext_keras.corpus.rules.gopher_repetition import gopher_repetition
from massivetext_keras.corpus.text.words import folded_words, words
from massivetext_keras.reading.document import Document

STEPS = [gopher_quality, gopher_repetition, fineweb_quality, c4_lines, c4_pages]


def wikipedia(folder, language: str) -> list[str]:
    """36 articles, the same ones in each language: five paragraphs and more each."""
    articles = json.loads((folder / f"qa/xquad.{language}.json").read_text())["data"]
    return [
        "\n\n".join(part["context"] for part in article["paragraphs"])
        for article in articles
    ]


def dropped(texts: list[str], language: str | None, **arguments) -> list[str]:
    """`step.check` of each drop; as in the pipeline, a document goes on until one."""
    left = [Document(text, language=language, **arguments) for text in texts]
    found = []
    for step in STEPS:
        batch = Batch(left)
        why = reasons(step(batch), len(batch))
        found += [f"{step.__name__}.{reason}" for reason in why if reason]
        left = [one for one, reason in zip(left, why, strict=True) if not reason]
    return found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_articles_in_three_languages_stay(data_dir, language, known):
    texts = wikipedia(data_dir, language)
    # One article, on complexity, has formulas with curly brackets.
    assert dropped(texts, language if known else None) == ["c4_pages.curly_brackets"]


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_lines_in_three_languages_stay(data_dir, language):
    batch = Batch(map(Document, wikipedia(data_dir, language)))
    before = words(batch).characters.sum()
    c4_lines(batch)
    # Of 180 paragraphs eight end in a bracket or a colon, in each language.
    assert words(batch).characters.sum() / before > 0.94


def test_german_sentences_stay(data_dir):
    lines = (data_dir / "mt/multi30k/train.de").read_text().split("\n")
    pages = ["\n".join(lines[i : i + 20]) for i in range(0, 6000, 20)]
    assert dropped(pages, "de") == []


def test_chinese_abstracts_stay(data_dir):
    rows = (data_dir / "summ/csl_title_zh.tsv").read_text().splitlines()
    abstracts = [row.split("\t")[1] for row in rows]
    pages = ["\n".join(abstracts[i : i + 4]) for i in range(0, len(abstracts), 4)]
    why = dropped(pages, "zh")
    assert sorted(why) == [
        *["c4_pages.curly_brackets"] * 2,
        *("gopher_repetition.duplicate_5grams", "gopher_repetition.duplicate_9grams"),
    ]


def test_code_stays_as_it_is():
    sources = [inspect.getsource(module) for module in (json, inspect, textwrap)]
    batch = Batch(Document(source, kind="code") for source in sources)
    assert dropped(sources, None, kind="code") == []
    for step in STEPS:
        step(batch)
    assert batch.texts == sources


def test_hostile_strings_are_measured(data_dir):
    strings = json.loads((data_dir / "bad/naughty_strings.json").read_text())
    batch = Batch(map(Document, strings))
    assert words(batch).counts.tolist() == [
        sum(words(Batch([Document(text)])).counts.tolist()) for text in strings
    ]
    assert len(folded_words(batch).counts) == len(strings)
    for step in STEPS:
        for check in step(batch):
            assert len(check.values) == len(strings)
