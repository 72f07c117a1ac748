"""A `CausalLM` on a recurrent model: the verbs of all, and what does not go."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.configs import RecurrentConfig
from massivetext_keras.tasks import CausalLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import Checkpoint
from tests.tasks.tiny import byte_lm as gpt_lm
from tests.tasks.tiny import randomize

pytestmark = pytest.mark.usefixtures("plain_loop", "without_xla")

TINY = RecurrentConfig(
    vocabulary_size=259, num_layers=2, hidden_size=12, max_length=48, embedding_size=8
)
TEXTS = ["", "ab", "Über uns", "中文", "a" * 60]


def byte_lm(cell: str = "lstm", seed: int = 0, scale: float = 0.6, **changes):
    options = {x: changes.pop(x) for x in CausalLM.options if x in changes}
    lm = CausalLM(TINY.replace(cell=cell, **changes), ByteTokenizer(), **options)
    randomize(lm.backbone, seed, scale)
    return lm


@pytest.fixture(scope="module", params=["lstm", "gru", "rnn"])
def lm(request) -> CausalLM:
    return byte_lm(request.param)


def batches(count: int, rows: int = 4, length: int = 10) -> tf.data.Dataset:
    random = np.random.default_rng(0)
    ids = random.integers(0, 259, [count, rows, length + 1]).astype("int32")
    weights = random.integers(0, 2, [count, rows, length]).astype("float32")
    return tf.data.Dataset.from_tensor_slices(
        ({"token_ids": ids[..., :-1]}, ids[..., 1:], weights)
    )


def test_a_text_does_not_depend_on_its_neighbours(lm):
    how = {"max_new_tokens": 9, "temperature": 0.9, "top_k": 40, "top_p": 0.95}
    together = lm.generate(TEXTS, **how, seed=3)
    assert together == [lm.generate(text, **how, seed=3) for text in TEXTS]
    assert len({*together}) == len(TEXTS)


def test_greedy_text_is_the_most_probable_token_again_and_again(lm):
    (row,) = lm.generate_ids([[7, 8]], max_new_tokens=6, stop_ids=()).to_list()
    for n in range(2, 8):
        logits = lm({"token_ids": np.array([row[:n]])})
        assert int(tf.argmax(logits[0, -1])) == row[n]


def test_streamed_pieces_join_to_the_text(lm):
    how = {"max_new_tokens": 12, "temperature": 0.8, "seed": 5}
    assert "".join(lm.stream("Über", **how)) == lm.generate("Über", **how)


def test_beams_find_a_text_as_probable_as_greedy_search(lm):
    def probability(row):
        logits = tf.nn.log_softmax(lm({"token_ids": np.array([row[:-1]])}))[0]
        return sum(float(logits[i, row[i + 1]]) for i in range(1, len(row) - 1))

    how = {"max_new_tokens": 4, "stop_ids": ()}
    (greedy,) = lm.generate_ids([[7, 8]], **how).to_list()
    # As many beams as tokens: no pair of tokens is missed.
    (best,) = lm.generate_ids([[7, 8]], **how, num_beams=8).to_list()
    assert probability(best) >= probability(greedy) - 1e-4


def test_a_score_is_the_sum_of_its_tokens(lm):
    text = "Über"
    ids = [lm.tokenizer.eos_id, *lm.tokenizer(text).numpy()]
    logits = tf.nn.log_softmax(lm({"token_ids": np.array([ids[:-1]])}))[0]
    expected = sum(float(logits[i, x]) for i, x in enumerate(ids[1:]))
    assert lm.score(text) == pytest.approx(expected, rel=1e-5)


def test_the_cache_does_not_grow():
    lm = byte_lm()
    padding = tf.zeros([2], tf.int32)
    sizes = {
        tuple(x.shape)
        for capacity in (1, 40)
        for x in tf.nest.flatten(lm.backbone.empty_cache(padding, capacity).layers)
    }
    assert sizes == {(2, 12), (2, 8)}


def test_a_preset_is_the_model(lm, tmp_path):
    lm.save_preset(tmp_path / "preset")
    again = CausalLM.from_preset(tmp_path / "preset")
    assert again.config == lm.config
    assert again.score(TEXTS) == lm.score(TEXTS)


def test_an_export_is_the_model(tmp_path, monkeypatch):
    monkeypatch.undo()  # its compiled signature is, for long
    lm = byte_lm(generation={"max_new_tokens": 6})
    lm.export(tmp_path / "served", xla=False)
    served = tf.saved_model.load(tmp_path / "served").signatures
    found = served["score"](text=tf.constant(TEXTS))["log_probability"]
    np.testing.assert_allclose(found, lm.score(TEXTS), rtol=1e-5)
    texts = served["serving_default"](prompt=tf.constant(["ab"]))["text"]
    assert texts.numpy()[0].decode() == lm.generate("ab", temperature=0)


def test_it_is_found_by_the_name_of_a_shape():
    lm = CausalLM.from_preset("lstm_small", ByteTokenizer(), hidden_size=8)
    assert lm.config.cell == "lstm"
    assert lm.config.vocabulary_size == 259
    with pytest.raises(
        ValueError, match="field of RecurrentConfig 'hiden_size'.*'hidd"
    ):
        CausalLM.from_preset("lstm_small", ByteTokenizer(), hiden_size=8)


def trained(micro_batches: int = 1, jit: bool = False, epochs: int = 1, **changes):
    keras.utils.set_random_seed(1)
    lm = byte_lm(**changes)
    lm.compile(keras.optimizers.SGD(0.1), micro_batches=micro_batches, jit_compile=jit)
    lm.fit(batches(3), epochs=epochs, verbose=0)
    return np.concatenate([w.numpy().ravel() for w in lm.trainable_weights])


@pytest.mark.parametrize(("micro_batches", "jit"), [(2, False), (4, True), (1, True)])
def test_a_batch_may_be_cut_or_compiled(micro_batches, jit):
    expected = trained()
    assert np.abs(trained(micro_batches, jit) - expected).max() < 2e-6
    assert np.abs(expected - trained(epochs=2)).max() > 1e-3


def test_it_learns_from_texts_and_conversations():
    keras.utils.set_random_seed(0)
    lm = CausalLM(TINY, ByteTokenizer())  # with the weights that it begins with
    lm.compile(keras.optimizers.Adam(0.02))
    texts = [{"text": text} for text in ("abcd" * 40, "", "a")]
    train, _ = lm.datasets(
        texts, batch_size=4, sequence_length=16, validation_fraction=0, progress=False
    )
    lm.fit(train, steps_per_epoch=150, verbose=0)
    assert lm.generate("abc", max_new_tokens=4, temperature=0) == "abcdabc"
    lm.fit(["ab", "", "x", "abcdab"], verbose=0)  # each in a row of its own
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    train, _ = lm.datasets([talk] * 4, batch_size=2, progress=False)
    lm.fit(train, steps_per_epoch=2, verbose=0)
    assert isinstance(lm.chat("a", max_new_tokens=3), str)


@pytest.mark.parametrize("texts", [[""], ["a"], ["", ""]])
def test_too_little_text_is_refused_in_one_line(texts):
    texts = [{"text": text} for text in texts]
    with pytest.raises(ValueError) as refused:
        byte_lm().datasets(texts, batch_size=1, sequence_length=8, progress=False)
    assert "\n" not in str(refused.value)


def streams(lm, start: int = 0):
    texts = [{"text": "".join(chr(97 + i * i % 7) for i in range(2000))}]
    return lm.datasets(
        texts,
        batch_size=3,
        sequence_length=8,
        objective="stream",
        start=start,
        progress=False,
    )


def test_states_are_carried_from_batch_to_batch():
    lm = byte_lm()
    lm.compile(keras.optimizers.SGD(0.0), carry_rows=3)
    _, valid = streams(lm)
    found = lm.evaluate(valid, verbose=0, return_dict=True)["loss"]
    again = lm.evaluate(valid, verbose=0, return_dict=True)["loss"]
    assert found == again  # evaluations begin anew
    rows = [
        np.concatenate(parts, axis=1)
        for parts in zip(
            *((x["token_ids"], y, w) for x, y, w in valid.as_numpy_iterator()),
            strict=True,
        )
    ]
    assert rows[0].shape[1] > 8
    loss, _ = lm.summed_loss({"token_ids": tf.constant(rows[0])}, *rows[1:], False)
    assert found == pytest.approx(float(loss[0]) / rows[2].sum(), rel=1e-6)
    without = lm.evaluate(
        valid.map(lambda x, y, w: ({"token_ids": x["token_ids"]}, y, w)),
        verbose=0,
        return_dict=True,
    )["loss"]
    assert abs(without - found) > 1e-3


def test_a_run_with_carried_states_goes_on_bit_for_bit(tmp_path):
    def run(steps: int, folder):
        keras.utils.set_random_seed(1)
        lm = byte_lm(dropout=0.3, weight_dropout=0.2)
        lm.compile(keras.optimizers.Adam(0.01), carry_rows=3)
        checkpoint = Checkpoint(folder, every=100)
        done = checkpoint.restore(lm)
        train, valid = streams(lm, start=done)
        fits = {"steps_per_epoch": steps - done, "verbose": 0}
        lm.fit(train, validation_data=valid, callbacks=[checkpoint], **fits)
        checkpoint.finish()
        return [x.numpy() for x in lm.weights]

    whole = run(7, tmp_path / "whole")
    run(4, tmp_path / "parts")
    resumed = run(7, tmp_path / "parts")
    assert sum(np.abs(x).max() > 0 for x in resumed[-8:]) == 8
    assert all(np.array_equal(*pair) for pair in zip(whole, resumed, strict=True))


def test_carried_states_are_no_part_of_a_preset(tmp_path):
    lm = byte_lm()
    lm.compile("adamw", carry_rows=2)
    lm.save_preset(tmp_path)
    assert not [name for name in lm.named_weights() if "carried" in name]
    assert CausalLM.from_preset(tmp_path).score("ab") == lm.score("ab")


def test_carried_states_are_refused_where_they_make_no_sense():
    lm = byte_lm()
    with pytest.raises(ValueError, match="carry_rows=4: states are carried for 1 row"):
        lm.compile("adamw", carry_rows=4, micro_batches=2)
    lm.compile("adamw")
    train, _ = streams(lm)
    with pytest.raises(ValueError, match="objective 'stream' needs compile"):
        lm.fit(train, steps_per_epoch=1, verbose=0)
    lm.compile("adamw", carry_rows=2)
    with pytest.raises(ValueError, match="a batch of 3 rows.*carry_rows=3"):
        lm.fit(train, steps_per_epoch=1, verbose=0)
    gpt = gpt_lm()
    with pytest.raises(ValueError, match="carry_rows=3: a decoder has no states"):
        gpt.compile("adamw", carry_rows=3)
    with pytest.raises(ValueError, match="objective 'stream' is for a CausalLM with a"):
        streams(gpt)


def test_what_does_not_go_is_refused(tmp_path):
    lm = byte_lm()
    with pytest.raises(ValueError, match="recompute=True is for blocks of a Transform"):
        lm.compile("adamw", recompute=True)
    with pytest.raises(ValueError, match="no family of Hugging Face is a RecurrentCon"):
        lm.save_preset(tmp_path, format="huggingface")
    with pytest.raises(ValueError, match="TextClassifier needs stack='encoder' or"):
        TextClassifier(TINY, ByteTokenizer())
    with pytest.raises(ValueError, match="attention.*is in no"):
        lm.add_adapters()
