"""Calibration of whole tasks on texts."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from massivetext_keras.layers.stored import matrix_of
from massivetext_keras.quantization.calibration import features_of
from tests.tasks.every import TASKS
from tests.tasks.tiny import byte_lm

TEXTS = [f"the cat sat on mat {i}, the dog sat on the log" for i in range(24)]


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_answers_change_less_than_with_the_nearest(method):
    wrong = {}
    for how in ("nearest", method):
        lm = byte_lm(num_layers=2, hidden_size=32, intermediate_size=48)
        features = features_of(lm, TEXTS)[0]
        wanted = lm(features).numpy()
        lm.quantize("int4", TEXTS, group_size=16, method=how)
        wrong[how] = np.abs(lm(features).numpy() - wanted).mean()
    assert wrong[method] < 0.95 * wrong["nearest"]


def test_the_best_is_measured_on_texts_that_were_held_out(caplog):
    lm = byte_lm(num_layers=1)
    before = {k: matrix_of(x).numpy() for k, x in lm.quantization.matrices().items()}
    with caplog.at_level(logging.INFO):
        lm.quantize("int4", TEXTS, group_size=8)
    said = [x.getMessage() for x in caplog.records if "answers change by" in x.message]
    assert [text.partition(":")[0] for text in said] == ["gptq", "awq", "nearest"]
    errors = [float(text.split()[4]) for text in said]
    scaled = any(x.scaled_inputs for x in lm.quantization.storages().values())
    assert scaled == (errors.index(min(errors)) == 1)
    lm.dequantize()
    for path, layer in lm.quantization.matrices().items():
        largest = np.abs(before[path]).max()
        assert 0 < np.abs(matrix_of(layer).numpy() - before[path]).max() < largest / 3


@pytest.mark.parametrize("name", ["TextClassifier", "TokenClassifier", "TextEmbedder"])
def test_tasks_on_encoders(name):
    task = TASKS[name]()
    storages = task.quantize("int4", TEXTS, group_size=8, method="gptq")
    assert {x.form for x in storages.values()} == {"int4"}


def test_pairs_reach_the_decoder_and_sources_alone_do_not(caplog):
    pairs = [(text, text[::-1]) for text in TEXTS]
    task = TASKS["Seq2SeqLM"]()
    task.quantize("int4", pairs, group_size=8, method="gptq")
    assert "do not reach" not in caplog.text
    with pytest.raises(ValueError, match="some are pairs"):
        TASKS["Seq2SeqLM"]().quantize("int4", [*pairs, "a"], method="gptq")


def test_too_few_texts_to_measure_on():
    with pytest.raises(ValueError, match="more than 8 are needed to measure"):
        byte_lm().quantize("int4", TEXTS[:8])


def test_answers_that_are_not_finite_cannot_be_compared():
    lm = byte_lm(num_layers=1)
    for layer in lm.quantization.matrices().values():
        matrix_of(layer).assign(np.nan * matrix_of(layer).numpy())
    with pytest.raises(ValueError, match="answers to the texts are not all finite"):
        lm.quantize("int4", TEXTS, group_size=8)
