"""What a Seq2SeqLM learns from pairs, and how what it writes is measured."""

from __future__ import annotations

import logging

import pytest
import tensorflow as tf

from massivetext_keras.evaluation.writing import MEASURES, written_scores
from massivetext_keras.tasks import Seq2SeqLM
from massivetext_keras.text.examples import TextPair
from tests.tasks.test_seq2seq import SMALL, noise, plain_loops  # noqa: F401

pytestmark = pytest.mark.usefixtures("without_xla")

PAIRS = [
    TextPair("abc", "cba"),
    TextPair("a longer source " * 3, "short"),
    TextPair("x", "y" * 40),
    TextPair("only asked"),
]


def test_batches_of_pairs_keep_the_beginning_of_long_sources(caplog):
    lm = noise(prefix="t: ")
    with caplog.at_level(logging.WARNING):
        batches = lm.example_batches(PAIRS, batch_size=2, training=False)
    assert (
        "1 of 3 pairs left out: 0 with an empty side, 1 longer than 24" in caplog.text
    )
    assert "1 of 3 sources are longer than 24 tokens" in caplog.text
    ((features, labels, weights),) = batches.validation()
    decode = lm.tokenizer.detokenize
    texts = [x.decode() for x in decode(features["encoder_token_ids"]).numpy()]
    assert sorted(texts) == ["t: a longer source a lo", "t: abc"]
    assert sorted(decode(labels).numpy()) == [b"cba", b"short"]
    assert weights.numpy().sum() == len("cba") + len("short") + 2
    assert features["encoder_token_ids"].shape == (2, 24)


def test_the_language_of_the_targets_is_found():
    pairs = [TextPair("the cat and the dog", text) for text in ("黑猫。", None)]
    assert Seq2SeqLM.options_for(pairs) == {"language": "zh"}
    assert Seq2SeqLM.options_for([TextPair("猫", "the cat")]) == {"language": "en"}
    assert Seq2SeqLM.options_for([TextPair("cat", "Кот")]) == {"language": "und"}
    assert Seq2SeqLM.options_for([TextPair("cat")]) == {}


@pytest.mark.parametrize(
    "text", ["Кот сидел на коврике", "猫がマットに座った", "แมวนั่ง"]
)
def test_a_task_that_was_told_no_language_measures_any(text):
    lm = noise(measures=list(MEASURES))
    found = lm.scores([TextPair("cat", text)], [{"target": text}])
    assert found.pop("bleu") == found.pop("chrf") == 100
    assert found.pop("meteor") > 0.99
    assert set(found.values()) == {1.0}


def test_datasets_are_those_of_texts_and_of_examples():
    lm = noise()
    sources, targets = zip(*PAIRS[:1] * 3, strict=True)
    plain, _ = lm.datasets(
        list(zip(sources, targets, strict=True)), batch_tokens=64, seed=1
    )
    examples, _ = lm.example_datasets(PAIRS[:1] * 3, None, None, 64, seed=1)
    for one, other in zip(plain.take(2), examples.take(2), strict=True):
        tf.nest.map_structure(lambda a, b: tf.debugging.assert_equal(a, b), one, other)


def test_measures_are_those_of_the_predictions_and_the_loss():
    lm = noise(language="de", measures=["rouge1", "chrf"])
    predictions = lm.predictions(PAIRS)
    assert [x["target"] for x in predictions] == lm.generate([p[0] for p in PAIRS])
    found = lm.measure(PAIRS[:2], predictions[:2])
    assert list(found) == ["rouge1", "chrf", "loss"]
    texts, wanted = [x["target"] for x in predictions[:2]], ["cba", "short"]
    assert {k: found[k] for k in lm.measures} == written_scores(
        texts, wanted, "de", lm.measures
    )
    nats = 0.0
    for source, target in PAIRS[:2]:
        ids = lm.tokenizer([source[:23], target]).to_list()
        features = {
            "encoder_token_ids": [[*ids[0], 2]],
            "decoder_token_ids": [[0, *ids[1]]],
        }
        logs = tf.nn.log_softmax(lm(features))[0].numpy()
        nats -= sum(logs[i, x] for i, x in enumerate([*ids[1], 2]))
    assert found["loss"] == pytest.approx(nats / 10, rel=1e-4)
    perfect = lm.measure(PAIRS[:2], [{"target": text} for text in wanted])
    assert perfect["rouge1"] == 1.0 and perfect["chrf"] == 100.0
    with pytest.raises(ValueError, match="no example has a target"):
        lm.measure(PAIRS[3:], predictions[3:])


def test_records_become_pairs():
    assert Seq2SeqLM.example({"source": "a", "target": "b"}) == TextPair("a", "b")
    assert Seq2SeqLM.example({"source": "a"}) == TextPair("a")
    for fields in ({}, {"source": " "}, {"source": "a", "target": ""}, {"source": 3}):
        with pytest.raises(ValueError):
            Seq2SeqLM.example(fields)


def test_the_measures_stay_with_the_preset(tmp_path):
    noise(language="zh", measures="rougeL").save_preset(tmp_path)
    again = Seq2SeqLM.from_preset(str(tmp_path))
    assert (again.language, again.measures) == ("zh", ("rougeL",))
    with pytest.raises(ValueError, match="unknown measure 'rogueL': did you mean"):
        Seq2SeqLM(SMALL, measures=["rogueL"])
