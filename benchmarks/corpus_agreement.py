"""Which documents each rule drops, here and in datatrove, and why they differ.

A rule is asked alone, the others of its step turned off, with the same thresholds. The
reasons are those found by looking at what differs; docs/corpus_rules.md says more.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

from common import Contestant, compete, corpus_pages
from corpus_rules import PEERS, pages

TOKENS = "their words are spaCy's, signs apart; ours lie between white space"
ONCE = "theirs count an n-gram that occurs once, so short pages drop; " + TOKENS
CLOSING = "here a closing quotation mark ends a line as a full stop does, as in C4"
CURLY = "here ” and ’ are quotation marks as \" and ' are"
# step -> rule -> our checks, datatrove's arguments, why they differ
QUALITY = {
    "words": (
        ["words"],
        {"min_doc_words": 50, "max_doc_words": 100_000},
        TOKENS,
    ),
    "word length": (
        ["word_length"],
        {"min_avg_word_length": 3, "max_avg_word_length": 10},
        "signs around a word count in its length here; pages of under 20 words",
    ),
    "number signs, ellipses": (
        ["number_signs", "ellipses"],
        {"max_symbol_word_ratio": 0.1},
        TOKENS,
    ),
    "bullet lines": (["bullet_lines"], {"max_bullet_lines_ratio": 0.9}, ""),
    "ellipsis lines": (["ellipsis_lines"], {"max_ellipsis_lines_ratio": 0.3}, ""),
    "alphabetic words": (
        ["alphabetic_words"],
        {"max_non_alpha_words_ratio": 0.8},
        "a full stop is a word without a letter there, part of a word here",
    ),
    "stop words": (
        ["stop_words"],
        {"min_stop_words": 2},
        "here a capital counts too (The), and the language is found by its words",
    ),
}
TOP = [(2, 0.20), (3, 0.18), (4, 0.16)]
DUPLICATE = [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)]
REPETITION = {
    "duplicate lines": (["duplicate_lines"], {"dup_line_frac": 0.3}, ""),
    "duplicate paragraphs": (["duplicate_paragraphs"], {"dup_para_frac": 0.3}, ""),
    "characters of lines": (
        ["duplicate_line_characters"],
        {"dup_line_char_frac": 0.2},
        "theirs are a share of all characters, line feeds too",
    ),
    "characters of paragraphs": (
        ["duplicate_paragraph_characters"],
        {"dup_para_char_frac": 0.2},
        "",
    ),
    **{
        f"top {n}-gram": ([f"top_{n}gram"], {"top_n_grams": [(n, most)]}, ONCE)
        for n, most in TOP
    },
    **{
        f"duplicate {n}-grams": (
            [f"duplicate_{n}grams"],
            {"dup_n_grams": [(n, most)]},
            TOKENS + "; they skip n words after a duplicate",
        )
        for n, most in DUPLICATE
    },
}
C4 = {
    "sentences": (
        ["sentences"],
        {"min_num_sentences": 5},
        "theirs are nltk's; here terminal punctuation, but for initials",
    ),
    "curly brackets": (["curly_brackets"], {"filter_curly_bracket": True}, ""),
    "lorem ipsum": (["lorem_ipsum"], {"filter_lorem_ipsum": True}, ""),
}
FINEWEB = {
    "punctuated lines": (["punctuated_lines"], {"line_punct_thr": 0.12}, CLOSING),
    "duplicate characters": (
        ["duplicate_line_characters"],
        {"char_duplicates_ratio": 0.1},
        "",
    ),
    "short lines": (
        ["short_lines"],
        {"short_line_thr": 0.67},
        "theirs count 30 characters as short; Japanese lines are short from 10 here",
    ),
}
TABLES = {
    "quality": QUALITY,
    "repetition": REPETITION,
    "C4": C4,
    "FineWeb": FINEWEB,
}


def our_decisions() -> dict[str, list[bool]]:
    """ "step: rule" -> dropped, of each page; and the lines that C4's rules keep."""
    from massivetext_keras.corpus.batch import Batch
    from massivetext_keras.corpus.rules.c4_lines import c4_lines
    from massivetext_keras.corpus.rules.c4_pages import c4_pages
    from massivetext_keras.corpus.rules.fineweb_quality import fineweb_quality
    from massivetext_keras.corpus.rules.gopher_quality import gopher_quality
    from massivetext_keras.corpus.rules.gopher_repetition import gopher_repetition
    from massivetext_keras.reading.document import Document

    batch = Batch(map(Document, pages()))
    checks = {
        "quality": gopher_quality(batch),
        "repetition": gopher_repetition(batch, measure_all=True),
        "FineWeb": fineweb_quality(batch),
    }
    c4_lines(batch)
    checks["C4"] = c4_pages(batch)
    failed = {
        (step, check.name): check.failed for step in checks for check in checks[step]
    }
    decisions = {
        f"{step}: {rule}": sum(failed[step, name] for name in names) > 0
        for step, table in TABLES.items()
        for rule, (names, _, _) in table.items()
    }
    decisions = {rule: dropped.tolist() for rule, dropped in decisions.items()}
    return decisions | {"lines": [text.split("\n") for text in batch.texts]}


