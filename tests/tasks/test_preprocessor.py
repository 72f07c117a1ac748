"""Strings to features: in a map, in a functional model, in files and exports."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import Preprocessor, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.test_datasets import seq2seq
from tests.tasks.tiny import byte_lm, encoder_task

TEXTS = ["the cat", "dog"]


def lists(features) -> dict:
    return {name: x.numpy().tolist() for name, x in features.items()}


def test_an_encoder_reads_one_text_or_two():
    task = encoder_task(TextClassifier, labels=["a", "b"])
    found = lists(task.preprocessor(6)(TEXTS))
    assert found == {
        "token_ids": [[2, 5, 6, 3, 0, 0], [2, 10, 3, 0, 0, 0]],
        "padding_mask": [[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]],
    }
    both = task.preprocessor(7)({"text": ["the cat"], "second": ["dog"]})
    assert lists(both) == {
        "token_ids": [[2, 5, 6, 3, 10, 3, 0]],
        "padding_mask": [[1, 1, 1, 1, 1, 1, 0]],
        "segment_ids": [[0, 0, 0, 0, 1, 1, 0]],
    }
    assert lists(task.preprocessor(3)(TEXTS))["token_ids"] == [[2, 5, 3], [2, 10, 3]]


def test_rows_are_as_wide_as_the_batch_needs_in_few_shapes():
    preprocessor = byte_lm().preprocessor()  # a context of 64
    sizes = (1, 8, 9, 16, 17, 33, 64, 99)
    widths = [preprocessor(["a" * n])["token_ids"].shape[1] for n in sizes]
    assert widths == [16, 16, 16, 16, 32, 64, 64, 64]


def test_an_encoder_decoder_reads_two():
    lm = seq2seq(prefix="t: ")
    found = lists(lm.preprocessor(8)((["ab"], ["c"])))
    read = lm.tokenizer.detokenize
    assert read(found["encoder_token_ids"]).numpy().tolist() == [b"t: ab"]
    assert found["decoder_token_ids"] == [[0, 102, 2, 0, 0, 0, 0, 0]]
    assert found["decoder_padding_mask"] == [[1, 1, 0, 0, 0, 0, 0, 0]]
    assert lists(lm.preprocessor(8)(["ab"]))["decoder_token_ids"] == [[0]]


def test_in_a_map_a_model_a_file_and_an_export(tmp_path):
    task = encoder_task(TextClassifier, labels=["a", "b"], num_layers=1)
    preprocessor = task.preprocessor(8)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(preprocessor)
    assert dataset.element_spec["token_ids"].shape.as_list() == [None, 8]
    (mapped,) = dataset
    assert lists(mapped) == lists(preprocessor(TEXTS))

    text = keras.Input((), dtype="string")
    model = keras.Model(text, keras.layers.Dense(2)(task.backbone(preprocessor(text))))
    wanted = model.predict(tf.constant(TEXTS), verbose=0)
    assert wanted.shape == (2, 8, 2)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(tf.constant(TEXTS)), wanted, atol=1e-5)

    model = keras.Sequential([keras.Input((), dtype="string"), preprocessor])
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    assert lists(again(tf.constant(TEXTS))) == lists(preprocessor(TEXTS))


def test_bad_lengths_and_stacks():
    with pytest.raises(ValueError, match="a row of 2 tokens has no room for text"):
        Preprocessor(ByteTokenizer(), sequence_length=2)
    with pytest.raises(
        ValueError, match="stack must be one of .*encoder.*got 'decode'"
    ):
        Preprocessor(ByteTokenizer(), "decode")
    with pytest.raises(ValueError, match="sequence_length 65 is more than the model's"):
        byte_lm().preprocessor(65)
    with pytest.raises(ValueError, match="one text or two make a row, got 3"):
        Preprocessor(ByteTokenizer())((["a"], ["b"], ["c"]))
