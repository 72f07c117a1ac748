"""Seq2SeqLM: what it learns, and the texts it writes."""

from __future__ import annotations

import functools
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.generation import beam, decoding
from massivetext_keras.tasks import Seq2SeqLM
from massivetext_keras.tokenizers import ByteTokenizer, CharacterTokenizer
from massivetext_keras.training import adamw
from tests.tasks.tiny import randomize

pytestmark = pytest.mark.usefixtures("without_xla")

SMALL = preset("transformer_base").replace(
    vocabulary_size=259,
    num_layers=1,
    hidden_size=32,
    num_heads=2,
    intermediate_size=64,
    max_length=24,
    dropout=0.0,
    norm_position="pre",
)
SOURCES = ["abc", "a longer source", "ü", "abc"]


@pytest.fixture(scope="module", autouse=True)
def plain_loops():
    """Spares XLA's compilation, which other tests compare with this."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (beam, decoding):
            plain = functools.partial(tf.function, autograph=False)
            patch.setattr(module, "island", plain)
        yield


def noise(**options) -> Seq2SeqLM:
    """Writes noise, byte by byte."""
    return randomize(Seq2SeqLM(SMALL, ByteTokenizer(), **options), scale=0.5)


@pytest.fixture(scope="module")
def lm() -> Seq2SeqLM:
    return noise()


@pytest.fixture(scope="module")
def reverser() -> tuple[Seq2SeqLM, list[str]]:
    """Has learnt to turn words round."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdef"), 4)) for _ in range(24)]
    lm = Seq2SeqLM(SMALL, ByteTokenizer())
    lm.compile(adamw(5e-3, 40, 400, weight_decay=0.0), label_smoothing=0.02)
    pairs = [(word, word[::-1]) for word in words]
    held_out = list(zip(words[:2], ["abcd", "dcba"], strict=True))
    train, valid = lm.datasets(pairs, held_out, batch_tokens=240)
    lm.fit(train, steps_per_epoch=400, epochs=1, verbose=0)
    assert lm.evaluate(valid, verbose=0) > 0
    return lm, words


def test_one_batch_is_learnt_by_heart(reverser):
    lm, words = reverser
    turned = [word[::-1] for word in words]
    assert lm.translate(words) == turned
    assert lm.translate(words, num_beams=3) == turned


def test_the_best_of_n_is_the_translation_with_its_probability(reverser):
    lm, words = reverser
    best = lm.n_best(words[:2], 3, length_penalty=0.0, early_stopping="never")
    for word, texts in zip(words, best, strict=False):
        assert texts[0][0] == word[::-1]
        assert texts == sorted(texts, key=lambda pair: -pair[1])
        assert len({text for text, _ in texts}) == 3
        ids = lm.tokenizer([word, word[::-1]]).to_list()
        features = {
            "encoder_token_ids": [[*ids[0], 2]],
            "decoder_token_ids": [[0, *ids[1]]],
        }
        logs = tf.nn.log_softmax(lm(features))[0].numpy()
        total = sum(logs[i, token] for i, token in enumerate([*ids[1], 2]))
        assert texts[0][1] == pytest.approx(float(total), abs=1e-4)


def test_the_loss_is_smoothed_in_training_alone(lm):
    features = {
        "encoder_token_ids": tf.constant([[5, 6, 2]]),
        "decoder_token_ids": tf.constant([[0, 7]]),
    }
    labels, weights = tf.constant([[7, 2]]), tf.constant([[1.0, 0.5]])
    lm.compile(label_smoothing=0.2)
    logs = tf.nn.log_softmax(lm(features)).numpy()[0]
    plain = -(logs[0, 7] + 0.5 * logs[1, 2])
    spread = -(logs[0].mean() + 0.5 * logs[1].mean())
    losses = [
        float(lm.summed_loss(features, labels, weights, x)[0][0]) for x in (False, True)
    ]
    np.testing.assert_allclose(losses, [plain, 0.8 * plain + 0.2 * spread], rtol=1e-5)


def test_a_text_depends_on_its_source_alone(lm):
    for options in ({}, {"num_beams": 3}, {"temperature": 1.0, "seed": 3}):
        together = lm.generate(SOURCES, 8, **options)
        alone = [lm.generate(source, 8, **options) for source in SOURCES[:3]]
        assert together[:3] == alone
    assert together[3] != together[0], "equal sources have samples of their own"


def test_ids_are_answered_like_texts(lm):
    ids = tf.ragged.constant([[*row, 2] for row in lm.tokenizer(SOURCES).to_list()])
    for options in ({}, {"num_beams": 2}):
        found = lm.generate_ids(ids, 8, **options)
        texts = lm.tokenizer.detokenize(found).numpy()
        assert [t.decode() for t in texts] == lm.generate(SOURCES, 8, **options)


def test_a_long_source_keeps_its_beginning(lm, caplog):
    with caplog.at_level(logging.WARNING):
        text = lm.translate("x" * 23 + "y" * 50, 8)
    assert "source 0 has 74 tokens; the context of 24 has room for its" in caplog.text
    assert text == lm.translate("x" * 23, 8)


def test_the_prefix_is_put_before_every_source(lm):
    asked = noise(prefix="say: ")
    assert asked.translate("abc", 8) == lm.translate("say: abc", 8)
    assert asked.translate("abc", 8, prefix="") == lm.translate("abc", 8)


def test_the_first_the_last_and_the_forbidden(lm):
    free = lm.generate_ids([[5, 2]], 8).to_list()[0]
    asked = noise(first_id=70, last_id=71, never_ids=free)
    for beams in (1, 3):
        found = asked.generate_ids([[5, 2]], 8, num_beams=beams).to_list()[0]
        assert found[0] == 70
        assert not set(found) & set(free)
        assert found[-1] == 71 or found[-1] == 2 and len(found) < 8


