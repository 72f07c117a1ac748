"""CoNLL columns, and CoNLL-U with roles."""

from __future__ import annotations

import json
import logging

import pytest

from massivetext_keras.data.records import Problems, read_records
from massivetext_keras.tasks.tagging.records import tagged_text


def records(tmp_path, text: str, name: str = "a.conll", strict=True, **how):
    (tmp_path / name).write_text(text, encoding="utf-8")
    problems = Problems(strict)
    how = {"format": None, **how}
    found = list(read_records(tmp_path / name, problems=problems, **how))
    return found, problems


def test_words_and_tags(tmp_path):
    text = "Angela B-PER\nMerkel I-PER\n. O\n \t\n\nParis\tB-LOC\r\nBonn\tB-LOC\r\n"
    (first, second), _ = records(tmp_path, text)
    assert first.fields == {
        "text": "Angela Merkel .",
        "words": [[0, 6], [7, 13], [14, 15]],
        "entities": [[0, 13, "PER"]],
    }
    assert first.where.endswith("a.conll:1") and second.where.endswith("a.conll:6")
    assert second.fields["entities"] == [[0, 5, "LOC"], [6, 10, "LOC"]]


@pytest.mark.parametrize(
    "tags",
    [
        ["B-X", "I-X", "O", "B-X", "B-Y"],
        ["I-X", "I-X", "O", "I-X", "I-Y"],  # IOB1
        ["B-X", "E-X", "O", "S-X", "S-Y"],
    ],
)
def test_schemes(tmp_path, caplog, tags):
    text = "".join(f"{w}\t{t}\n" for w, t in zip("abcde", tags, strict=True))
    ((record,), _) = records(tmp_path, text)
    assert record.fields["entities"] == [[0, 3, "X"], [6, 7, "X"], [8, 9, "Y"]]
    assert caplog.text == ""


def test_tags_that_go_on_with_nothing_are_counted(tmp_path, caplog):
    text = "a B-X\nb O\n\nc O\nd I-X\ne I-Y\n"
    with caplog.at_level(logging.WARNING):
        (_, second), _ = records(tmp_path, text, strict=False)
    assert second.fields["entities"] == [[2, 3, "X"], [4, 5, "Y"]]
    assert "a.conll: 2 tags, the first in line 5, go on with a span" in caplog.text
    with pytest.raises(ValueError, match=r"a\.conll:5: a tag goes on with a span"):
        records(tmp_path, text)


def test_bad_sentences_are_counted(tmp_path):
    text = "a O\nb B-X\n\na O\nb\n\na O\nb Q-X\n\n\tO\nb\tO\n\nc O\n"
    found, problems = records(tmp_path, text, strict=False)
    assert [record.fields["text"] for record in found] == ["a b", "c"]
    assert {what: len(where) for what, where in problems.places.items()} == {
        "a word without a tag": 1,
        "a tag that is not O, or B-X, I-X, E-X or S-X": 1,
        "a word that column 0 does not have": 1,
    }


def test_columns_languages_and_other_scripts(tmp_path):
    text = "-DOCSTART- -X- O\n\n1 en:U.N. NN B-ORG\n2 en:a:b NN O\n\n"
    how = {"columns": {"words": 1, "tags": 3}}
    ((record,), _) = records(tmp_path, text, **how)
    assert record.fields["text"] == "U.N. a:b"
    ((record,), _) = records(tmp_path, "我们\tO\n在\tO\n北京\tB-LOC\nok\tO\n。\tO\n")
    assert record.fields["text"] == "我们在北京ok。"
    assert record.fields["entities"] == [[3, 5, "LOC"]]
    ((record,), _) = records(tmp_path, "only\nwords\n")
    assert record.fields == {"text": "only words", "words": [[0, 4], [5, 10]]}
    with pytest.raises(ValueError, match="columns have numbers, from 0, not names"):
        records(tmp_path, text, columns={"words": "form"})


