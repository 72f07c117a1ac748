"""Tests of two runs against exact values, the normal limit and sacrebleu."""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.significance import PairedTest

from massivetext_keras.evaluation import (
    approximate_randomization,
    bootstrap_interval,
    paired_bootstrap,
)

# Hours of sleep gained with each of two drugs (Student, 1908)
SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)


def mean(predictions, references):
    return sum(predictions) / len(predictions)


def f1(predictions, references):
    right = sum(p and r for p, r in zip(predictions, references, strict=True))
    return 2 * right / max(sum(predictions) + sum(references), 1)


def accuracy(predictions, references):
    return sum(map(str.__eq__, predictions, references)) / len(references)


def test_all_exchanges_by_hand():
    # Nine differ, all in one direction: all or none exchanged, the tenth either way.
    done = approximate_randomization(*SLEEP)
    assert (done.p_value, done.samples) == (4 / 1024, 1024)
    assert done.difference == pytest.approx(1.58)


def test_of_right_and_wrong_it_is_mcnemars_exact_test():
    # 2 examples are right in the first run alone, 8 in the second alone.
    first, second = [1] * 2 + [0] * 8 + [1, 0], [0] * 2 + [1] * 8 + [1, 0]
    tail = sum(math.comb(10, k) for k in range(3)) / 2**10
    assert approximate_randomization(first, second).p_value == pytest.approx(2 * tail)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1).filter(
        lambda rows: len(rows) <= 7
    )
)
@settings(max_examples=30, deadline=None)
def test_exchanges_of_a_measure_are_those_of_brute_force(rows):
    first, second, gold = map(list, zip(*rows, strict=True))
    observed = abs(f1(first, gold) - f1(second, gold))
    beyond = 0
    for swap in itertools.product([0, 1], repeat=len(rows)):
        one = [row[s] for row, s in zip(rows, swap, strict=True)]
        other = [row[1 - s] for row, s in zip(rows, swap, strict=True)]
        beyond += abs(f1(one, gold) - f1(other, gold)) >= observed - 1e-12
    done = approximate_randomization(first, second, gold, f1)
    assert done.p_value == pytest.approx(beyond / 2 ** len(rows))


def test_sampled_exchanges_come_near_all_of_them():
    sampled = approximate_randomization(*SLEEP, samples=1023)  # one too few for all
    assert 1 / 1024 <= sampled.p_value < 0.012
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12))
    exact = approximate_randomization(first, second, samples=4096).p_value
    near = approximate_randomization(first, second, samples=4000).p_value
    assert near == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000))


@pytest.mark.parametrize("gain", [0.0, 0.02, 0.05])
def test_many_examples_give_what_the_normal_distribution_gives(gain):
    rng = np.random.default_rng(1)
    first = rng.normal(size=3000)
    gaps = rng.normal(size=3000)
    second = first + (gaps - gaps.mean()) / gaps.std() + gain
    error = 1 / math.sqrt(3000)
    wanted = 2 * (1 - NormalDist().cdf(gain / error))
    for test in (paired_bootstrap, approximate_randomization):
        done = test(first, second, samples=2000)
        assert done.p_value == pytest.approx(wanted, abs=0.035)
        assert done.difference == pytest.approx(gain)
    done = paired_bootstrap(first, second, samples=2000)
    assert done.interval == pytest.approx(
        (gain - 1.96 * error, gain + 1.96 * error), abs=0.003
    )
    assert done.wins == pytest.approx(NormalDist().cdf(gain / error), abs=0.035)


def test_equally_good_runs_are_rarely_told_apart():
    rng = np.random.default_rng(2)
    for test in (paired_bootstrap, approximate_randomization):
        runs = (test(*rng.normal(size=(2, 40)), samples=200) for _ in range(150))
        found = sum(run.p_value < 0.1 for run in runs)
        assert 5 <= found <= 27  # of 15 expected


def test_a_mean_is_the_same_by_scores_and_by_a_function():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 30)).tolist()
    for test in (paired_bootstrap, approximate_randomization):
        fast = test(first, second, samples=50)
        slow = test(first, second, [None] * 30, mean, samples=50)
        assert np.allclose(
            np.hstack([x for x in fast if x is not None]),
            np.hstack([x for x in slow if x is not None]),
        )


