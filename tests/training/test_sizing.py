"""The size of a model follows from the time and the machine."""

from __future__ import annotations

import pytest

from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.training.sizing import UTILISATION, experiment_for


@pytest.mark.parametrize(
    ("minutes", "gigaflops", "vocabulary", "layers", "width"),
    [
        (5, 60, 2048, 4, 128),  # two slow cores with AVX2
        (5, 1000, 4096, 4, 192),  # with bfloat16
        (30, 60, 2048, 4, 128),
        (30, 1000, 4096, 6, 256),
    ],
)
def test_speed_and_minutes_choose_the_row(
    minutes, gigaflops, vocabulary, layers, width
):
    run = experiment_for(minutes, gigaflops * 1e9)
    model = run.model
    assert (model.num_layers, model.hidden_size) == (layers, width)
    assert model.vocabulary_size == run.tokenizer.vocabulary_size == vocabulary
    assert run.train.minutes == minutes


def test_it_is_evaluated_five_times_if_the_machine_keeps_its_speed():
    run = experiment_for(5, 400e9)
    tokens = run.data.batch_size * run.data.sequence_length
    flops = run.train.evaluate_every * tokens * flops_per_token(run.model, 128)
    assert 5 * flops == pytest.approx(UTILISATION * 300 * 400e9, rel=0.01)
    assert experiment_for(0.01, 1e9).train.evaluate_every == 100


def test_the_run_begins_at_the_unigrams_and_ends_at_zero():
    run = experiment_for(5, 100e9)
    assert run.planned() == run and run.model.logit_bias and run.train.unigram_bias
    assert (run.optimizer.name, run.optimizer.schedule) == ("muon", "linear")
    assert run.optimizer.final_fraction == 0.0