CONLLU = """# newdoc id = letters
# text = Don't buy it.
1\tDo\tdo\tAUX\t_\t_\t3\taux\t_\tSpaceAfter=No\t_\t_\tARGM-MOD
2\tn't\tnot\tPART\t_\t_\t3\tadvmod\t_\t_\t_\t_\tARGM-NEG
3\tbuy\tbuy\tVERB\t_\t_\t0\troot\t_\t_\tbuy.01\tV\t_
3.1\tit\tit\tPRON\t_\t_\t3\tobj\t_\t_
4\tit\tit\tPRON\t_\t_\t3\tobj\t_\tSpaceAfter=No\tit.02\tARG1\tV\t
5\t.\t.\tPUNCT\t_\t_\t3\tpunct\t_\t_\t_\t_\t_

1\tYes\tyes\tINTJ\t_\t_\t0\troot\t_\t_\t_

"""


def test_a_record_for_each_predicate(tmp_path):
    (buy, it), _ = records(tmp_path, CONLLU, "a.conllu")
    assert buy.fields == {
        "text": "Don't buy it.",
        "words": [[0, 2], [2, 5], [6, 9], [10, 12], [12, 13]],
        "entities": [[10, 12, "ARG1"]],
        "predicate": [6, 9],
        "sense": "buy.01",
        "document": "letters",
    }
    assert it.fields["predicate"] == [10, 12]
    assert it.fields["entities"] == [[0, 2, "ARGM-MOD"], [2, 5, "ARGM-NEG"]]


def test_the_layout_without_column_ten(tmp_path):
    rows = [
        "1\t我\t_\t_\t_\t_\t2\tnsubj\t_\t_\tA0",
        "2\t吃\t_\t_\t_\t_\t0\troot\tY\teat.01\t_",
    ]
    ((record,), _) = records(tmp_path, "\n".join(rows), "a.conllu")
    assert record.fields["text"] == "我吃" and record.fields["sense"] == "eat.01"
    assert record.fields["entities"] == [[0, 1, "A0"]]
    assert record.fields["predicate"] == [1, 2]


def test_roles_that_do_not_match_their_predicates(tmp_path):
    text = CONLLU.replace("it.02", "_")
    found, problems = records(tmp_path, text, "a.conllu", strict=False)
    assert found == [] and problems.count == 1
    _, problems = records(tmp_path, "1\ta\tb\n", "a.conllu", strict=False)
    assert list(problems.places) == ["fewer than 10 columns"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("# id 1f8b domain=en\nParis _ _ B-X\n# _ _ O\n", "Paris #"),
        ("#\thttp://a.org [2009]\nParis\tB-X\n", "Paris"),
        ("# a comment\n\nParis B-X\n", "Paris"),
        ("# sent_id = 3\n# text = Paris\nParis\n#\n", "Paris #"),
        ("Paris B-X\n# O\n#tag O\n", "Paris # #tag"),
        ("-DOCSTART- -X- O\nParis B-X\n", "Paris"),
        ("-DOCSTART- O\n\n\nParis B-X\n", "Paris"),
        ("Paris\tB-X\t\nis\tO\t\n", "Paris is"),
        ("Paris B-X \nis O\t\n", "Paris is"),
        ("10\u00a0000 B-X\nm\u3000n O\n", "10\u00a0000 m\u3000n"),
        ("10\u00a0000\tB-X\na b\tO\n", "10\u00a0000 a b"),
        ("\u00a0 O\nParis B-X\n", "\u00a0 Paris"),
        ("Paris B-X\r\nis O\r\n", "Paris is"),
        ("Paris B-X\ris O\r", "Paris is"),
    ],
)
def test_what_is_a_word_and_what_a_comment(tmp_path, lines, text):
    ((record,), problems) = records(tmp_path, lines)
    assert record.fields["text"] == text and not problems.count


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-X M-X E-X S-X S-X", [[0, 5, "X"], [6, 7, "X"], [8, 9, "X"]]),
        ("B-X I-X L-X U-X U-X", [[0, 5, "X"], [6, 7, "X"], [8, 9, "X"]]),
        ("B-X L-X B-X L-X O", [[0, 3, "X"], [4, 7, "X"]]),
        ("U-X U-X O W-X W-Y", [[0, 1, "X"], [2, 3, "X"], [6, 7, "X"], [8, 9, "Y"]]),
        ("B-A-B I-A-B O B-A B-B", [[0, 3, "A-B"], [6, 7, "A"], [8, 9, "B"]]),
    ],
)
def test_other_schemes(tmp_path, caplog, tags, spans):
    words = zip("abcde", tags.split(), strict=True)
    ((record,), _) = records(tmp_path, "".join(f"{w}\t{t}\n" for w, t in words))
    assert record.fields["entities"] == spans and caplog.text == ""
    found = tagged_text({"words": [*"abcde"], "tags": tags.split()}).spans
    assert [[x.start, x.end, x.label] for x in found] == spans