def test_options_come_back_with_a_preset(tmp_path):
    lm = noise(prefix="to German: ", start_id=9, never_ids=(4, 5))
    lm.save_preset(tmp_path)
    again = Seq2SeqLM.from_preset(str(tmp_path))
    assert again.chosen() == lm.chosen()
    assert again.translate(SOURCES, 8) == lm.translate(SOURCES, 8)
    other = Seq2SeqLM.from_preset(str(tmp_path), prefix="")
    assert other.translate("to German: abc", 8) == lm.translate("abc", 8)


def test_text_alone_can_be_learnt_from(lm, tmp_path):
    (tmp_path / "text").write_text("0123456789" * 60)
    damage = data.SpanCorruption(sentinel_id=258)
    train, valid = lm.denoising_datasets(tmp_path / "text", damage, 2, progress=False)
    for features, labels, weights in (next(iter(train)), next(iter(valid))):
        # 23 bytes: 3 of them left out as one span
        assert features["encoder_token_ids"].shape == (2, 22)
        assert labels.shape == weights.shape == (2, 5)
        assert labels[:, 0].numpy().tolist() == [258] * 2
    assert set(features["encoder_token_ids"][0].numpy()) >= {258, 2}


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        (["a", None], {}, "source 1 is no string: None"),
        (
            "a",
            {"max_new_tokens": 25},
            "max_new_tokens must be from 1 to the context of",
        ),
        ("a", {"max_new_tokens": 0}, "max_new_tokens must be from 1"),
        ("a", {"num_beams": 0}, "num_beams must be positive"),
        ("a", {"num_beams": 2, "temperature": 1.0}, "beams take no temperature"),
        ("a", {"num_beams": 2, "early_stopping": "no"}, "early_stopping must be"),
        ("a", {"top_p": 0.0}, "top_p must be"),
    ],
)
def test_bad_questions(lm, sources, options, message):
    with pytest.raises(ValueError, match=message):
        lm.generate(sources, **options)


def test_blank_sources_end_nothing(lm):
    sources = ["abc", "", " \n\u3000", "a longer source"]
    for options in ({}, {"num_beams": 2}):
        found = lm.translate(sources, 6, **options)
        kept = lm.translate([sources[0], sources[3]], 6, **options)
        assert found == [kept[0], "", "", kept[1]]
    assert lm.translate("") == "" and lm.translate(["", " "]) == ["", ""]
    assert lm.n_best(["", "abc"], 2)[0] == [("", 0.0)]
    assert lm.n_best("", 2) == [("", 0.0)]


def test_half_a_surrogate_pair_is_a_character(lm):
    found = lm.generate(["a\ud83d", "a\ufffd"], max_new_tokens=3)
    assert found[0] == found[1]


def test_bad_datasets_and_ids(lm, tmp_path):
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("eins\n")
    with pytest.raises(ValueError, match="unknown suffix.* parallel files are given"):
        lm.datasets(tmp_path / "a", tmp_path / "b")
    for sides in ((["a x"], ["b y"]), (["a"], ["b"])):
        with pytest.raises((ValueError, OSError), match="zip.sources, targets"):
            lm.datasets(*sides)
    with pytest.raises(ValueError, match="max_length 99 is more than the model's con"):
        lm.datasets([("a", "b")], max_length=99)
    with pytest.raises(ValueError, match="rows must have 1 to 24 ids, .* 0 to 1"):
        lm.generate_ids(tf.ragged.constant([[], [1]], dtype=tf.int32))
    with pytest.raises(ValueError, match="n must be from 1 to num_beams=2, got 3"):
        lm.n_best("a", 3, num_beams=2)
    with pytest.raises(ValueError, match="beams take no temperature"):
        lm.generate_ids([[5]], num_beams=2, temperature=0.5)
    with pytest.raises(ValueError, match="needs a tokenizer with a token that ends"):
        Seq2SeqLM(SMALL, CharacterTokenizer(["<unk>", "a"]))
    with pytest.raises(ValueError, match="without a tokenizer"):
        Seq2SeqLM(SMALL).translate("a")
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\)"):
        lm.compile(label_smoothing=1.0)


@pytest.mark.slow
def test_an_export_writes_what_the_model_writes(tmp_path):
    lm = noise(prefix="do: ")
    lm.export(tmp_path / "served")  # compares greedy and beams, compiled and not
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    texts = tf.constant([*SOURCES, " "])
    found = loaded.signatures["serving_default"](text=texts)["text"].numpy()
    wanted = lm.translate(SOURCES, 24, num_beams=4)
    assert [text.decode() for text in found] == [*wanted, ""]
    limit, good = tf.constant(4), tf.constant(1.0)
    for count, penalty in ((0, 1.0), (-1, 1.0), (25, 1.0), (4, float("nan"))):
        name = "length_penalty" if count == 4 else "max_new_tokens"
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must be"):
            loaded.signatures["translate"](
                text=texts,
                max_new_tokens=tf.constant(count),
                length_penalty=tf.constant(penalty),
            )
    sampling = {"top_k": tf.constant(0), "top_p": good, "seed": tf.constant(0)}
    for name, value in (("temperature", -1.0), ("top_p", 0.0), ("top_k", -5)):
        bad = {"temperature": good, **sampling, name: tf.constant(value)}
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must be"):
            loaded.signatures["generate"](text=texts, max_new_tokens=limit, **bad)