def test_sums_of_statistics_give_what_the_examples_do():
    rng = np.random.default_rng(6)
    first, second, gold = rng.integers(2, size=(3, 40)).tolist()

    def rows(said):
        return [(p and g, p, g) for p, g in zip(said, gold, strict=True)]

    def of_sums(sums):
        return 2 * sums[0] / max(sums[1] + sums[2], 1)

    for test in (paired_bootstrap, approximate_randomization):
        fast = test(rows(first), rows(second), measure=of_sums, samples=100)
        slow = test(first, second, gold, f1, samples=100)
        assert fast[:4] == pytest.approx(slow[:4])
        assert fast[4:] == slow[4:] or fast[4] == pytest.approx(slow[4])


def test_references_stay_beside_their_predictions():
    gold = [str(i) for i in range(50)]
    wrong = ["no"] * 50
    assert bootstrap_interval(gold, gold, accuracy, samples=20) == (1.0, 1.0, 1.0)
    done = paired_bootstrap(wrong, gold, gold, accuracy, samples=20)
    assert done[:5] == (0.0, 1.0, 1.0, 1 / 21, (1.0, 1.0))
    assert done.wins == 1.0
    done = approximate_randomization(gold, wrong, gold, accuracy, samples=500)
    assert (done.difference, done.p_value) == (-1.0, 1 / 501)


def test_nothing_is_won_by_the_same_run_twice():
    scores = [0.1, 0.5, 0.9, 0.3]
    done = paired_bootstrap(scores, scores)
    assert (done.difference, done.p_value, done.wins) == (0.0, 1.0, 0.5)
    assert approximate_randomization(scores, scores).p_value == 1.0


def test_an_interval_covers_as_often_as_it_should():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        interval = bootstrap_interval(rng.normal(size=60), samples=200, confidence=0.8)
        covered += interval.low <= 0.0 <= interval.high
    assert 215 <= covered <= 260  # of 240 expected


def noisy(lines, rate, seed):
    """Lines of which some words are other ones."""
    rng = random.Random(seed)
    return [
        " ".join("x" if rng.random() < rate else word for word in line.split())
        for line in lines
    ]


def test_bleu_as_sacrebleu_tests_it():
    rng = random.Random(5)
    words = [f"word{i}" for i in range(15)]
    gold = [" ".join(rng.choices(words, k=12)) for _ in range(25)]
    first, second = noisy(gold, 0.2, 10), noisy(gold, 0.21, 20)
    metric = sacrebleu.BLEU()

    def bleu(predictions, references):
        return metric.corpus_score(predictions, [references]).score

    theirs = {}
    for kind in ("ar", "bs"):
        test = PairedTest(
            [("first", first), ("second", second)],
            {"BLEU": sacrebleu.BLEU(references=[gold])},
            None,
            test_type=kind,
            n_samples=1000,
        )
        scores = test()[1]["BLEU"]
        theirs[kind] = scores[1].p_value
    arguments = (first, second, gold, bleu)
    statistics = [
        metric._extract_corpus_statistics(side, [gold]) for side in (first, second)
    ]

    def of_sums(sums):
        return metric._compute_score_from_stats(sums.tolist()).score

    ours = approximate_randomization(*statistics, measure=of_sums, samples=1000)
    assert (ours.first, ours.second) == pytest.approx([s.score for s in scores])
    assert ours.p_value == pytest.approx(theirs["ar"], abs=0.05)
    # By the texts themselves it is the same, and takes longer.
    slow = approximate_randomization(*arguments, samples=20)
    fast = approximate_randomization(*statistics, measure=of_sums, samples=20)
    assert slow[:4] == pytest.approx(fast[:4])
    # Theirs is of one direction.
    ours = paired_bootstrap(*statistics, measure=of_sums, samples=1000)
    worse = ours.wins if ours.difference < 0 else 1 - ours.wins
    assert worse == pytest.approx(theirs["bs"], abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "0 and 0 examples"),
        (([1], [1, 2]), "1 and 2 examples"),
        (([1, 2], [1, float("nan")]), "score 1 is nan"),
        (([1], [2], ["a"]), "references without a measure"),
        (([1], [2], ["a", "b"], mean), "1 predictions and 2 references"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    for test in (paired_bootstrap, approximate_randomization):
        with pytest.raises(ValueError, match=message):
            test(*arguments)


def test_bounds_of_arguments():
    with pytest.raises(ValueError, match="samples must be positive"):
        paired_bootstrap([1], [2], samples=0)
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\), got 95"):
        paired_bootstrap([1], [2], confidence=95)