@pytest.mark.parametrize(
    "tags",
    [
        ["B_PER", "I_PER", "O"],
        ["PER-B", "PER-I", "O"],
        ["b-per", "i-per", "o"],
        ["B-PER", "I-PER", "-"],
        ["(PER*", "*)", "*"],
        ["PER", "PER", "O"],
        ["B-", "I-", "O"],
        ["B- PER", "O", "O"],
        ["B-PER ", "O", "O"],
    ],
)
def test_tags_that_are_none_are_refused_in_columns_and_in_json(tmp_path, tags):
    what = "a tag that is not O, or B-X, I-X, E-X or S-X"
    with pytest.raises(ValueError, match=what):
        tagged_text({"words": [*"abc"], "tags": tags})
    with pytest.raises(ValueError, match=what):
        tagged_text({"words": [*"abc"], "tags": json.dumps(tags)})
    lines = "".join(f"{w}\t{t}\t.\n" for w, t in zip("abc", tags, strict=True))
    with pytest.raises(ValueError, match=rf"a\.conll:1: {what}"):
        records(tmp_path, lines, columns={"words": 0, "tags": 1})


def test_labels_of_several_words(tmp_path):
    ((record,), _) = records(tmp_path, "a\tB-work of art\nb\tI-work of art\n")
    assert record.fields["entities"] == [[0, 3, "work of art"]]
    found = tagged_text({"words": ["a", "b"], "tags": ["U-work of art", "O"]}).spans
    assert [(x.start, x.end, x.label) for x in found] == [(0, 1, "work of art")]


TOKENS = """1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\t_\t_\t3\taux\t_\t_\t_\tAM-MOD
2\tn't\tnot\tPART\t_\t_\t3\tadvmod\t_\t_\t_\tAM-NEG
3\tgeh\tgo\tVERB\t_\t_\t0\troot\t_\t_\tgo.01\tV
3.1\tnow\tnow\tADV\t_\t_\t_\t_\t_\t_
4-5\tzum\t_\t_\t_\t_\t_\t_\t_\t_
4\tzu\tzu\tADP\t_\t_\t6\tcase\t_\t_\t_\t_
5\tdem\tder\tDET\t_\t_\t6\tdet\t_\t_\t_\tA4
6\tArzt\tArzt\tNOUN\t_\t_\t3\tobl\t_\tSpaceAfter=No\t_\tA4
7\t!\t!\tPUNCT\t_\t_\t3\tpunct\t_\t_\t_\t_
"""


def test_tokens_of_several_words(tmp_path):
    ((record,), _) = records(tmp_path, TOKENS, "a.conllu")
    assert record.fields["text"] == "Don't geh zum Arzt!"
    assert record.fields["words"] == [
        *([0, 2], [2, 5], [6, 9], [10, 13], [14, 18], [18, 19]),
    ]
    assert record.fields["predicate"] == [6, 9]
    assert record.fields["entities"] == [
        *([0, 2, "AM-MOD"], [2, 5, "AM-NEG"], [10, 13, "A4"], [14, 18, "A4"]),
    ]