def their_decisions() -> dict[str, list[bool]]:
    from datatrove.data import Document
    from datatrove.pipeline import filters
    from datatrove.utils import text as words

    for module in ("gopher_quality", "gopher_repetition", "fineweb_quality"):
        module = getattr(filters, f"{module}_filter")
        module.split_into_words = functools.cache(words.split_into_words)
    off = {
        "quality": dict.fromkeys(
            [
                *("min_doc_words", "max_doc_words", "min_avg_word_length"),
                *("max_avg_word_length", "max_symbol_word_ratio", "min_stop_words"),
                *("max_bullet_lines_ratio", "max_ellipsis_lines_ratio"),
                "max_non_alpha_words_ratio",
            ]
        ),
        "repetition": {
            **dict.fromkeys(["dup_line_frac", "dup_para_frac"]),
            **dict.fromkeys(["dup_line_char_frac", "dup_para_char_frac"]),
            **{"top_n_grams": (), "dup_n_grams": ()},
        },
        "C4": {
            **{"min_num_sentences": -1, "filter_curly_bracket": False},
            **{"filter_lorem_ipsum": False},
        },
        "FineWeb": {
            **{"line_punct_thr": 0, "short_line_thr": 1},
            **{"char_duplicates_ratio": 1, "new_line_ratio": float("inf")},
        },
    }
    classes = {
        "quality": filters.GopherQualityFilter,
        "repetition": filters.GopherRepetitionFilter,
        "C4": filters.C4QualityFilter,
        "FineWeb": filters.FineWebQualityFilter,
    }
    texts = pages()
    decisions = {}
    for step, table in TABLES.items():
        for rule, (_, arguments, _) in table.items():
            asked = classes[step](**off[step] | arguments)
            decisions[f"{step}: {rule}"] = [
                asked.filter(Document(text=text, id="")) is not True for text in texts
            ]
    lines = []
    for text in texts:
        document = Document(text=text, id="")
        classes["C4"](**off["C4"]).filter(document)
        lines.append(document.text.split("\n"))
    return decisions | {"lines": lines}


def save(name: str, decide) -> dict[str, float]:
    """Writes the decisions beside the pages."""
    Path(os.environ["PAGES"]).with_name(f"{name}.json").write_text(json.dumps(decide()))
    return {}


def print_agreement(ours: dict, theirs: dict) -> None:
    """A line for each rule: how many pages both drop, one alone, and why."""
    print(f"{'':37} both  ours  theirs  agreement")
    for step, table in TABLES.items():
        for rule, (_, _, why) in table.items():
            pairs = list(
                zip(ours[f"{step}: {rule}"], theirs[f"{step}: {rule}"], strict=True)
            )
            alone = sum(pair == (True, False) for pair in pairs)
            their = sum(pair == (False, True) for pair in pairs)
            same = 1 - (alone + their) / len(pairs)
            print(
                f"{step + ': ' + rule:36}{sum(map(all, pairs)):6}{alone:6}{their:8}"
                f"{same:11.1%}  {why if same < 1 else ''}"
            )
    lines = [
        [Counter(filter(None, map(str.strip, page))) for page in one["lines"]]
        for one in (ours, theirs)
    ]
    both = sum((mine & their).total() for mine, their in zip(*lines, strict=True))
    alone = sum((mine - their).total() for mine, their in zip(*lines, strict=True))
    their = sum((their - mine).total() for mine, their in zip(*lines, strict=True))
    print(f"C4: lines kept by both {both}, ours alone {alone}, theirs {their}  {CURLY}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if "PAGES" not in os.environ:
            os.environ["PAGES"] = f"{folder}/pages.json"
            texts = corpus_pages()
            Path(os.environ["PAGES"]).write_text(json.dumps(texts))
        compete(
            __file__,
            {
                "ours": lambda: save("ours", our_decisions),
                "datatrove": Contestant(
                    lambda: save("datatrove", their_decisions), PEERS
                ),
            },
            rounds=1,
        )
        decided = {
            name: json.loads(Path(folder, f"{name}.json").read_text())
            for name in ("ours", "datatrove")
            if Path(folder, f"{name}.json").exists()
        }
    if len(decided) == 2:
        print_agreement(decided["ours"], decided["datatrove"])
