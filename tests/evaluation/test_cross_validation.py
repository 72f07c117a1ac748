"""Folds: every example once, classes everywhere, nothing on both sides."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.evaluation import CrossValidation, cross_validate, split_folds

EXAMPLES = st.lists(
    st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from("xyz")),
    min_size=1,
    max_size=60,
)


def text(example):
    return example[0]


def label(example):
    return example[1]


@given(EXAMPLES, st.integers(2, 5), st.integers(0, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_folds_are_a_partition_with_a_text_on_one_side(rows, folds, seed, stratified):
    by = label if stratified else None
    texts = {row[0] for row in rows}
    try:
        found = split_folds(rows, folds, by, seed=seed)
    except ValueError as error:
        few = len(texts) < folds or (stratified and "no class has" in str(error))
        assert few
        return
    assert len(found) == folds
    tested = Counter(i for fold in found for i in fold.test)
    assert set(tested.values()) <= {1}
    if not stratified:
        assert len(tested) == len(rows)
    for train, test in found:
        assert sorted((*train, *test)) == list(range(len(rows)))
        assert not {rows[i][0] for i in train} & {rows[i][0] for i in test}
    assert found == split_folds(rows, folds, by, seed=seed)


def test_folds_are_equal_in_size_and_depend_on_the_seed():
    rows = [(str(i),) for i in range(23)]
    folds = {seed: split_folds(rows, 5, seed=seed) for seed in range(3)}
    assert [len(fold.test) for fold in folds[0]] == [5, 5, 5, 4, 4]
    assert len({fold.test for found in folds.values() for fold in found}) == 15
    # Neighbours in a file are alike: a fold is no stretch of it.
    assert max(folds[0][0].test) - min(folds[0][0].test) > 10


def test_large_groups_are_balanced():
    rows = [("large",)] * 10 + [(str(i),) for i in range(20)]
    sizes = sorted(len(fold.test) for fold in split_folds(rows, 3))
    assert sizes == [10, 10, 10]


def test_each_fold_has_its_share_of_each_class():
    rows = [(str(i), "common" if i % 5 else "rare") for i in range(100)]
    for train, test in split_folds(rows, 5, label):
        assert Counter(rows[i][1] for i in test) == {"common": 16, "rare": 4}
        assert Counter(rows[i][1] for i in train) == {"common": 64, "rare": 16}


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_learnt_wherever_it_is_tested(caplog, seed):
    rows = [(str(i), "common") for i in range(20)]
    rows += [("twice", "one text"), ("twice", "one text"), ("alone", "one")]
    rows += [("first", "two"), ("second", "two"), ("first", "two")]
    with caplog.at_level(logging.WARNING):
        folds = split_folds(rows, 4, label, seed=seed)
    assert caplog.messages == [
        "3 examples are never held out: they are all that there is of 2 classes "
        "(one text, one)",
        "1 classes have fewer groups than the 4 folds: some folds test none of them "
        "(two: 2)",
    ]
    for train, test in folds:
        assert {rows[i][1] for i in test} <= {rows[i][1] for i in train}
    tested = {i for fold in folds for i in fold.test}
    assert tested == set(range(len(rows))) - {20, 21, 22}


def test_a_run_gets_the_examples_and_its_measures_are_gathered():
    rows = [(str(i), i) for i in range(10)]
    seen = []

    def run(train, test):
        assert len(train) + len(test) == 10
        seen.extend(test)
        first = {"first": True} if len(seen) == 5 else {}
        return {"sum": sum(number for _, number in test), **first}

    done = cross_validate(run, rows, folds=2, seed=1)
    assert sorted(seen) == rows
    sums = [fold["sum"] for fold in done.folds]
    assert sum(sums) == 45
    assert done.mean() == {"sum": 22.5, "first": 1.0}
    assert done.spread()["sum"] == pytest.approx(abs(sums[0] - sums[1]) / 2**0.5)
    assert done.spread()["first"] == 0.0
    assert done.to_dict()["folds"] == [
        {"examples": 5, "sum": sums[0], "first": 1.0},
        {"examples": 5, "sum": sums[1]},
    ]


def test_mean_and_spread_by_hand():
    done = CrossValidation(({"f1": 0.8}, {"f1": 0.9}, {"f1": 1.0}), (1, 1, 1))
    assert done.mean()["f1"] == pytest.approx(0.9)
    assert done.spread()["f1"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("rows", "folds", "by", "message"),
    [
        (["a", "b"], 1, None, "two folds or more, got 1"),
        (["a", "a", "b"], 3, None, "3 examples of 2 groups, .* for 3 folds"),
        ([], 2, None, "0 examples of 0 groups"),
        ([("a", "x"), ("b", "x"), ("c", "y")], 3, label, "the largest has 2"),
    ],
)
def test_too_few_examples_are_refused(rows, folds, by, message):
    with pytest.raises(ValueError, match=message):
        split_folds(rows, folds, by)


def test_examples_may_be_groups_of_their_own():
    folds = split_folds(["a", "a", "a", "a"], 4, group=None)
    assert [len(fold.test) for fold in folds] == [1, 1, 1, 1]


def test_without_scikit_learn_it_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from massivetext_keras.evaluation import split_folds\n"
        "assert 'tensorflow' not in sys.modules\n"
        "split_folds(['a', 'b'], 2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'massivetext-keras[evaluation]'" in done.stderr.splitlines()[-1]
