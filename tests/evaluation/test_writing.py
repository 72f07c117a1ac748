"""Corpus scores by hand."""

from __future__ import annotations

import math

import pytest

from massivetext_keras.evaluation import bleu, chrf, meteor, rouge, written_scores


def test_bleu_by_hand():
    text, reference = "the cat sat on the mat today", "the cat sat on a mat today"
    # n-grams in common: 6 of 7, 4 of 6, 2 of 5, 1 of 4; as long as the reference
    wanted = 100 * math.prod([6 / 7, 4 / 6, 2 / 5, 1 / 4]) ** 0.25
    assert bleu([text], [reference]) == pytest.approx(wanted)


def test_short_texts_are_punished():
    reference = "one two three four five six"
    assert bleu(["one two three four"], [reference]) == pytest.approx(
        100 * math.exp(1 - 6 / 4)
    )


def test_chinese_is_cut_into_characters():
    text, reference = "我今天很高兴见到你", "我今天很高兴见到他"
    wanted = 100 * math.prod([8 / 9, 7 / 8, 6 / 7, 5 / 6]) ** 0.25
    assert bleu([text], [reference], "zh") == pytest.approx(wanted)
    assert bleu([text], [reference]) < 1


def test_chrf_knows_parts_of_words():
    assert 0 < chrf(["walking"], ["walked"]) < chrf(["walked"], ["walked"]) == 100
    assert chrf(["xyz"], ["abc"]) == 0


def f1(shared: int, written: int, wanted: int) -> float:
    return 2 * shared / (written + wanted)


def test_rouge_by_hand():
    text, reference = "The dogs ran home, barking", "A dog was running home"
    # "the dog ran home bark", "a dog wa run home": dog and home; no pair; in order
    assert rouge([text], [reference]) == pytest.approx(
        {"rouge1": f1(2, 5, 5), "rouge2": 0.0, "rougeL": f1(2, 5, 5)}
    )
    assert rouge(["x", "a b"], ["x", "a c"])["rouge1"] == pytest.approx((1 + 0.5) / 2)


def test_rouge_is_silent(caplog):
    caplog.set_level(0)
    rouge(["a cat"], ["the cats"])
    assert not caplog.records


def test_rouge_in_german_and_chinese_by_hand():
    # straße and für are words; no stems; punctuation does not count
    found = rouge(["Die Straße für alle."], ["die Straßen, für alle"], "de")
    assert found == pytest.approx(
        {"rouge1": f1(3, 4, 4), "rouge2": f1(1, 3, 3), "rougeL": f1(3, 4, 4)}
    )
    # 基 于 bert 的 模 型 and 型 模 的 bert: four in common, pairs none, in order one
    found = rouge(["基于BERT的模型"], ["型模的bert。"], "zh")
    assert found == pytest.approx(
        {"rouge1": f1(4, 6, 4), "rouge2": 0.0, "rougeL": f1(1, 6, 4)}
    )


def score(matches: int, written: int, wanted: int, chunks: int) -> float:
    """Banerjee & Lavie, 2005, equations of section 2.2."""
    precision, recall = matches / written, matches / wanted
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / matches) ** 3)


def test_meteor_by_hand():
    # exact: the, sat; stems: cats; two chunks, "the cats" and "sat"
    assert meteor(["The cats quietly sat."], ["the cat sat down"]) == pytest.approx(
        score(3, 4, 4, 2)
    )
    assert meteor(["dog", "a"], ["cat", "a"]) == pytest.approx(score(1, 1, 1, 1) / 2)
    assert meteor([""], ["cat"]) == 0.0
    # Häuser and Haus have one stem in German alone
    pair = ["die Häuser"], ["die Haus"]
    assert meteor(*pair, "de") == pytest.approx(score(2, 2, 2, 1))
    assert meteor(*pair, "en") == pytest.approx(score(1, 2, 2, 1))
    assert meteor(["我爱你"], ["你爱我"], "zh") == pytest.approx(score(3, 3, 3, 3))


def test_synonyms_match_where_there_are_any():
    class Lemma:
        def name(self):
            return "dog"

    class Synset:
        def lemmas(self):
            return [Lemma()]

    class WordNet:
        def synsets(self, word):
            return [Synset()] if word == "hound" else []

    pair = ["the hound ran"], ["the dog ran"]
    assert meteor(*pair) == pytest.approx(score(2, 3, 3, 2))
    assert meteor(*pair, wordnet=WordNet()) == pytest.approx(score(3, 3, 3, 1))


def test_several_measures_by_language():
    texts, references = ["我今天很高兴见到你"], ["我今天很高兴见到他"]
    found = written_scores(texts, references, "zh", ["rougeL", "bleu", "meteor"])
    assert list(found) == ["rougeL", "bleu", "meteor"]
    assert found["rougeL"] == pytest.approx(8 / 9)
    assert found["bleu"] == bleu(texts, references, "zh")
    assert found["meteor"] == pytest.approx(score(8, 9, 9, 1))
    with pytest.raises(ValueError, match="unknown measure 'rouge': did you mean"):
        written_scores(texts, references, measures=["rouge"])


def test_lists_must_be_parallel():
    with pytest.raises(ValueError, match="1 texts and 2 references"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="0 texts and 0 references"):
        chrf([], [])
