"""A `Seq2SeqLM` on a recurrent encoder-decoder: the verbs of all."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentSeq2SeqConfig
from massivetext_keras.tasks import CausalLM, Seq2SeqLM, task_class
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training.watching.pictures import (
    alignment,
    draw_alignment,
    draw_attention_of,
)
from tests.tasks.test_seq2seq import noise as transformer
from tests.tasks.test_seq2seq import plain_loops  # noqa: F401
from tests.tasks.tiny import randomize

TINY = RecurrentSeq2SeqConfig(
    vocabulary_size=259, hidden_size=12, embedding_size=8, max_length=24
)
VARIANTS = {
    "Luong": {"cell": "lstm", "attention": "multiplicative", "num_decoder_layers": 2},
    "Bahdanau": {"query": "before", "readout": "maxout", "tied_embeddings": False},
    "plain": {"input_feeding": False},
}
SOURCES = ["a", "Über uns", "", "中文", "a longer text than the others", " "]
PAIRS = [("abc", "cba"), ("xy", "yx"), ("hello", "olleh"), ("q", "q")]


def noise(seed: int = 0, scale: float = 0.8, **changes) -> Seq2SeqLM:
    lm = Seq2SeqLM(TINY.replace(**changes), ByteTokenizer())
    randomize(lm.backbone, seed, scale)
    return lm


@pytest.fixture(scope="module", params=VARIANTS)
def lm(request) -> Seq2SeqLM:
    return noise(**VARIANTS[request.param])


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.usefixtures("plain_loops")
def test_a_text_does_not_depend_on_its_neighbours(lm, beams):
    how = {"max_new_tokens": 7, "num_beams": beams}
    together = lm.translate(SOURCES, **how)
    assert together == [lm.translate(text, **how) for text in SOURCES]
    assert together[2] == together[5] == ""
    assert len({*together}) >= 4


@pytest.mark.usefixtures("plain_loops")
def test_greedy_text_is_the_most_probable_token_again_and_again(lm):
    source, written = [100, 101, 2], [lm.start_id]
    (row,) = lm.generate_ids([source], 5, num_beams=1, stop_ids=()).to_list()
    for token in row:
        ids = {"encoder_token_ids": [source], "decoder_token_ids": [written]}
        assert int(tf.argmax(lm(ids)[0, -1])) == token
        written.append(token)
    assert len(written) == 6


@pytest.mark.usefixtures("plain_loops")
def test_scores_of_beams_are_those_of_the_whole_text(lm):
    source = [100, 101, 2]
    for text, score in lm.n_best("ab", 3, 4, length_penalty=0.0):
        ids = lm.tokenizer(text).numpy().tolist()
        for end in ([], [2]):  # where the limit ends it, or the stop token
            row = [lm.start_id, *ids, *end]
            x = {"encoder_token_ids": [[*source]], "decoder_token_ids": [row[:-1]]}
            logits = tf.nn.log_softmax(lm(x)[0])
            total = sum(float(logits[i, x]) for i, x in enumerate(row[1:]))
            if total == pytest.approx(score, abs=1e-3):
                break
        else:
            # Bytes that are no UTF-8 are not written as they are read.
            assert "\N{REPLACEMENT CHARACTER}" in text


def test_a_preset_and_a_keras_file_are_the_model(lm, tmp_path):
    lm.save_preset(tmp_path / "preset")
    lm.save(tmp_path / "task.keras")
    ids = {"encoder_token_ids": [[100, 2]], "decoder_token_ids": [[0, 7, 8]]}
    for again in (
        Seq2SeqLM.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "task.keras"),
    ):
        assert again.config == lm.config
        assert np.array_equal(again(ids), lm(ids))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Luong", "Bahdanau"])
def test_an_export_is_the_model(name, tmp_path):
    lm = noise(**VARIANTS[name])
    lm.generation = {"max_new_tokens": 6, "num_beams": 2}
    lm.export(tmp_path / "served", xla=False)
    served = tf.saved_model.load(tmp_path / "served").signatures
    texts = served["serving_default"](text=tf.constant(SOURCES))["text"]
    assert [x.decode() for x in texts.numpy()] == lm.translate(SOURCES)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_loops")
def test_it_learns_to_turn_words_round_and_looks_where_it_writes():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    words = ["".join(random.choice([*"abcd"], size)) for size in [1, 2, 3, 4] * 60]
    pairs = [(word, word[::-1]) for word in words]
    lm = Seq2SeqLM(TINY.replace(hidden_size=32, embedding_size=32), ByteTokenizer())
    lm.compile(keras.optimizers.Adam(0.01), label_smoothing=0.05)
    batches, _ = lm.datasets(pairs, batch_size=32)
    lm.fit(batches, steps_per_epoch=250, verbose=0)
    held_out = ["abcd", "dcba", "cab", "a"]
    assert lm.translate(held_out, num_beams=2) == [x[::-1] for x in held_out]
    found = alignment(lm, "abcd")
    assert [*found.read[:-1]] == [*found.written[-2::-1]]
    assert found.weights.shape == (5, 5)
    np.testing.assert_allclose(found.weights.sum(axis=1), np.ones(5), rtol=1e-5)
    picture = draw_alignment(found, "abcd")
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    given = alignment(lm, "abcd", "dcba")
    np.testing.assert_allclose(given.weights, found.weights, atol=1e-6)


def test_features_and_texts_are_learnt_from_alike():
    lm = noise(**VARIANTS["plain"])
    sources, targets = zip(*PAIRS, strict=True)
    lm.compile(keras.optimizers.SGD(0.0))
    batches, _ = lm.datasets(PAIRS, batch_size=4)
    loss = lm.fit(batches, steps_per_epoch=1, verbose=0).history["loss"][0]
    texts = np.array(sources), np.array(targets)
    found = lm.fit(*texts, batch_size=4, verbose=0).history["loss"][0]
    assert found == pytest.approx(loss, rel=1e-5)
    rows = lm.preprocessor(8)({"source": list(sources), "target": list(targets)})
    assert lm(rows).shape == (4, 8, 259)


@pytest.mark.parametrize("name", VARIANTS)
def test_adapters_are_a_part_of_every_step(name):
    lm = noise(**VARIANTS[name])
    ids = {"encoder_token_ids": [[100, 2]], "decoder_token_ids": [[0, 7, 8]]}
    before = lm(ids).numpy()
    lm.adapters.add("decoder", rank=2)
    np.testing.assert_allclose(lm(ids), before, atol=1e-6)
    for path, dense in lm.adapters.layers().items():
        dense.adapter.b.assign(0.5 * np.ones(dense.adapter.b.shape))
        assert path.startswith("decoder/")
    beside = lm(ids).numpy()
    assert np.abs(beside - before).max() > 1e-2
    with lm.adapters.merged():
        np.testing.assert_allclose(lm(ids), beside, rtol=1e-4, atol=1e-4)


def test_it_is_found_by_the_name_of_a_shape():
    assert task_class("rnnsearch") is task_class(TINY) is Seq2SeqLM
    lm = Seq2SeqLM.from_preset("luong_multi30k", ByteTokenizer(), hidden_size=8)
    assert (lm.config.vocabulary_size, lm.config.hidden_size) == (259, 8)
    with pytest.raises(ValueError, match="'attension': did you mean 'attention'"):
        Seq2SeqLM.from_preset("luong_multi30k", ByteTokenizer(), attension="additive")
    with pytest.raises(ValueError, match="CausalLM needs .*that is for .*Seq2SeqLM"):
        CausalLM(TINY)


@pytest.mark.usefixtures("plain_loops")
def test_tensorboard_shows_where_the_decoder_looks():
    lm = noise()
    picture = draw_attention_of(lm, "$ab$_1", most=4)
    found = alignment(lm, "$ab$_1", max_new_tokens=4)
    assert found.weights.shape == (len(found.written), 7)
    assert 1 <= len(found.written) <= 4
    assert picture.shape == draw_alignment(found, "$ab$_1").shape


def test_an_alignment_is_of_a_recurrent_model():
    with pytest.raises(ValueError, match="of a RecurrentSeq2Seq, not of a Seq2Seq"):
        alignment(transformer(), "a")
