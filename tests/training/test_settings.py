"""What differs between two runs is told by field, of older versions too."""

from __future__ import annotations

from massivetext_keras.data import make_objective
from massivetext_keras.training.settings import differences

MASKED = make_objective("masked").to_dict()
HERE = {
    "data": {"seed": 1, "objective": "masked", "objective_options": MASKED},
    "train": {"epochs": 3.0},
    "task": {"name": "MaskedLM", "r_drop": 0.0, "objective": "masked"},
}


def test_equal_settings_differ_in_nothing():
    assert differences(HERE, HERE) == []


def test_each_field_is_told_with_both_values():
    options = {"objective_options": {**MASKED, "mask_rate": 0.3}}
    other = {**HERE, "data": {**HERE["data"], "seed": 2, **options}}
    assert differences(HERE, other) == [
        "data.seed is 1 there and 2 here",
        "data.objective_options.mask_rate is 0.15 there and 0.3 here",
    ]
    weights = {"task": {"class_weights": {"cat": 2.0}}}
    none = {"task": {"class_weights": None}}
    assert differences(none, weights) == [
        "task.class_weights is None there and {'cat': 2.0} here"
    ]


def test_what_an_older_version_did_not_say_is_no_difference():
    old = {"data": {"seed": 1}, "train": {"task": "MaskedLM"}, "task": {"r_drop": 0.0}}
    assert differences(old, HERE) == []
    assert old["train"] == {"task": "MaskedLM"}  # as it was


def test_an_older_version_learnt_by_the_objective_of_its_task():
    old = {"data": {"seed": 1}, "train": {"task": "CausalLM"}, "task": {"r_drop": 1.0}}
    replaced = make_objective("replaced").to_dict()
    rows = {"seed": 1, "objective": "replaced", "objective_options": replaced}
    assert differences(old, {**HERE, "data": rows}) == [
        "data.objective is 'masked' there and 'replaced' here",
        "data.objective_options.mask_share is 0.8 there and 1.0 here",
        "data.objective_options.random_share is 0.1 there and 0.0 here",
        "task.name is 'CausalLM' there and 'MaskedLM' here",
        "task.r_drop is 1.0 there and 0.0 here",
    ]
