"""Corpus scores by hand."""

from __future__ import annotations

import math

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from massivetext_keras.evaluation import bleu, chrf, meteor, rouge, written_scores
from massivetext_keras.evaluation.writing import MEASURES


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
    assert bleu([text], [reference]) == pytest.approx(wanted)
    assert bleu([text], [reference], "13a") < 1


@pytest.mark.parametrize(
    ("reference", "tokenization"),
    [
        ("今日は天気がいいです。", "char"),
        ("東京のBERTは大きい。", "char"),
        ("我今天很高兴，见到 BERT 你。", "zh"),
        ("วันนี้อากาศดี 10 องศา", "char"),
        ("ມື້ນີ້ອາກາດດີຫຼາຍ", "char"),
        ("ថ្ងៃនេះអាកាសធាតុល្អ", "char"),
        ("ဒီနေ့ရာသီဥတုကောင်းတယ်", "char"),
        ("དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག", "char"),
        ("오늘은 날씨가 참 좋습니다.", "13a"),
        ("आज मौसम बहुत अच्छा है।", "13a"),
        ("Сегодня очень хорошая погода.", "13a"),
        ("the weather, it's fine today.", "13a"),
    ],
)
def test_bleu_is_that_of_sacrebleu_as_it_cuts_the_script(reference, tokenization):
    for text in (reference, reference[:-3], reference[2:]):
        score = sacrebleu.corpus_bleu([text], [[reference]], tokenize=tokenization)
        assert bleu([text], [reference]) == pytest.approx(score.score)
        assert written_scores([text], [reference], measures=["bleu"]) == pytest.approx(
            {"bleu": score.score}
        )
    assert bleu([reference], [reference]) == 100


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


# a letter or more of each, with marks, and words of another script between them
SCRIPTS = [
    "Привет мир",
    "हिन्दी की किताब",
    "한국어 문장입니다",
    "مرحبا بالعالم",
    "สวัสดีกี่",
    "Καλημέρα",
    "שלום",
    "日本語のテスト",
    "中文 BERT",
    "ສະບາຍດີ",
    "សួស្តី",
    "မင်္ဂလာပါ",
    "བཀྲ་ཤིས",
    "ՀԱՅ გამარჯობა",
    "አማርኛ",
    "தமிழ் తెలుగు",
    "é",
    "e\u0301tude",
    "𐐀𐐨",
]
ANY_TEXT = st.sampled_from(SCRIPTS) | st.text(min_size=1).filter(
    lambda text: any(map(str.isalpha, text))
)


@given(ANY_TEXT, st.sampled_from([None, "en", "de", "zh", "ja", "hi", "und"]))
def test_the_same_text_is_right_in_any_script_and_language(text, language):
    found = written_scores([text], [text], language)
    words = MEASURES["meteor"]([text], [text], language)
    assert found["rouge1"] == found["rougeL"] == found["rougeLsum"] == 1.0
    assert found["rouge2"] in (0.0, 1.0)  # of one word, as rouge-score has it, 0
    assert found["chrf"] == 100.0
    assert found["bleu"] in (0.0, 100.0)  # of fewer than four, as sacrebleu has it, 0
    assert words >= 0.5  # 1 - 0.5 / m ** 3


@given(st.sampled_from(SCRIPTS), st.sampled_from(SCRIPTS))
def test_other_texts_are_not(text, other):
    if not set(text) & set(other):
        assert set(rouge([text], [other]).values()) == {0.0}


def test_vowel_signs_and_tones_count():
    assert rouge(["की"], ["का"], "hi", ["rouge1"]) == {"rouge1": 0.0}
    assert rouge(["की"], ["का"], kinds=["rouge1"]) == {"rouge1": 0.0}
    found = rouge(["यह की है"], ["यह का है"], kinds=["rouge1", "rougeL"])
    assert found == pytest.approx({"rouge1": 2 / 3, "rougeL": 2 / 3})
    found = rouge(["ปีกี่"], ["ปาก็"], kinds=["rouge1"])  # ป ี ก ี่ and ป า ก ็
    assert found == {"rouge1": 0.0}
    assert meteor(["की"], ["का"]) == 0.0
    # composed or not, with joiners or not
    assert rouge(["caf\u00e9 été"], ["cafe\u0301 été"], kinds=["rouge1"])["rouge1"] == 1
    assert rouge(["می‌خواهم"], ["میخواهم"], kinds=["rouge1"])["rouge1"] == 1
    assert rouge(["한국"], ["\u1112\u1161\u11ab\u1100\u116e\u11a8"])["rouge1"] == 1


@given(
    st.text("the dogs Running, café naïve 3.5 snake_case l'été — Ж\n", max_size=40),
    st.text("the dog ran; cafe naïve 3.5 snake_case l'été “Ж”\n", max_size=40),
)
def test_english_is_that_of_rouge_score(text, reference):
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
    text, reference = f"the {text}", f"the {reference}"
    wanted = {k: v.fmeasure for k, v in scorer.score(reference, text).items()}
    assert rouge([text], [reference], "en", list(wanted)) == wanted


def test_words_of_other_scripts_beside_english():
    text, reference = ["The word привет"], ["The word пока"]
    assert rouge(text, reference, kinds=["rouge1"]) == {"rouge1": 1.0}
    found = rouge(text, reference, "und", ["rouge1"])
    assert found == pytest.approx({"rouge1": f1(2, 3, 3)})


@pytest.mark.parametrize(
    ("tag", "language", "text", "reference"),
    [
        ("en-US", "en", "the dogs ran l'été", "a dog running l'ete"),
        ("de_AT", "de", "die Häuser sind groß", "das Haus ist groß"),
        ("zh-CN", "zh", "我今天很高兴见到你", "我今天很高兴见到他"),
        ("ja-JP", "ja", "猫が座っている", "猫が座っていた"),
    ],
)
def test_a_tag_means_the_language_that_it_begins_with(tag, language, text, reference):
    found = written_scores([text], [reference], tag)
    assert found == written_scores([text], [reference], language)


def test_summaries_are_compared_sentence_by_sentence():
    # w1 w2 w3 w4 w5 beside w1 w2 w6 w7 w8 and w1 w3 w8 w9 w5 (Lin, 2004, section 3.2):
    # w1 w2 and w1 w3 w5, four words of five
    text, reference = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5"
    found = written_scores([text], [reference], measures=["rougeLsum", "rougeL"])
    assert found["rougeLsum"] == pytest.approx(f1(4, 10, 5))
    assert found["rougeL"] == pytest.approx(f1(4, 10, 5))
    text, reference = "г1 г2 г6\nг1 г3 г5", "г1 г2 г3 г4 г5"
    assert written_scores([text], [reference], measures=["rougeLsum"]) == {
        "rougeLsum": pytest.approx(f1(4, 6, 5))
    }


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
