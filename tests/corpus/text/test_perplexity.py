"""The word model that documents are scored by."""

from __future__ import annotations

import math
import unicodedata

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.perplexity import NgramModel, fit_ngram_model
from massivetext_keras.reading.document import Document
from tests.clocks import times_as_long_as_words


def scores(model: NgramModel, *texts: str) -> np.ndarray:
    return model.perplexity(Batch(map(Document, texts)))


def test_unigrams_by_hand():
    # a 3, b 2, and c, d once each, which make the rare word: counts 3, 2, 2 of 7.
    # No count of 1, so D = 1/2, backoff 3 * D / 7, uniform 1/3: p(a) = 5/14 + 1/14,
    # p(b) = p(rare) = 3/14 + 1/14, and each of the two rare words has half of that.
    model = NgramModel(order=1).fit(["a b c a", "b a d"])
    a, b, rare = 6 / 14, 4 / 14, 2 / 14
    expected = [1 / a, 1 / b, 1 / rare, 1 / rare, (a * a * b * rare) ** -0.25]
    np.testing.assert_allclose(scores(model, "a", "b", "c", "z", "a a b z"), expected)


def test_case_digits_and_punctuation_around_words_do_not_count():
    model = NgramModel(order=1).fit(["the year 1999, the year 2004 don't don't"])
    plain = scores(model, "the year 1234 don't")
    for text in ("The YEAR 5678 DON'T", '("the") year: 0000. don\'t!?"'):
        assert scores(model, text) == plain
    assert scores(model, "the year 12345 don't") > plain
    assert scores(model, "the year 1234 dont") > plain


def test_a_text_without_words_has_no_perplexity():
    model = NgramModel().fit(["to be or not to be"])
    assert np.isnan(scores(model, "", "to", " \n")).tolist() == [True, False, True]
    assert scores(model).shape == (0,)


def test_the_order_of_words_counts_and_unknown_words_cost():
    model = NgramModel().fit(["the cat sat on the mat and the dog sat on the rug"] * 9)
    told, turned, unknown = scores(
        model, "the cat sat on the mat", "mat the on sat cat the", "xx yy zz uu vv ww"
    )
    assert told < turned < unknown


def test_chinese_is_modelled_by_character():
    model = NgramModel(order=2).fit(["分久必合，天下大势。"] * 3)
    known, turned, other = scores(model, "分久必合", "合必久分", "江山如画")
    assert known == pytest.approx(1 / (5 / 6 + 1 / 6 / 11))  # 10 characters and rare
    assert turned > 9 * known and other > 9 * known


def test_a_document_scores_the_same_in_any_batch():
    texts = [f"w{n % 7} w{n % 5} the {n % 3}" * (n % 11) for n in range(50)]
    model = NgramModel(vocabulary_size=6).fit(texts[::2])
    together = scores(model, *texts)
    alone = np.concatenate([scores(model, text) for text in texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(scores(model, *texts[::-1])[::-1], together)


def test_saved_and_loaded(tmp_path):
    model = NgramModel(vocabulary_size=3, order=3).fit(["to be or not to be to be"] * 2)
    path = tmp_path / "model.npz"
    mark = model.save(path)
    again = NgramModel.load(path)
    assert again.fingerprint == mark == model.fingerprint and len(mark) == 64
    assert (again.order, again.vocabulary_size) == (3, 3)
    text = "not to be or new"
    assert scores(again, text) == scores(model, text)
    first = path.read_bytes()
    model.save(path)
    assert path.read_bytes() == first
    assert NgramModel(2).fit(["to be to be"]).fingerprint != mark


def test_the_model_is_fitted_from_files(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be")
    (tmp_path / "b.jsonl").write_text('{"text": "to be"}\n')
    output = tmp_path / "new/model.npz"
    model = fit_ngram_model([str(tmp_path)], output, vocabulary_size=10, order=2)
    expected = NgramModel(10, 2).fit(["to be or not to be", "to be"])
    assert model.fingerprint == NgramModel.load(output).fingerprint
    assert model.fingerprint == expected.fingerprint


def test_what_is_beyond_max_words_is_not_read():
    def texts():
        for _ in range(1000):
            yield "to be or not to be"
        raise AssertionError("read on")

    model = NgramModel().fit(texts(), max_words=1536)
    assert math.isfinite(scores(model, "to be")[0])


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="no words"):
        NgramModel().fit(["", " "])
    with pytest.raises(RuntimeError, match="fit"):
        scores(NgramModel(), "x")
    with pytest.raises(RuntimeError, match="fit"):
        NgramModel().save(tmp_path / "x.npz")
    path = tmp_path / "x.npz"
    with pytest.raises(FileNotFoundError):
        NgramModel.load(path)
    path.write_text("nothing")
    with pytest.raises(ValueError, match=r"x\.npz is not an n-gram model"):
        NgramModel.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match=r"x\.npz is not an n-gram model"):
        NgramModel.load(path)
    model = NgramModel().fit(["to be or to be"])
    model.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["mass_1"] = arrays["mass_1"] * 2
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="damaged"):
        NgramModel.load(path)


def test_real_text_and_speed(data_dir):
    reference = (data_dir / "lm/wikitext2_valid.raw.txt").read_text()
    pieces = [reference[at : at + 3000] for at in range(0, len(reference), 3000)]
    model = NgramModel().fit(pieces[::2])
    held_out = pieces[1::2]
    turned = [" ".join(text.split()[::-1]) for text in held_out]
    chinese = (data_dir / "summ/csl_title_zh.tsv").read_text()[:3000]
    told, backwards = (np.median(scores(model, *some)) for some in (held_out, turned))
    assert told < 0.8 * backwards < scores(model, chinese)[0]
    batch = Batch(map(Document, held_out))
    # measured: 2.4 to 2.7 times
    assert times_as_long_as_words(lambda: model.perplexity(batch), held_out) < 8


def test_a_reference_may_be_in_any_form_of_unicode():
    texts = ["l'été à la forêt, près du café"] * 3
    batch = Batch(
        [Document(texts[0]), Document("e\u0301te\u0301 a\u0300 la fore\u0302t")]
    )
    one, other = (
        NgramModel(order=2).fit([unicodedata.normalize(form, text) for text in texts])
        for form in ("NFC", "NFD")
    )
    assert one.fingerprint == other.fingerprint
    assert one.perplexity(batch).max() < 20
