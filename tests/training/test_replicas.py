from __future__ import annotations

import pytest

from tests.processes import last_line_of


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict:
    """Of `replicas.py`, in a process whose CPU is four logical devices."""
    folder = str(tmp_path_factory.mktemp("replicas"))
    return last_line_of("-m", "tests.training.replicas", folder)


pytestmark = pytest.mark.slow


def test_two_replicas_train_as_one_device_does(result):
    assert result["replicas"] == 2
    assert any(left != right for left, right in result["tokens"])
    assert result["moved"] > 0.03
    assert result["apart"] < 1e-5


def test_any_split_of_a_batch_ends_at_the_same_weights(result):
    ends = result["golden"]
    assert list(ends) == ["1 x 4", "2 x 2", "4 x 1"]
    assert max(ends.values()) < 1e-5, ends


def test_a_recurrent_model_ends_there_too(result):
    ends = result["recurrent"]
    assert list(ends) == ["2 x 2"]
    assert max(ends.values()) < 1e-5, ends


def test_adapters_learn_the_same_on_two_replicas(result):
    assert result["adapters"] < 1e-6


def test_replies_are_learnt_the_same_on_two_replicas(result):
    assert result["chat"] < 1e-6


def test_replicas_drop_other_entries(result):
    assert result["masks_differ"]


def test_curves_and_evaluations_are_those_of_one_device(result):
    one, two = result["curves"]
    assert len(one["loss"]) == 3
    assert min(one["gradient_norm"]) > 0.5  # every update was clipped
    for tag, values in one.items():
        assert two[tag] == pytest.approx(values, rel=1e-5), tag
    one, two = result["validation"]
    assert two == pytest.approx(one, rel=1e-6)


def test_a_checkpoint_fits_any_number_of_replicas(result):
    assert result["restored"] == [0.0, 0.0]


def test_resumed_is_uninterrupted_on_two_replicas_with_dropout(result):
    assert result["resumed"] == [2, 0.0]
