"""BERT: segments, positions, the pooler, and configs that are not its own."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.models import BERT, GPT, Seq2Seq
from massivetext_keras.models.backbone import positions_of
from tests.models.families import backbone

IDS = np.array([[3, 1, 4, 1, 5]])


def test_segments_are_embedded():
    model = backbone("bert_base_uncased")
    segments = np.array([[0, 0, 1, 1, 1]])
    rows = model.tokens(IDS).numpy() + model.embeddings.positions.embeddings[:5]
    expected = rows + tf.gather(model.embeddings.segments.embeddings, segments)
    expected = model.embeddings.norm(tf.constant(expected))
    for block in model.stack.blocks:
        expected = block(expected)
    found = model({"token_ids": IDS, "segment_ids": segments})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    first = model({"token_ids": IDS, "segment_ids": np.zeros_like(IDS)})
    np.testing.assert_array_equal(model(IDS), first)


def test_models_without_segments_keep_packed_texts_apart():
    model = backbone("distilbert_base_uncased")
    packed = model(
        {
            "token_ids": IDS,
            "segment_ids": np.array([[1, 1, 1, 2, 2]]),
            "positions": np.array([[0, 1, 2, 0, 1]]),
        }
    )
    np.testing.assert_allclose(packed[:, :3], model(IDS[:, :3]), atol=1e-5)
    np.testing.assert_allclose(packed[:, 3:], model(IDS[:, 3:]), atol=1e-5)


def test_positions_with_an_offset_count_real_tokens():
    model = backbone("roberta_base")
    padded = {
        "token_ids": np.array([[0, 0, 3, 1, 4]]),
        "padding_mask": np.array([[0, 0, 1, 1, 1]]),
    }
    np.testing.assert_allclose(model(padded)[:, 2:], model(IDS[:, :3]), atol=1e-5)


def test_positions():
    mask = tf.constant([[1, 1, 0], [0, 1, 1]])
    assert positions_of(mask, mask, count_real=True).numpy().tolist() == [
        [0, 1, 1],
        [0, 0, 1],
    ]
    assert positions_of(mask, mask).numpy().tolist() == [[0, 1, 2]]


def test_the_pooler_reads_the_first_token():
    model = backbone("bert_base_uncased")
    hidden = model(IDS)
    kernel, bias = model.pooler.kernel.numpy(), model.pooler.bias.numpy()
    expected = np.tanh(hidden[:, 0].numpy() @ kernel + bias)
    np.testing.assert_allclose(model.pooled(hidden), expected, atol=1e-5)
    with pytest.raises(ValueError, match="pooler=True"):
        backbone("distilbert_base_uncased").pooled(hidden)


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (BERT, "gpt2_small", "BERT has stack 'encoder', the config says 'decoder'"),
        (GPT, "t5_small", "GPT has stack 'decoder' or 'prefix'.*'encoder_decoder'"),
        (Seq2Seq, "albert_base", "Seq2Seq has stack 'encoder_decoder'"),
    ],
)
def test_configs_of_another_stack_are_refused(model, name, message):
    with pytest.raises(ValueError, match=message):
        model(PRESETS[name])
