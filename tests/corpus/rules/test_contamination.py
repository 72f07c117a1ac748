"""Evaluation items in documents: what is found, dropped, cut and said."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.contamination import contamination
from massivetext_keras.corpus.text.items import read_items
from massivetext_keras.reading.document import Document


def numbered(start, stop):
    return " ".join(f"w{n}" for n in range(start, stop))


def run(tmp_path, items, texts, **options):
    """Texts after the step, reasons, and (Jaccard, containment) of each."""
    path = tmp_path / "quiz.txt"
    path.write_text("\n".join(items) + "\n")
    batch = Batch(map(Document, texts))
    checks = contamination(batch, files=[str(path)], **options)
    values = np.stack([check.values for check in checks], 1).round(4).tolist()
    return batch, reasons(checks, len(batch)), values


def test_both_measures_at_both_sides_of_their_bounds(tmp_path):
    # The item has 100 shingles.
    item = numbered(0, 112)
    texts = [
        numbered(0, 92),  # 80 of them
        numbered(0, 93),
        numbered(0, 92) + numbered(1000, 1100),
        numbered(0, 93) + " " + numbered(1000, 1100),
        numbered(2000, 2100),
        "",
    ]
    _, why, values = run(tmp_path, [item], texts)
    assert values[:2] == [[0.8, 0.8], [0.81, 0.81]]
    # The last word of 92 became another: 79 shingles, in 192 - 13.
    assert values[2] == [round(79 / (100 + 179 - 79), 4), 0.79]
    assert values[3] == [round(81 / (100 + 181 - 81), 4), 0.81]
    assert values[4:] == [[0, 0], [0, 0]]
    assert why == [None, "jaccard", None, "containment", None, None]


def test_a_short_item_in_a_long_document(tmp_path):
    item = "which river flows through the city of Dresden"
    text = f"{numbered(0, 90)} {item} {numbered(100, 193)}"
    batch, why, values = run(tmp_path, ["What?", item], [text])
    assert values == [[round(1 / 179, 4), 1.0]]
    assert why == ["containment"]
    assert batch.documents[0].columns["contamination"] == {
        "item": "quiz.txt:2",
        "jaccard": 0.0056,
        "containment": 1.0,
    }
    assert run(tmp_path, [item], [item])[2] == [[1.0, 1.0]]
    assert run(tmp_path, [item, text], [item], shortest=9)[1] == [None]


def test_case_and_punctuation_do_not_count(tmp_path):
    item = "Which river flows through the city of Dresden?"
    text = '"which  river flows – through the city of DRESDEN!" ' + numbered(0, 13)
    assert run(tmp_path, [item], [text])[2] == [[0.1111, 1]]
    assert run(tmp_path, [item], [text.replace("city", "town")])[1] == [None]


def test_items_of_all_lengths_at_once(tmp_path):
    items = [numbered(1000 * n, 1000 * n + n) for n in range(8, 40)]
    texts = [f"a {item} b" for item in items]
    _, why, values = run(tmp_path, items, texts)
    assert [containment for _, containment in values] == [1.0] * len(items)
    assert None not in why


@pytest.mark.parametrize(
    "item",
    [
        "Wie viele Menschen leben heute in der Stadt an der Spree?",
        "哪一条河流经德累斯顿这座城市的老城区？",
    ],
)
def test_german_and_chinese(tmp_path, item):
    texts = [f"这是一个问题：{item} 请回答。", f"Frage: {item} Antwort: 5", item[:9]]
    assert run(tmp_path, [item], texts)[1] == ["containment"] * 2 + [None]


def test_cut_removes_the_item_and_what_is_around(tmp_path):
    item = numbered(0, 20)
    before, after = numbered(1000, 1100), numbered(2000, 2100)
    texts = [
        f"{before} {item} {after}",
        before,
        f"{item} {after}",
        f"short {before[:99]} {item}",
    ]
    batch, why, values = run(tmp_path, [item], texts, cut=True)
    assert why == [None, None, None, "containment"]
    assert np.isnan(values[0]).all() and values[3][1] == 1
    # 200 characters are 33 words and a part of one, which goes as well.
    ends = [numbered(1000, 1066), numbered(2034, 2100)]
    assert batch.texts == ["\n\n".join(ends), before, ends[1], texts[3]]


def test_cut_drops_what_would_be_in_many_pieces(tmp_path):
    items = [numbered(100 * n, 100 * n + 20) for n in range(5)]
    text = "".join(f"{item} {numbered(1000, 1200)} " for item in items)
    assert run(tmp_path, items, [text], cut=True, most_pieces=5)[1] == [None]
    assert run(tmp_path, items, [text], cut=True, most_pieces=4)[1] == ["containment"]


ITEM = (
    "Où était le café où l’élève naïve a préféré être à Noël, près de la forêt, "
    "en 2024?"
)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("other", ["NFC", "NFD", "NFKC", "NFKD"])
def test_forms_of_unicode_do_not_count(tmp_path, form, other):
    item = unicodedata.normalize(form, ITEM)
    text = unicodedata.normalize(other, f"Avant. {ITEM.upper()} Après.")
    assert run(tmp_path, [item], [text])[1] == ["containment"]


def test_width_and_ligatures_do_not_count(tmp_path):
    item = "the ﬁrst ﬂight of the oﬃce took off in １９９９ from Ｋｉｅｌ"
    text = "Once the first flight of the office took off in 1999 from kiel."
    assert run(tmp_path, [item], [text], jaccard=1)[1] == ["containment"]


def test_what_is_cut_out_is_in_the_place_of_the_item(tmp_path):
    words = [f"é\u0301{number}" for number in range(400)]
    before, after = " ".join(words[:200]), " ".join(words[200:])
    text = f"{before} {ITEM} {after}"
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, text)
        batch, why, _ = run(tmp_path, [ITEM], [written], cut=True, around=50)
        first, last = batch.texts[0].split("\n\n")
        assert why == [None]
        assert written.startswith(first) and written.endswith(last)
        item = written.index(unicodedata.normalize(form, ITEM))
        assert 50 <= item - len(first) < 60
        rest = len(written) - len(last) - item - len(unicodedata.normalize(form, ITEM))
        assert 48 <= rest < 60  # without the question mark


def test_without_files_nothing_is_measured():
    checks = contamination(Batch([Document("text")]))
    assert [check.name for check in checks] == ["jaccard", "containment"]
    assert not any(check.failed.any() for check in checks)


def test_against_sets_of_strings(tmp_path):
    rng = np.random.default_rng(0)
    words = np.array(["a", "b", "c"])
    items = [" ".join(rng.choice(words, n)) for n in rng.integers(4, 12, 30)]
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(0, 40, 50)]

    def grams(text, size=6):
        each = text.split()
        size = min(size, len(each))
        starts = range(len(each) - size + 1 if each else 0)
        return {tuple(each[start : start + size]) for start in starts}

    expected = []
    for text in texts:
        best = [0.0, 0.0]
        for item in items:
            wanted = grams(item)
            size = len(next(iter(wanted)))
            held = grams(text, size) if len(text.split()) >= size else set()
            common = len(wanted & held)
            union = len(wanted) + max(len(grams(text)), 1) - common
            best = [
                max(best[0], common / union),
                max(best[1], common / len(wanted)),
            ]
        expected.append([round(value, 4) for value in best])
    found = run(tmp_path, items, texts, ngram=6, shortest=4, jaccard=1, containment=1)
    assert found[2] == expected
    assert any(0 < containment < 1 for _, containment in expected)


def test_items_of_many_formats(tmp_path):
    squad = {"data": [{"paragraphs": [{"context": "C", "qas": [{"question": "Q"}]}]}]}
    contents = {
        "a.txt": "one\ntwo\n",
        "b.jsonl": '{"q": "one", "answers": ["two"]}\n\n{"q": "three"}\n',
        "c.tsv": 'one\t"two\n',
        "d.csv": 'one,"two\nlines"\n',
        "e.json": json.dumps(squad),
        "f.html": "<p>one</p>",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    found = list(read_items([tmp_path / name for name in contents]))
    assert found == [
        ("a.txt:1", "one\n"),
        ("a.txt:2", "two\n"),
        ("b.jsonl:1", "one"),
        ("b.jsonl:1", "two"),
        ("b.jsonl:3", "three"),
        ("c.tsv:1", "one"),
        ("c.tsv:1", '"two\n'),
        ("d.csv:1", "one"),
        ("d.csv:1", "two\nlines"),
        ("e.json:data[0].paragraphs[0].context", "C"),
        ("e.json:data[0].paragraphs[0].qas[0].question", "Q"),
        ("f.html:0", "<p>one</p>"),
    ]


def test_what_cannot_be_read_is_said(tmp_path):
    bad, short = tmp_path / "a.jsonl", tmp_path / "b.txt"
    bad.write_text('{"q": "one"}\n{"q": \n')
    short.write_text("too short\n")
    batch = Batch([Document("text")])
    with pytest.raises(ValueError, match=r"a\.jsonl:2: not JSON"):
        contamination(batch, files=[str(bad)])
    with pytest.raises(ValueError, match=r"no item of .*b\.txt has 8 words"):
        contamination(batch, files=[str(short)])
    with pytest.raises(FileNotFoundError, match=r"b\.txt"):
        contamination(batch, files=[str(tmp_path / "bb.txt")])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_items_in_other_encodings(tmp_path, encoding):
    contents = {
        "a.csv": "q;a\nWas, bitte?;Nichts Ċ\n",
        "b.tsv": "Was?\tNichts Ċ\n",
        "c.jsonl": '{"q": "Was?"}\n{"q": "Nichts Ċ"}\n',
        "d.txt": "Was?\nNichts Ċ\n",
        "e.json": '{"q": "Was?", "a": "Nichts Ċ"}',
        "f.json": '{"q": "Was?"}\n{"q": "Nichts Ċ"}\n',
    }
    for name, text in contents.items():
        (tmp_path / name).write_bytes(text.encode(encoding))
        found = [text.strip() for _, text in read_items([tmp_path / name])]
        assert found[-2:] == ["Was, bitte?" if name == "a.csv" else "Was?", "Nichts Ċ"]


def test_items_of_what_is_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04" + bytes(30))
    with pytest.raises(ValueError, match="is no text, but a zip archive"):
        list(read_items([tmp_path / "a.csv"]))
    (tmp_path / "a.csv").write_text('one,two\n"open,three\n')
    with pytest.raises(ValueError, match=r"a\.csv:2: a quotation mark that nothing"):
        list(read_items([tmp_path / "a.csv"]))
